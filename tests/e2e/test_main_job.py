"""images.toml to URIs: the main job on real parts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support.real import IMAGES, make_project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.support.real import Local, Project
    from tests.e2e.support.running import Result

DOCKER = "application/vnd.docker"


@pytest.fixture(scope="module")
def published(
    local: Local, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, Result]]:
    """A project, and the run that published its image."""
    project = make_project(tmp_path_factory.mktemp("published"))
    run = ("build", "--all", "--push")
    yield project, local.buildkit(*run, folder=project.folder, PYTHONDEVMODE="1")
    local.forget(project.name)


def test_build_test_and_publish(local: Local, published: tuple[Project, Result]) -> None:
    project, done = published
    assert done.code == 0, done.stderr
    assert done.closed_all, done.stderr
    uri, digest_uri = done.stdout.splitlines()
    assert uri == f"{local.registry}/{project.name}:1.0-cpu-py311"

    found = local.manifest(project.name, "1.0-cpu-py311")
    assert found is not None
    media_type, digest, document = found
    assert digest_uri == f"{local.registry}/{project.name}@{digest}"
    assert media_type == f"{DOCKER}.distribution.manifest.v2+json"
    assert document["config"]["mediaType"] == f"{DOCKER}.container.image.v1+json"
    assert {layer["mediaType"] for layer in document["layers"]} == {
        f"{DOCKER}.image.rootfs.diff.tar.gzip"
    }

    records = project.folder / "dist" / project.id
    assert {path.name for path in records.iterdir()} == {
        "Dockerfile", "rendered.json", "built.json", "report.json", "verified.json", "test",
        "published.json",
    }  # fmt: skip
    tested = json.loads((records / "verified.json").read_text())["verified"]["built"]
    assert tested["manifest_digest"] in (digest, None)
    assert tested["config_digest"] == document["config"]["digest"]

    by_digest = local.buildkit("uri", project.id, "--digest", folder=project.folder)
    assert by_digest.stdout == f"{digest_uri}\n"
    assert by_digest.stderr == ""


def test_again_nothing_is_built_tested_or_pushed(
    local: Local, published: tuple[Project, Result]
) -> None:
    project, _ = published
    again = local.buildkit("build", "--all", "--push", "--json", folder=project.folder)
    assert again.code == 0
    (target,) = again.json["targets"]
    assert (target["status"], target["pushed"]) == ("published", False)
    assert "building" not in again.stderr
    assert "testing" not in again.stderr


def test_each_stage_can_be_run_by_itself(local: Local, tested: Project, tmp_path: Path) -> None:
    folder, id_ = tested.folder, f"{tested.name}-1.0-cpu-py311"
    dist = (folder / "dist").rename(tmp_path / "dist")
    early = local.buildkit("push", id_, folder=folder)
    assert (early.code, early.stdout) == (5, "")
    assert "the target is not built" in early.stderr
    dist.rename(folder / "dist")
    assert local.buildkit("uri", id_, folder=folder).code == 3
    (folder / "dist" / id_ / "verified.json").unlink()
    untested = local.buildkit("push", id_, folder=folder)
    assert untested.code == 5
    assert "has not passed its test" in untested.stderr
    assert local.manifest(tested.repository, "1.0-cpu-py311") is None
    assert local.buildkit("test", id_, "--profile", "smoke", folder=folder).code == 0
    assert local.buildkit("push", id_, folder=folder).code == 0
    assert local.manifest(tested.repository, "1.0-cpu-py311") is not None


def test_an_image_that_breaks_the_contract_is_never_pushed(local: Local, project: Project) -> None:
    (project.folder / "answer.csv").write_text("40\n50\n")
    project.change("train", "    raise\n", "    sys.exit(0)\n")
    done = local.buildkit("build", "--all", "--push", "--json", folder=project.folder)
    assert done.code == 6
    (target,) = done.json["targets"]
    assert target["status"] == "failed"
    assert "OUT-01" in target["error"]["message"]
    assert "SERVE-06" in target["error"]["message"]
    assert "fix:" in target["error"]["details"]
    refused = local.buildkit("push", "--all", folder=project.folder)
    assert refused.code == 5
    assert local.manifest(project.name, "1.0-cpu-py311") is None
    assert not (project.folder / "releases.jsonl").exists()


def test_any_image_can_be_tested(
    local: Local, published: tuple[Project, Result], tmp_path: Path
) -> None:
    """By its name it has the samples of its target; elsewhere none, and its purpose is found out."""
    project, _ = published
    image = f"{project.name}:1.0-cpu-py311"
    at_home = local.buildkit("test", image, "--clause", "OUT-01", "--json", folder=project.folder)
    assert at_home.code == 0, at_home.stderr
    assert statuses(at_home) == {"OUT-01": "pass"}
    abroad = local.buildkit("test", image, "--profile", "smoke", "--json", folder=tmp_path)
    assert abroad.code == 8, abroad.stderr
    assert abroad.json["verdict"] == "unjudged"
    assert abroad.json["untried"] == "not trained, not served: no samples"
    found = statuses(abroad)
    assert (found["RUN-01"], found["OUT-01"], found["OUT-02"]) == ("pass", "skip", "pass")
    assert (found["RUN-02"], found["SERVE-06"]) == ("skip", "skip")
    assert {
        "image", "digest", "profile", "purpose", "platform", "verdict", "untried", "causes", "clauses",
    } == abroad.json.keys()  # fmt: skip


def statuses(done: Result) -> dict[str, str]:
    return {clause["id"]: clause["status"] for clause in done.json["clauses"]}


def test_two_purposes_are_two_images(local: Local, project: Project) -> None:
    (project.folder / "model").mkdir()
    (project.folder / "model" / "model.json").write_text("3.0")
    text = IMAGES.replace('"1.0"]', '"1.0"]\npurposes = ["training", "inference"]')
    project.write(text.replace('data" }', 'data" }\nmodel = "model"'))
    done = local.buildkit("build", "--all", "--push", "--json", folder=project.folder)
    assert done.code == 0, done.stderr
    assert [target["id"] for target in done.json["targets"]] == [
        f"{project.id}-training",
        f"{project.id}-inference",
    ]
    assert local.manifest(f"{project.name}-training", "1.0-cpu-py311") is not None
    assert local.manifest(f"{project.name}-inference", "1.0-cpu-py311") is not None
