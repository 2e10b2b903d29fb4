"""A Dockerfile of the user's own, with stages and arguments: built as Docker does, tested, published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from buildkit.registry.manifests import DOCKER_MANIFEST

if TYPE_CHECKING:
    from tests.e2e.support.real import Local, Project

DOCKERFILE = """\
ARG PYTHON=3.99
FROM python:${PYTHON}-slim-bookworm AS words
ARG WORD=none
RUN echo "$WORD" >/word

FROM python:${PYTHON}-slim-bookworm AS runtime
LABEL org.opencontainers.image.version="its own"
COPY --from=words /word /word
COPY . /seen/
COPY program/train program/serve /usr/local/bin/

FROM runtime AS debug
RUN exit 1
"""
IMAGES = """
[image.NAME]
versions = ["1.0"]
dockerfile = "docker/Dockerfile"
target = "runtime"
context = "."
args = { PYTHON = "{python}", WORD = "a ${{word}}" }
labels = { "com.example.team" = "forecasting" }

[image.NAME.samples]
channels = { training = "data" }

[[image.NAME.samples.payload]]
content-type = "text/csv"
body = "request.csv"
answer = "answer.csv"
"""


def test_a_dockerfile_of_one_s_own_is_built_tested_and_published(
    local: Local, project: Project
) -> None:
    folder, image = project.folder, f"{project.name}:1.0-cpu-py311"
    project.write(IMAGES)
    (folder / "docker").mkdir()
    file = folder / "docker" / "Dockerfile"
    file.write_text(DOCKERFILE)
    # BuildKit reads the one beside the Dockerfile, and not the one of the context.
    (folder / "docker" / "Dockerfile.dockerignore").write_text("*\n!program\n**/secret\n")
    (folder / ".dockerignore").write_text("program/train\n")
    (folder / "program" / "secret").write_text("hunter2")

    done = local.buildkit("build", "--all", "--push", folder=folder)
    assert done.code == 0, done.stderr
    found = local.manifest(project.name, "1.0-cpu-py311")
    assert found is not None
    assert found[0] == DOCKER_MANIFEST
    assert local.docker("run", "--rm", image, "cat", "/word") == "a ${word}"
    seen = local.docker("run", "--rm", image, "find", "/seen", "-type", "f")
    assert sorted(seen.split()) == ["/seen/program/serve", "/seen/program/train"]
    labels = json.loads(local.docker("inspect", "--format", "{{json .Config.Labels}}", image))
    assert labels["buildkit.identity"].startswith("sha256:")
    assert (
        labels.items()
        >= {
            "buildkit.target": project.id,
            "com.example.team": "forecasting",
            "org.opencontainers.image.title": project.name,
            "org.opencontainers.image.version": "its own",
        }.items()
    )

    def planned() -> list[tuple[str, list[str]]]:
        found = local.buildkit("build", "--all", "--plan", "--json", folder=folder)
        assert found.code == 0, found.stderr
        return [(each["state"], each["reasons"]) for each in found.json["targets"]]

    (folder / "program" / "secret").write_text("no part of the image")
    assert planned() == [("tested", [])]
    file.write_text(f"# Ours.\n{DOCKERFILE}")
    assert planned() == [("to do", ["docker/Dockerfile changed"])]
    file.write_text(DOCKERFILE)
    (folder / "program" / "new").write_text("new")
    assert planned() == [("to do", ["the folder of images.toml changed"])]
