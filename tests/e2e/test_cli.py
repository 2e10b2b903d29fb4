"""The command line as shells, pipes and terminals see it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.e2e.support.real import BUILDKIT, IMAGES
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from tests.e2e.support.real import Local, Project

ESCAPE = "\x1b["


def test_the_plan_is_what_bake_reads(local: Local, project: Project) -> None:
    project.write(IMAGES + IMAGES.replace("NAME", "NAMEb"))
    done = local.buildkit("build", "--all", "--bake-plan", folder=project.folder,
                          DOCKER_HOST="unix:///nonexistent", PIP_CERT="", SSL_CERT_FILE="",
                          BUILDKIT_WHEELS="")  # fmt: skip
    assert done.code == 0
    assert not (project.folder / "dist").exists()
    printed = subprocess.run(
        ["docker", "buildx", "bake", "--file", "-", "--print"],
        env=local.env, input=done.stdout, capture_output=True, text=True, timeout=HANG,
    )  # fmt: skip
    assert printed.returncode == 0, printed.stderr
    read, planned = json.loads(printed.stdout), done.json
    assert read["group"] == planned["group"]
    assert read["target"].keys() == planned["target"].keys()
    for name, target in planned["target"].items():
        for key, value in target.items():
            # bake leaves out what is empty and shows no inline Dockerfile's `${` escaped
            if value:
                assert read["target"][name][key] == json.loads(
                    json.dumps(value).replace("$${", "${")
                )
    assert local.docker("images", "--quiet", project.name) == ""


def test_render_and_check(local: Local, project: Project) -> None:
    folder = project.folder
    assert local.buildkit("render", "--check", folder=folder).code == 4
    written = local.buildkit("render", folder=folder)
    path = folder / "dockerfiles" / project.id / "Dockerfile"
    assert written.stdout == f"{path}\n"
    assert local.buildkit("render", "--check", folder=folder).code == 0
    path.write_text(path.read_text() + "USER 1000\n")
    changed = local.buildkit("render", "--check", folder=folder)
    assert (changed.code, changed.stdout) == (4, "")
    assert "-USER 1000" in changed.stderr


def test_uri_prints_the_uri_and_nothing_else(local: Local, tested: Project) -> None:
    folder, id_ = tested.folder, f"{tested.name}-1.0-cpu-py311"
    missing = local.buildkit("uri", id_, folder=folder)
    assert (missing.code, missing.stdout) == (3, "")
    assert local.buildkit("push", id_, folder=folder).code == 0
    found = local.buildkit("uri", id_, folder=folder)
    wanted = f"{local.registry}/{tested.repository}:1.0-cpu-py311\n"
    assert (found.code, found.stdout, found.stderr) == (0, wanted, "")


def test_a_reader_that_takes_one_line(local: Local, project: Project) -> None:
    many = ", ".join(f'"1.{number}"' for number in range(3000))
    project.write(IMAGES.replace('"1.0"', many))
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$0" list | head -1; echo "${PIPESTATUS[0]}"', BUILDKIT],
        cwd=project.folder, env=local.env, capture_output=True, text=True, timeout=HANG,
    )  # fmt: skip
    first, code = done.stdout.splitlines()
    assert first.startswith("TARGET")
    assert code == "0"
    assert done.stderr == ""


def completions(local: Local, project: Project, words: str, number: int) -> list[str]:
    done = local.buildkit(folder=project.folder, _BUILDKIT_COMPLETE="bash_complete",
                          COMP_WORDS=words, COMP_CWORD=str(number))  # fmt: skip
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_completion(local: Local, project: Project) -> None:
    source = local.buildkit(folder=project.folder, _BUILDKIT_COMPLETE="bash_source")
    assert "_buildkit_completion" in source.stdout
    assert completions(local, project, "buildkit b", 1) == ["build"]
    assert completions(local, project, f"buildkit build {project.name[:3]}", 2) == [
        project.name,
        project.id,
    ]
    assert completions(local, project, "buildkit uri pytorch-n", 2) == ["pytorch-neuron"]
    words = "buildkit uri --prebuilt pytorch --region us-isob"
    assert completions(local, project, words, 5) == ["us-isob-east-1"]
    (project.folder / "images.toml").write_text("not toml")
    assert completions(local, project, "buildkit build t", 2) == []


@pytest.mark.parametrize("no_color", ["", "1"])
def test_colour_on_a_terminal_only(local: Local, project: Project, no_color: str) -> None:
    project.change("serve", "200 if", "500 if")
    env = {**local.env, "TERM": "xterm", "NO_COLOR": no_color, "DOCKER_HOST": "unix:///nonexistent"}
    arguments = ["build", "--all"]
    terminal = pexpect.spawn(str(BUILDKIT), arguments, cwd=str(project.folder), env=env,
                             encoding="utf-8", timeout=HANG)  # fmt: skip
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 5
    said = str(terminal.before)
    assert "error: no Docker engine answers" in said
    assert (ESCAPE in said) is (no_color == "")
    piped = local.buildkit(*arguments, folder=project.folder, DOCKER_HOST="unix:///nonexistent")
    assert ESCAPE not in piped.stderr
