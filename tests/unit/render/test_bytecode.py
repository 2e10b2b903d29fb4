"""The bytecode that a build writes: the same each time, whatever else is compiled."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from buildkit.render import render
from tests.support.projects import MINIMAL, target

SOURCE = 'import configparser\n\nNAMES = configparser.ConfigParser, {"one", "two"}\n'


def command(python: str, folder: Path) -> str:
    """The command that compiles the runtime's programs, for a folder of the test."""
    toml = f'{MINIMAL}template = "sklearn"\npythons = ["{python}"]\n'
    text = render.render(target(toml), render.templates(Path("/nowhere"))).dockerfile
    found = re.search(
        r"^ +(\S.*compileall.*?) /opt/buildkit/buildkit_runtime", text, re.MULTILINE | re.DOTALL
    )
    assert found is not None
    lines = found[1].rpartition("&& \\\n")[2].strip().replace("\\\n", "")
    return f"{lines.replace('python ', f'{sys.executable} ')} {folder}"


@pytest.mark.process
@pytest.mark.parametrize("python", ["3.9", "3.11"])
def test_bytecode_has_no_times_and_is_the_same_beside_other_files(
    tmp_path: Path, python: str
) -> None:
    found = []
    for number in range(2):
        folder = tmp_path / f"{number}"
        (folder / "src").mkdir(parents=True)
        (folder / "src" / "one.py").write_text(SOURCE)
        if number:
            shutil.copyfile(folder / "src" / "one.py", folder / "src" / "before.py")
        subprocess.run(["sh", "-ec", f"cd {folder} && {command(python, Path('src'))}"], check=True)
        (written,) = (folder / "src" / "__pycache__").glob("one.*.pyc")
        found.append(written.read_bytes())
    assert found[0] == found[1]
    assert found[0][4:8] == b"\x01\0\0\0"  # unchecked hash (PEP 552)


def test_new_versions_of_python_need_no_help() -> None:
    assert "python -c 'import compileall" in command("3.10", Path("x")).replace(
        sys.executable, "python"
    )
    assert command("3.11", Path("x")) == (
        f"{sys.executable} -m compileall -q --invalidation-mode unchecked-hash x"
    )
