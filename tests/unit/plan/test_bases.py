"""The digest of each base: from its name, images.lock, its registry, or else the engine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from buildkit.config.network import Network
from buildkit.model.target import Pins
from buildkit.plan import bases
from buildkit.plan.bases import Bases
from buildkit.registry.bases import NO_IMAGE
from buildkit.support.errors import ToolError
from tests.support import projects
from tests.support.direct import Net
from tests.support.distribution import Distribution
from tests.support.registry_server import digest

if TYPE_CHECKING:
    from buildkit.model.target import Target

HOST, MIRROR = "bases.example", "mirror.example"
ONE, TWO = digest(b"one"), digest(b"two")


def on(base: str, pin: str | None = None) -> Target:
    return replace(projects.target(), base=base, pins=Pins(base=pin))


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Net:
    found = Net(registries={host: Distribution(host=host) for host in (HOST, MIRROR)})
    monkeypatch.setattr("buildkit.registry.wire.Wire", found.wire)
    return found


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (on(f"{HOST}/a:1@{ONE}", pin=TWO), ONE),
        (on(f"{HOST}/a:1", pin=ONE), ONE),
        (on(f"{HOST}/a:1"), "served"),
        (on(f"{HOST}/b:1"), "local"),
        (on(f"{HOST}/c:1"), None),
        (on(NO_IMAGE), NO_IMAGE),
    ],
)
def test_what_is_written_comes_first_and_the_engine_last(target: Target, found: str | None) -> None:
    served = {f"{HOST}/a:1": "served"}
    local = {f"{HOST}/a:1": "other", f"{HOST}/b:1": "local"}
    assert Bases(served=served, local=local).of(target)[target.base] == found


def test_each_base_is_asked_for_once_and_none_that_is_pinned(net: Net) -> None:
    manifest = net.registries[HOST].image("a", "1", layers=[b"x"])
    asked: list[int] = []
    net.door = lambda: asked.append(1)
    targets = [on(f"{HOST}/a:1"), on(f"{HOST}/a:1"), on(f"{HOST}/b:1", pin=ONE)]
    found = bases.served([*targets, on(f"{HOST}/c:1@{ONE}"), on(NO_IMAGE)], Network())
    assert found == Bases(served={f"{HOST}/a:1": manifest.digest})
    assert len(asked) == 1


def test_a_base_that_is_replaced_has_the_digest_of_the_other(net: Net) -> None:
    net.registries[HOST].image("a", "1", layers=[b"x"])
    other = net.registries[MIRROR].image("a", "1", layers=[b"y"])
    network = Network(substitutes=((f"{HOST}/*", f"{MIRROR}/*"),))
    found = bases.served([on(f"{HOST}/a:1")], network)
    assert found.served == {f"{HOST}/a:1": other.digest}


def test_the_engine_knows_bases_whose_registry_is_silent(net: Net) -> None:
    net.down.add(HOST)
    found = bases.served([on(f"{HOST}/a:1"), on(f"{HOST}/b:1")], Network())
    assert found.unknown.keys() == {f"{HOST}/a:1", f"{HOST}/b:1"}
    assert "bases.example is down" in found.unknown[f"{HOST}/a:1"]
    with_engine = found.with_engine({f"{HOST}/a:1": ONE}.get, Network())
    assert with_engine.local == {f"{HOST}/a:1": ONE}
    assert with_engine.unknown.keys() == {f"{HOST}/b:1"}
    assert with_engine.of(on(f"{HOST}/a:1")) == {f"{HOST}/a:1": ONE}


def test_the_engine_is_asked_for_the_image_that_replaces_a_base() -> None:
    network = Network(substitutes=((f"{HOST}/*", f"{MIRROR}/*"),))
    found = Bases(unknown={f"{HOST}/a:1": "down"})
    assert found.with_engine({f"{MIRROR}/a:1": ONE}.get, network).local == {f"{HOST}/a:1": ONE}


def test_a_base_that_its_registry_lacks_is_unknown(net: Net) -> None:
    found = bases.served([on(f"{HOST}/a:1")], Network())
    assert not found.served
    assert "was not found in bases.example" in found.unknown[f"{HOST}/a:1"]


def test_a_base_that_nobody_knows_is_said_with_its_reason(
    net: Net, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_engine(_image: str) -> str | None:
        raise ToolError("no Docker engine answers")

    net.down.add(HOST)
    found = bases.find([on(f"{HOST}/a:1")], Network(), no_engine)
    assert found.of(on(f"{HOST}/a:1")) == {f"{HOST}/a:1": None}
    assert "bases.example is down" in capsys.readouterr().err
