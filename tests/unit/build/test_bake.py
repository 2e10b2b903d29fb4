"""What bake gets besides the plan."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildkit.build import bake, bake_plan
from buildkit.model.target import Rendered
from buildkit.system import shell
from tests.support.projects import target

if TYPE_CHECKING:
    import pytest

INPUTS = bake_plan.Inputs(runtime=Path("/runtime"), nothing=Path("/nothing"))
PLAN = bake_plan.make([Rendered(target=target(), dockerfile="FROM scratch\n")], INPUTS)


def baked(
    monkeypatch: pytest.MonkeyPatch, plan: bake_plan.Plan = PLAN, **options: Any
) -> tuple[tuple[str, ...], Any]:
    """The command line of bake, and the only target of its file."""
    calls: list[tuple[tuple[str, ...], Any]] = []

    def run(*argv: str, **_options: object) -> shell.Done:
        file = Path(argv[argv.index("--file") + 1])
        (found,) = json.loads(file.read_text())["target"].values()
        calls.append((argv, found))
        return shell.Done(code=1, output="")

    monkeypatch.setattr(shell, "run", run)
    made = bake.Options(
        builder="b", containerd=True, held={target().id: "buildkit-build:1"}, **options
    )
    list(bake.build([target()], plan, made))
    (call,) = calls
    return call


def test_an_image_is_built_under_a_name_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    argv, found = baked(monkeypatch)
    assert found["tags"] == ["buildkit-build:1"]
    assert "args" not in found
    assert "--no-cache" not in argv


def test_the_time_of_an_image_is_an_argument_of_its_build(monkeypatch: pytest.MonkeyPatch) -> None:
    _, found = baked(monkeypatch, epochs={target().id: 1_700_000_000})
    assert found["args"] == {"SOURCE_DATE_EPOCH": "1700000000"}


def test_the_identity_of_an_image_is_its_label(monkeypatch: pytest.MonkeyPatch) -> None:
    _, found = baked(monkeypatch, identities={target().id: "sha256:1"})
    assert found["labels"] == {"buildkit.identity": "sha256:1"}
    assert "cache-to" not in found


def test_a_dockerfile_of_one_s_own_gets_the_time_and_the_identity_beside_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = replace(
        target(), template="", dockerfile=str(tmp_path / "Dockerfile"), args=(("A", "b"),)
    )
    plan = bake_plan.make([Rendered(target=own, dockerfile="FROM a\n")], INPUTS)
    _, found = baked(
        monkeypatch, plan, epochs={own.id: 1_700_000_000}, identities={own.id: "sha256:1"}
    )
    assert found["args"] == {"SOURCE_DATE_EPOCH": "1700000000", "A": "b"}
    assert found["labels"].keys() > {"buildkit.identity", "buildkit.target"}


def test_a_registry_keeps_all_steps_and_fails_no_build(monkeypatch: pytest.MonkeyPatch) -> None:
    _, found = baked(monkeypatch, caches={target().id: "r.example/demo:cache-1"})
    assert found["cache-from"] == ["type=registry,ref=r.example/demo:cache-1"]
    (to,) = found["cache-to"]
    assert to.startswith("type=registry,ref=r.example/demo:cache-1,mode=max,")
    assert to.endswith("ignore-error=true")


def test_without_cache_all_steps_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    argv, _ = baked(monkeypatch, no_cache=True)
    assert "--no-cache" in argv
