"""`dockerfile` in images.toml: a Dockerfile of the user's own in the place of a template."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkit.config import images_toml
from buildkit.config.boundary import around
from buildkit.matrix import matrix
from buildkit.render import render
from buildkit.support.errors import ConfigError
from tests.support.projects import parse

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.model.target import Target

IMAGE = """
[image.demo]
versions = ["1.0"]
dockerfile = "docker/Dockerfile"
"""
FILE = """\
ARG PYTHON=3.10
FROM node:20 AS web
FROM python:${PYTHON}-slim AS runtime
ARG JOBS=1
COPY program /opt/program
FROM runtime AS debug
COPY --from=web /x /x
"""


def expand(folder: Path, text: str, file: str | bytes = FILE) -> tuple[Target, ...]:
    for each in ("docker", "docker/program"):
        (folder / each).mkdir(exist_ok=True)
    content = file if isinstance(file, bytes) else file.encode()
    (folder / "docker" / "Dockerfile").write_bytes(content)
    return matrix.expand(parse(text, folder), render.templates(folder))


def one(folder: Path, text: str, file: str = FILE) -> Target:
    (only,) = expand(folder, text, file)
    return only


def problems(folder: Path, text: str, file: str | bytes = FILE) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        expand(folder, text, file)
    return caught.value.details.replace(f"{folder}", "FOLDER").splitlines()


def test_a_target_has_the_file_its_stage_its_arguments_and_the_base_of_its_stage(
    tmp_path: Path,
) -> None:
    more = 'target = "Runtime"\nargs = { PYTHON = "{python}", HTTP_PROXY = "http://p" }'
    found = one(tmp_path, IMAGE + more)
    assert found.dockerfile == str(tmp_path / "docker" / "Dockerfile")
    assert found.context == str(tmp_path / "docker")
    assert (found.template, found.stage, found.base) == ("", "Runtime", "python:3.11-slim")
    assert found.build_arguments == {"PYTHON": "3.11", "HTTP_PROXY": "http://p"}
    assert not found.is_in_images_lock


def test_the_last_stage_is_built_with_the_defaults_of_the_file(tmp_path: Path) -> None:
    found = one(tmp_path, IMAGE)
    assert (found.stage, found.base, found.args) == (None, "python:3.10-slim", ())


def test_each_target_may_have_a_file_a_stage_and_a_context_of_its_own(tmp_path: Path) -> None:
    for device in ("cpu", "gpu"):
        (tmp_path / f"{device}.Dockerfile").write_text(
            f"FROM {device}-base AS training\nFROM {device}-base:2 AS inference\n"
        )
    text = """
        [image.demo]
        versions = ["1.0"]
        devices = ["cpu", "gpu"]
        purposes = ["training", "inference"]
        dockerfile = "{device}.Dockerfile"
        target = "{purpose}"
        """
    found = matrix.expand(parse(text, tmp_path), render.templates(tmp_path))
    bases = [each.base for each in found]
    assert bases == ["cpu-base", "cpu-base:2", "gpu-base", "gpu-base:2"]
    assert {each.context for each in found} == {str(tmp_path)}


@pytest.mark.parametrize(
    ("file", "given", "base"),
    [
        pytest.param("ARG BASE\nFROM ${BASE}", "", "python:3.11", id="asked for"),
        pytest.param("ARG BASE=x\nFROM $BASE", "", "python:3.11", id="instead of the default"),
        pytest.param("ARG BASE\nFROM $BASE", "args = { BASE = 'a' }", "a", id="an argument"),
        pytest.param("FROM a:${TARGETARCH}", "", "a:amd64", id="the platform"),
        pytest.param("FROM a:1$TARGETVARIANT", "", "a:1", id="a variant of it"),
        pytest.param("FROM a\nARG TARGETARCH\nCOPY x-$TARGETARCH /", "", "a", id="a file of it"),
        pytest.param("FROM --platform=$BUILDPLATFORM a", "", "a", id="another platform"),
        pytest.param("FROM --platform=$TARGETPLATFORM a", "", "a", id="the same platform"),
        pytest.param("FROM --platform=linux/amd64 a", "", "a", id="the same, written out"),
        pytest.param("FROM --platform=X86_64 a", "", "a", id="the same by another name"),
        pytest.param("FROM --platform=linux a", "", "a", id="the system alone"),
        pytest.param(
            "FROM --platform=linux/arm64/v8 a",
            'platform = "linux/arm64"',
            "a",
            id="a variant of the platform",
        ),
        pytest.param(
            "FROM --platform=linux/arm64 a AS tools\nFROM b\nCOPY --from=tools /x /x",
            "",
            "b",
            id="another platform of a stage that is copied from",
        ),
        pytest.param(r"FROM a:3\.11", "", "a:3.11", id="an escaped letter"),
        pytest.param("ARG V='1'\nFROM \"a\":'2'.$V", "", "a:2.1", id="quotes"),
        pytest.param('ARG V="$W" W=1\nFROM a:1$V', "", "a:1", id="a variable in quotes"),
        pytest.param("FROM a AS B-c_d.1\nFROM b-c_d.1", "", "a", id="a long stage name"),
        pytest.param("FROM ${BASE:-b}", "", "b", id="a default in its place"),
        pytest.param("ARG END\nFROM a$END", "args = { END = '' }", "a", id="an empty argument"),
        pytest.param("ARG END=\nFROM a${END}", "", "a", id="an empty default"),
        pytest.param("FROM a\nENTRYPOINT\nCMD", "", "a", id="without what the base starts"),
        pytest.param("FROM scratch", "", "scratch", id="no base"),
        pytest.param("FROM a AS x\nFROM b\nFROM x", "", "a", id="an earlier stage"),
    ],
)
def test_the_base_is_what_from_names(tmp_path: Path, file: str, given: str, base: str) -> None:
    text = f'[defaults]\nbase = "python:{{python}}"\n{IMAGE}{given}'
    assert one(tmp_path, text, file).base == base


def test_a_prebuilt_image_is_the_argument_base(tmp_path: Path) -> None:
    text = IMAGE.replace("1.0", "2.5.1") + 'purposes = ["training"]\n'
    text += 'base = { prebuilt = { framework = "pytorch", region = "eu-west-1" } }'
    found = one(tmp_path, text, "ARG BASE\nFROM ${BASE}\n")
    uri = "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.5.1-cpu-py311"
    assert (found.base, found.build_arguments) == (uri, {"BASE": uri})


def test_what_is_written_for_other_images_is_no_problem_and_has_no_effect(tmp_path: Path) -> None:
    text = """
        [defaults]
        template = "basic"
        base = "python:{python}"
        packages = ["numpy"]
        args = { OTHER = "1", JOBS = "2" }
        lock = false
        apt-snapshot = "20261101T000000Z"

        [image.demo]
        versions = ["1.0"]
        dockerfile = "docker/Dockerfile"
        """
    found = one(tmp_path, text)
    assert (found.template, found.packages, found.lockable) == ("", (), True)
    assert (found.args, found.apt_snapshot) == ((("JOBS", "2"),), None)


def test_an_override_replaces_the_template_by_a_file_and_the_file_by_a_template(
    tmp_path: Path,
) -> None:
    text = """
        [image.demo]
        versions = ["1", "2", "3", "4"]
        base = "python:{python}"
        template = "extend"
        packages = ["numpy"]

        [[image.demo.override]]
        when = { version = "[234]" }
        dockerfile = "docker/Dockerfile"

        [[image.demo.override]]
        when = { version = "3" }
        template = "extend"

        [[image.demo.override]]
        when = { version = "4" }
        dockerfile = ""
        """
    found = [(each.template, each.packages) for each in expand(tmp_path, text)]
    extended = ("extend", ("numpy",))
    assert found == [extended, ("", ()), extended, extended]


LINE = "images.toml:4: image.demo.dockerfile: "


@pytest.mark.parametrize(
    ("file", "said"),
    [
        pytest.param("RUN x\n", "docker/Dockerfile:1: a Dockerfile needs a `FROM`", id="no FROM"),
        pytest.param("", "docker/Dockerfile:1: a Dockerfile needs a `FROM`", id="empty"),
        pytest.param(
            "FROM a\n\nRUNN x\n",
            "docker/Dockerfile:3: unknown instruction `RUNN`; did you mean `RUN`?",
            id="misspelt",
        ),
        pytest.param(
            "ENV A=1\nFROM a\n",
            "docker/Dockerfile:1: `ENV` comes before the first FROM; only ARG can",
            id="before FROM",
        ),
        pytest.param(
            "FROM a b c\n",
            "docker/Dockerfile:1: write `FROM image` or `FROM image AS stage`",
            id="no AS",
        ),
        pytest.param(
            "FROM --foo=x --platform=linux/amd64 a\n",
            "docker/Dockerfile:1: `FROM` has no flag `--foo`, only `--platform`",
            id="an unknown flag",
        ),
        pytest.param(
            "FROM a AS 1b\n",
            "docker/Dockerfile:1: `1b` cannot be the name of a stage: it begins with a letter, "
            "and has only letters, digits, `-`, `_` and `.`",
            id="a stage that begins with a digit",
        ),
        pytest.param(
            "FROM --platform=linux/arm64 a\n",
            "demo-1.0-cpu-py311: line 1, `FROM --platform=linux/arm64 a`: the image would be one "
            "for `linux/arm64`, but the target is for `linux/amd64`; remove `--platform`, or "
            "change `platform` in images.toml",
            id="another platform",
        ),
        pytest.param(
            "ARG P=arm64\nFROM --platform=linux/$P a AS x\nFROM x\n",
            "demo-1.0-cpu-py311: line 2, `FROM --platform=linux/$P a AS x`: the image would be one "
            "for `linux/arm64`, but the target is for `linux/amd64`; remove `--platform`, or "
            "change `platform` in images.toml",
            id="another platform of an earlier stage",
        ),
        pytest.param(
            "ARG X=1 V='3.$X'\nFROM a:$V\n",
            "demo-1.0-cpu-py311: line 2, `FROM a:$V`: 'a:3.$X' is not an image reference "
            "such as `python:3.11-slim-bookworm`",
            id="a variable in single quotes",
        ),
        pytest.param("FROM a\nCOPY\n", "docker/Dockerfile:2: `COPY` has no arguments", id="bare"),
        pytest.param(
            b"FROM a\nRUN \xe9\n",
            "docker/Dockerfile cannot be read: line 2 is not UTF-8: byte 0xe9 (in Latin-1 `é`); "
            "save it as UTF-8",
            id="not UTF-8",
        ),
        pytest.param(
            "ARG TAG\nFROM a:$TAG\n",
            "demo-1.0-cpu-py311: line 2, `FROM a:$TAG`: `TAG` has no value; "
            'write `args = { TAG = "…" }`, or write a default',
            id="no value",
        ),
        pytest.param(
            "ARG NAME=\nFROM $NAME\n",
            "demo-1.0-cpu-py311: line 2, `FROM $NAME`: `NAME` has no value; "
            'write `args = { NAME = "…" }`, or write a default',
            id="no image",
        ),
        pytest.param(
            "FROM a\nARG TAG=1\nFROM a:$TAG\n",
            "demo-1.0-cpu-py311: line 3, `FROM a:$TAG`: `TAG` has no value; add `ARG TAG` before "
            'the first FROM, and write `args = { TAG = "…" }`, or write a default',
            id="declared too late",
        ),
        pytest.param(
            "ARG BASE\nFROM $BASE\n",
            "demo-1.0-cpu-py311: line 2, `FROM $BASE`: `BASE` has no value; write `base`, or "
            "write a default",
            id="no base",
        ),
        pytest.param(
            "FROM a:$BUILDARCH\n",
            "demo-1.0-cpu-py311: line 1, `FROM a:$BUILDARCH`: only the build knows this image; "
            "name it without such variables",
            id="unknown",
        ),
        pytest.param(
            "FROM docker.io/python:latest AS Python\n",
            "demo-1.0-cpu-py311: stage `python` has the name of an image; rename the stage",
            id="named as its base",
        ),
        pytest.param(
            "FROM tools:latest AS tools\nFROM a\nCOPY --from=tools:latest /x /x\n",
            "demo-1.0-cpu-py311: stage `tools` has the name of an image; rename the stage",
            id="named as another image",
        ),
        pytest.param(
            "FROM a\nCOPY missing /x\n",
            "docker/Dockerfile copies `missing`, which is not in FOLDER/docker",
            id="copies what is not there",
        ),
    ],
)
def test_what_is_wrong_in_the_file_is_a_problem_of_images_toml(
    tmp_path: Path, file: str | bytes, said: str
) -> None:
    assert problems(tmp_path, IMAGE, file) == [LINE + said]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            IMAGE.replace("docker/D", "D"),
            "'Dockerfile' not found in FOLDER; did you mean `docker/Dockerfile`?",
            id="elsewhere",
        ),
        pytest.param(
            IMAGE.replace("/Dockerfile", ""),
            "'docker' is a folder, not a file; did you mean `docker/Dockerfile`?",
            id="its folder",
        ),
        pytest.param(
            IMAGE.replace("docker/", "docker/link-to-"),
            "`docker/link-to-Dockerfile` leads to `/etc/hostname`, outside of the project "
            "`FOLDER`; move it into the project, or pass `--allow-outside`",
            id="a link that leads out",
        ),
    ],
)
def test_a_path_that_names_no_dockerfile_is_a_problem(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "link-to-Dockerfile").symlink_to("/etc/hostname")
    assert problems(tmp_path, text) == [LINE + said]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            'target = "runtim"',
            "target: unknown stage `runtim`; did you mean `runtime`? stages: `web`, `runtime`, "
            "`debug`",
            id="a misspelt stage",
        ),
        pytest.param(
            'args = { JOB = "1" }',
            "args.JOB: docker/Dockerfile has no `ARG JOB`; did you mean: `JOBS`",
            id="a misspelt argument",
        ),
        pytest.param(
            'template = "basic"',
            "template: `dockerfile` replaces the template; remove one of the two",
            id="a template",
        ),
        pytest.param(
            'base = "python:3.11"',
            "base: no effect: docker/Dockerfile has no `ARG BASE` before its first FROM; write "
            "`ARG BASE` and `FROM ${BASE}` there, or remove this key",
            id="a base that nothing reads",
        ),
        *(
            pytest.param(
                f"{key} = {value}", f"{key}: no effect: only templates read this key; ", id=key
            )
            for key, value in (
                ("packages", '["numpy"]'),
                ("requirements", '"docker/Dockerfile"'),
                ("indexes", '["https://a.example/"]'),
                ("lock", "false"),
                ("source-builds", '["numpy"]'),
                ("cuda-compat", '"nvidia/cuda:13.0.1-base-ubuntu24.04"'),
                ("apt-snapshot", '"20261101T000000Z"'),
            )
        ),
    ],
)
def test_a_key_beside_it_that_has_no_effect_is_a_problem(
    tmp_path: Path, text: str, said: str
) -> None:
    (found,) = problems(tmp_path, IMAGE + text)
    assert found.startswith(f"images.toml:5: image.demo.{said}")


def test_a_stage_needs_a_dockerfile(tmp_path: Path) -> None:
    text = '[image.demo]\nversions = ["1"]\nbase = "a"\ntemplate = "extend"\ntarget = "x"\n'
    message = "a template has no stages to choose from; `target` needs `dockerfile`"
    assert problems(tmp_path, text) == [f"images.toml:5: image.demo.target: {message}"]


@pytest.mark.parametrize("key", ["file", "build", "docker-file"])
def test_the_key_of_another_tool_leads_to_it(tmp_path: Path, key: str) -> None:
    text = IMAGE.replace("dockerfile", key)
    message = "unknown key; did you mean `dockerfile`?"
    assert problems(tmp_path, text) == [f"images.toml:4: image.demo.{key}: {message}"]


def test_a_program_that_the_image_cannot_start_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "train").write_text("#!/bin/sh\n")
    file = "FROM python:3.11 AS image\nCOPY train /usr/local/bin/\nFROM image\nRUN chmod +x /usr/local/bin/train\n"
    assert one(tmp_path, IMAGE, file).stage is None
    (found,) = problems(tmp_path, IMAGE + 'target = "image"', file)
    assert found.startswith(f"{LINE}the image could not start `train`: its file is not executable")


def test_the_dockerignore_beside_the_file_replaces_that_of_the_context(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "out").symlink_to("/etc/hostname")
    (tmp_path / "docker" / ".dockerignore").write_text("program\n")
    assert any("the link `docker/out` leads to" in each for each in problems(tmp_path, IMAGE))
    ignore = tmp_path / "docker" / "Dockerfile.dockerignore"
    ignore.write_text("out\n")
    assert one(tmp_path, IMAGE).dockerfile is not None
    with_file = FILE.replace("COPY program /", "COPY Dockerfile /")
    ignore.write_text("out\nDockerfile\n")
    said = "docker/Dockerfile copies `Dockerfile`, which docker/Dockerfile.dockerignore leaves out"
    assert problems(tmp_path, IMAGE, with_file) == [LINE + said]


def test_a_link_in_a_context_is_a_problem_of_the_key_that_names_the_context(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "out").symlink_to("/etc/hostname")
    (found,) = problems(tmp_path, f'{IMAGE}context = "files"\n', "FROM a\n")
    assert found.startswith("images.toml:5: image.demo.context: the link `files/out` leads to")
    (tmp_path / "docker" / "out").symlink_to("/etc/hostname")
    (found,) = problems(tmp_path, IMAGE, "FROM a\n")
    assert found.startswith(f"{LINE}the link `docker/out` leads to")


def test_a_file_outside_of_the_project_needs_the_option(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "Dockerfile").write_text("FROM a\n")
    text = IMAGE.replace("docker/", "../")
    limits = around(tmp_path / "project", open_=True)
    config = images_toml.parse(text, tmp_path / "project" / "images.toml", limits=limits)
    (found,) = matrix.expand(config, render.templates(tmp_path / "project", limits))
    assert found.base == "a"
