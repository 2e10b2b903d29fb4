"""All inputs of an image -> its identity. What counts of the files is in tests/unit/render/test_inputs.py."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from buildkit.build import bake_plan
from buildkit.config.network import Network
from buildkit.model.target import CudaCompat, Pins, Rendered
from buildkit.plan import identity
from buildkit.plan.bases import Bases
from buildkit.render import render
from buildkit.render.inputs import Inputs
from tests.support import projects
from tests.support.registry_server import digest

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from buildkit.plan.identity import Identity

TARGET = projects.target()
BASE = digest(b"base")
SERVED = Bases(served={TARGET.base: BASE})


@pytest.fixture(autouse=True)
def no_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


def of(folder: Path, bases: Bases = SERVED, wheels: Path | None = None, **changes: Any) -> Identity:
    target = replace(TARGET, **changes)
    rendered = Rendered(target=target, dockerfile=f"FROM {target.base} AS image\n")
    read = Inputs(runtime=render.templates(folder).runtime)
    found = identity.of((rendered,), read, bases, Network(wheels=wheels))
    return found[target.id]


def test_an_identity_is_the_same_each_time_and_has_its_parts(tmp_path: Path) -> None:
    found = of(tmp_path)
    assert found == of(tmp_path)
    assert found.base == BASE
    assert (found.digest or "").startswith("sha256:")
    assert found.digest != found.inputs


def test_without_its_base_an_image_has_no_identity(tmp_path: Path) -> None:
    found = of(tmp_path, Bases(unknown={TARGET.base: "down"}))
    assert (found.digest, found.base) == (None, None)
    assert found.inputs == of(tmp_path).inputs


def test_a_base_counts_by_its_digest_whoever_says_it(tmp_path: Path) -> None:
    """A lock that pins what the registry serves changes no image; `inputs` are those of ledgers."""
    pinned = of(tmp_path, Bases(), pins=Pins(base=BASE))
    assert pinned.digest == of(tmp_path).digest
    assert pinned.inputs != of(tmp_path).inputs
    assert of(tmp_path, Bases(local={TARGET.base: BASE})) == of(tmp_path)
    assert of(tmp_path, Bases(served={TARGET.base: digest(b"x")})).digest != of(tmp_path).digest


def test_the_image_of_cuda_compat_counts_by_its_digest(tmp_path: Path) -> None:
    compat = CudaCompat(image="nvidia/cuda:12.9.1-base", driver=535)
    without = of(tmp_path, cuda_compat=compat)
    assert (without.digest, without.unknown) == (None, compat.image)
    one, two = (
        of(
            tmp_path,
            Bases(served={**SERVED.served, compat.image: digest(each)}),
            cuda_compat=compat,
        )
        for each in (b"one", b"two")
    )
    assert len({of(tmp_path).digest, one.digest, two.digest}) == 3
    assert one.base == two.base == BASE
    pins = Pins(cuda_compat=digest(b"one"))
    pinned = of(tmp_path, SERVED, cuda_compat=compat, pins=pins)
    assert pinned.digest == one.digest
    assert pinned.inputs != one.inputs


def test_what_is_set_outside_of_the_project_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {of(tmp_path).digest}
    for time in ("0", "1000"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", time)
        found.add(of(tmp_path).digest)
    monkeypatch.setattr(bake_plan, "OUTPUT", "type=image")
    found.add(of(tmp_path).digest)
    monkeypatch.setattr(identity, "MAKING", 0)
    found.add(of(tmp_path).digest)
    assert len(found) == 5


def test_wheels_count_by_their_content_but_not_with_a_lock(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    found, locked = {of(tmp_path).digest}, set()
    for text in ("1", "2"):
        (wheels / "six-1.0-py3-none-any.whl").write_text(text)
        found.add(of(tmp_path, wheels=wheels).digest)
        locked.add(of(tmp_path, wheels=wheels, pins=Pins(packages="a")).digest)
    assert len(found) == 3
    assert locked == {of(tmp_path, pins=Pins(packages="a")).digest}
