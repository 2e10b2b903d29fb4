"""The small builds that carry packages: what buildx is asked, and what happens to the folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.build import bake_plan, package_cache
from buildkit.build.package_cache import Copier
from buildkit.model.target import Device, Rendered
from buildkit.support.errors import ToolError, UsageError
from buildkit.system import shell
from tests.support.projects import target

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
COPIER = Copier(base="mirror/python:3.11@sha256:1", platform="linux/arm64", builder="b")
MONTH = 30 * 24 * 60 * 60
USES = f"FROM x\nRUN --mount=type=cache,target={package_cache.MOUNT} pip install\n"


class Buildx:
    """Says that a build worked or failed; `writes` is what the build exports."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, output: str = "", code: int = 0) -> None:
        self.argv: tuple[str, ...] = ()
        self.dockerfile = ""
        self.writes: Callable[[Path], object] = lambda _folder: None
        self._output, self._code = output, code
        monkeypatch.setattr(shell, "run", self.run)

    def run(self, *argv: str, cwd: Path | None = None, on_line: Any, **_: object) -> shell.Done:
        self.argv = argv
        self.dockerfile = (Path(argv[-1]) / "Dockerfile").read_text()
        for line in self._output.splitlines():
            on_line(line)
        if cwd is not None:
            self.writes(cwd)
        return shell.Done(code=self._code, output=self._output)


def exports(folder: Path) -> None:
    (folder / "http-v2").mkdir()
    (folder / "http-v2" / "a.body").write_text("wheel")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_the_mount_is_that_of_the_template() -> None:
    text = (ROOT / "templates" / "macros" / "pip.j2").read_text()
    assert f"--mount=type=cache,target={package_cache.MOUNT} " in text
    assert text.count("type=cache") == 1


def test_the_folder_has_what_the_last_save_found_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buildx = Buildx(monkeypatch)
    buildx.writes = exports
    folder = tmp_path / "new" / "wheels"
    COPIER.save(folder, MONTH)
    assert names(folder) == {"CACHEDIR.TAG", "a.body"}
    assert package_cache.size(folder) == len("wheel")
    (folder / "http-v2" / "b.body").write_text("an older one")
    (folder / ".new-abc").mkdir()
    (folder / ".new-abc" / "left").write_text("by a killed run")
    COPIER.save(folder, MONTH)
    assert names(folder) == {"CACHEDIR.TAG", "a.body"}
    assert not [*folder.glob(".new-*")]
    lines = buildx.dockerfile.splitlines()
    assert lines[0] == "FROM --platform=linux/arm64 mirror/python:3.11@sha256:1 AS copied"
    assert f"--mount=type=cache,id={package_cache.MOUNT},target=" in buildx.dockerfile
    assert f"-mmin +{MONTH // 60} -delete" in buildx.dockerfile
    assert buildx.argv[:5] == ("docker", "buildx", "build", "--builder", "b")


def test_each_copy_runs_anew_and_not_without_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--no-cache` would give the build an empty cache mount."""
    buildx = Buildx(monkeypatch)
    made = []
    for _ in range(2):
        COPIER.load(tmp_path)
        made.append(buildx.argv[buildx.argv.index("--build-arg") + 1])
        assert f"saved={tmp_path}" in buildx.argv
        assert "--no-cache" not in buildx.argv
    assert made[0] != made[1]


def test_a_folder_with_other_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buildx = Buildx(monkeypatch)
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="did not write"):
        COPIER.save(tmp_path, MONTH)
    (tmp_path / "CACHEDIR.TAG").write_text("Signature: of another tool")
    with pytest.raises(UsageError, match="did not write"):
        COPIER.save(tmp_path, MONTH)
    assert (tmp_path / "thesis.txt").exists()
    assert buildx.argv == ()


def test_a_copy_that_fails_changes_nothing_and_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Buildx(monkeypatch).writes = exports
    COPIER.save(tmp_path / "wheels", MONTH)
    buildx = Buildx(
        monkeypatch,
        "#5 [copied 2/2] RUN cp\n#5 0.1 cp: no space left on device\n"
        "#5 ERROR: process cp did not complete\nERROR: failed to solve: x\n",
        code=1,
    )
    buildx.writes = lambda folder: (folder / "half").touch()
    with pytest.raises(ToolError, match="the engine's disk is full at `2/2 RUN cp`") as caught:
        COPIER.save(tmp_path / "wheels", MONTH)
    assert "no space left" in caught.value.details
    assert names(tmp_path / "wheels") == {"CACHEDIR.TAG", "a.body"}


def test_the_base_is_one_of_the_targets_that_use_pip_for_cpus_if_there_is_one() -> None:
    rendered = [
        Rendered(target=replace(target(), id=base, base=base, device=device), dockerfile=text)
        for base, device, text in (
            ("none", Device.CPU, "FROM x\n"),
            ("gpu", Device.GPU, USES),
            ("cpu", Device.CPU, USES),
        )
    ]
    engine: Any = SimpleNamespace(builder="b")
    inputs = bake_plan.Inputs(runtime=Path("/runtime"), nothing=Path("/nothing"))

    def base(count: int) -> str | None:
        plan = bake_plan.make(rendered[:count], inputs)
        with package_cache.copier(plan, engine, verbose=False) as found:
            return None if found is None else found.base

    assert base(1) is None
    assert base(2) == "gpu"
    assert base(3) == "cpu"
