"""The step that copies cuda-compat into an image, and the program that loads it by the driver."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from buildkit.render import dockerfile, render
from buildkit.support.errors import TemplateError
from tests.support.projects import target

CUDA = "nvidia/cuda:12.9.1-base-ubuntu24.04"
PROGRAM = "/usr/local/bin/cuda-compat"
CLOSED = """\
NVRM version: NVIDIA UNIX x86_64 Kernel Module  {}  Sun May 12 19:39:15 UTC 2024
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)
"""
OPEN = """\
NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {}  Release Build  (dvs-builder@U22-I3-AF04-20-1)  Sun Jul 20
GCC version:  gcc version 10.5.0 20230707 (Red Hat 10.5.0-1) (GCC)
"""


def rendered(
    compat: str = CUDA, base: str = "python:3.11-slim", folder: Path = Path("/nowhere")
) -> str:
    text = (
        f'[image.demo]\nversions = ["1.0"]\ndevices = ["gpu"]\ntemplate = "script-mode"\n'
        f'base = "{base}"\ncuda-compat = "{compat}"\n'
    )
    return render.render(target(text, folder), render.templates(folder)).dockerfile


def test_the_libraries_come_from_the_image_and_the_program_starts_all_others() -> None:
    text = rendered()
    assert f"RUN --mount=type=bind,from={CUDA},target=/run/cuda began=" in text
    assert "cp -r /run/cuda/usr/local/cuda-*.*/compat/. /usr/local/cuda/compat/" in text
    assert f'ENTRYPOINT ["{PROGRAM}", "525"]\n' in text


def test_a_base_that_has_the_libraries_only_gets_the_program() -> None:
    text = rendered(base=CUDA)
    assert "/run/cuda" not in text
    assert f'ENTRYPOINT ["{PROGRAM}", "525"]\n' in text


def test_a_template_that_leaves_them_out_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/script-mode.Dockerfile.j2").write_text("FROM {{ target.base }}\n")
    with pytest.raises(TemplateError, match="script-mode.Dockerfile.j2 installs no cuda-compat"):
        rendered(folder=tmp_path)


def script(tmp_path: Path, driver: str | None, library: str | None) -> Path:
    """The program as the step of the Dockerfile writes it, with other paths."""
    (run,) = (
        each
        for each in dockerfile.instructions(rendered())
        if PROGRAM in each.rest and each.word == "RUN"
    )
    command = re.search(r"printf .* > \S+", run.rest, re.DOTALL)
    assert command is not None
    proc, folder, path = tmp_path / "version", tmp_path / "compat", tmp_path / "cuda-compat"
    subprocess.run(["sh", "-ec", command[0].replace(PROGRAM, str(path))], check=True)
    text = path.read_text().replace("/proc/driver/nvidia/version", str(proc))
    path.write_text(text.replace("/usr/local/cuda/compat", str(folder)))
    path.chmod(0o755)
    folder.mkdir()
    if library is not None:
        (folder / "libcuda.so.1").symlink_to(f"libcuda.so.{library}")
    if driver is not None:
        proc.write_text(driver)
    return path


def started(program: Path, **variables: str) -> tuple[str, str]:
    """What LD_LIBRARY_PATH is for the command, and what the program has said."""
    command: list[str | Path] = [
        program,
        "525",
        "sh",
        "-c",
        'echo "${LD_LIBRARY_PATH-unset}"; echo "$0 $@"',
        "a",
        "b c",
    ]
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    path, arguments = done.stdout.splitlines()
    assert arguments == "a b c"
    return path, done.stderr


@pytest.mark.process
@pytest.mark.parametrize(
    ("driver", "library", "loaded"),
    [
        pytest.param(CLOSED.format("535.183.01"), "575.57.08", True, id="an older driver"),
        pytest.param(OPEN.format("550.163.01"), "575.57.08", True, id="an older driver, the open one"),
        pytest.param(OPEN.format("575.51.03"), "575.57.08", True, id="older in its branch"),
        pytest.param(CLOSED.format("525.60"), "575.57.08", True, id="the oldest that they support"),
        pytest.param(CLOSED.format("470.256.02"), "575.57.08", False, id="too old for them"),
        pytest.param(OPEN.format("575.57.08"), "575.57.08", False, id="their own driver"),
        pytest.param(OPEN.format("580.65.06"), "575.57.08", False, id="a newer driver"),
        pytest.param(OPEN.format("1000.1"), "575.57.08", False, id="by numbers, not by letters"),
        pytest.param(OPEN.format("575.100.1"), "575.57.08", False, id="by numbers, also behind the dot"),
        pytest.param("NVRM version: unknown\n", "575.57.08", False, id="a driver without a version"),
        pytest.param(None, "575.57.08", False, id="no driver"),
        pytest.param(OPEN.format("550.163.01"), None, False, id="no libraries"),
    ],
)  # fmt: skip
def test_the_libraries_are_loaded_only_for_older_drivers(
    tmp_path: Path, driver: str | None, library: str | None, *, loaded: bool
) -> None:
    path, said = started(script(tmp_path, driver, library))
    assert path == (str(tmp_path / "compat") if loaded else "unset")
    assert bool(said) == loaded


@pytest.mark.process
def test_what_is_on_the_loader_path_stays_there(tmp_path: Path) -> None:
    program = script(tmp_path, CLOSED.format("535.183.01"), "575.57.08")
    path, said = started(program, LD_LIBRARY_PATH="/usr/local/nvidia/lib64")
    assert path == f"{tmp_path / 'compat'}:/usr/local/nvidia/lib64"
    assert (
        said
        == f"cuda-compat: the driver of the host, 535.183.01, is older than 575.57.08: loading {tmp_path / 'compat'}\n"
    )


@pytest.mark.process
def test_without_a_command_nothing_seems_to_have_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [script(tmp_path, None, "575.57.08"), "525"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (127, "cuda-compat: no command to start\n")


@pytest.mark.process
def test_the_command_takes_the_place_of_the_program(tmp_path: Path) -> None:
    """Signals reach it, and its exit code is that of the container."""
    program = script(tmp_path, None, "575.57.08")
    with subprocess.Popen(
        [program, "525", "sh", "-c", "echo $$; exit 3"], stdout=subprocess.PIPE
    ) as process:
        output, _ = process.communicate()
    assert (int(output), process.returncode) == (process.pid, 3)
