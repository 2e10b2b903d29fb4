"""What `scripts/dev/package` refuses before it builds anything."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from buildkit.support import manual
from tests.support.waiting import HANG

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.process


def package(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts/dev/package", *arguments],
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=HANG,
    )


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2", "v01.2.3", "v1.2.3+build", "v1.2.3-beta", "vx"])
def test_a_tag_that_is_no_semantic_version_is_refused(tmp_path: Path, tag: str) -> None:
    done = package(tmp_path, "packages", TAG=tag)
    assert done.returncode == 5
    assert f"{tag} is not a semantic version" in done.stderr
    assert not (tmp_path / "packages").exists()


def test_the_wheel_is_looked_for_by_the_name_of_the_distribution() -> None:
    """As wheels spell it (PEP 427): with `_` for `-`."""
    name = manual.DISTRIBUTION.replace("-", "_")
    assert f"${{2##*/{name}-}}" in (ROOT / "scripts/dev/package").read_text()


def test_a_version_that_the_changelog_does_not_have_is_refused(tmp_path: Path) -> None:
    (tmp_path / "CHANGELOG.md").write_text("## [Unreleased]\n\n- this\n")
    done = package(tmp_path, "packages", TAG="v1.2.3")
    assert done.returncode == 5
    assert "CHANGELOG.md has no section [1.2.3]" in done.stderr


def test_notes_are_what_the_changelog_says_of_a_version(tmp_path: Path) -> None:
    text = "## [Unreleased]\n- later\n## [1.2.3] - 2026-11-28\n- this\n## [1.2.2] - 2026-11-01\n- old\n"
    (tmp_path / "CHANGELOG.md").write_text(text)
    done = package(tmp_path, "--notes", "v1.2.3")
    assert (done.returncode, done.stdout) == (0, "- this\n")
