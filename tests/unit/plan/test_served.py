"""What a registry serves under a tag, and the label of that image: by few requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkit.plan import served
from buildkit.plan.served import Served
from buildkit.registry.client import Registry
from buildkit.registry.manifests import DOCKER_MANIFEST
from tests.support import projects
from tests.support.direct import Net
from tests.support.distribution import Distribution

if TYPE_CHECKING:
    from pathlib import Path

HOST, TARGET = "one.example", projects.target()


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Net:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return Net(registries={HOST: Distribution(host=HOST)})


def looked(net: Net) -> tuple[Served, int]:
    """What is found, and the number of requests."""
    asked: list[int] = []
    net.door = lambda: asked.append(1)
    registry: Any = Registry(wire=net.wire(host=HOST, login=None))  # type: ignore[arg-type]
    return served.look(registry, TARGET), len(asked)


def image(net: Net, labels: dict[str, str] | None) -> str:
    config = {"config": {"Labels": labels}}
    return (
        net.registries[HOST]
        .image(TARGET.repository, TARGET.tag, layers=[b"x"], config=config)
        .digest
    )


def test_a_free_tag_costs_one_request(net: Net) -> None:
    assert looked(net) == (Served(host=HOST), 1)


def test_the_label_of_an_image_is_asked_for_once_on_a_machine(net: Net) -> None:
    digest = image(net, {"buildkit.identity": "sha256:1"})
    found = Served(host=HOST, digest=digest, identity="sha256:1")
    assert looked(net) == (found, 2)
    assert looked(net) == (found, 1)


@pytest.mark.parametrize("labels", [None, {}, {"other": "1"}, {"buildkit.identity": ""}])
def test_an_image_without_the_label_has_no_identity(
    net: Net, labels: dict[str, str] | None
) -> None:
    digest = image(net, labels)
    assert looked(net) == (Served(host=HOST, digest=digest), 2)
    assert looked(net) == (Served(host=HOST, digest=digest), 1)


def test_an_image_that_sagemaker_refuses_is_none_of_ours(net: Net) -> None:
    digest = image(net, {"buildkit.identity": "sha256:1"})
    registry = net.registries[HOST]
    _, content = registry.manifests[TARGET.image]
    registry.manifests[TARGET.image] = (DOCKER_MANIFEST.replace("docker", "oci"), content)
    assert looked(net) == (Served(host=HOST, digest=digest), 1)


def test_a_tag_that_moves_has_another_identity(net: Net) -> None:
    image(net, {"buildkit.identity": "sha256:1"})
    looked(net)
    image(net, {"buildkit.identity": "sha256:2"})
    found, _ = looked(net)
    assert found.identity == "sha256:2"


def test_a_silent_registry_is_an_error_and_no_free_tag(net: Net) -> None:
    net.down.add(HOST)
    found, _ = looked(net)
    assert found.digest is None
    assert found.error is not None


def test_a_configuration_that_is_gone_is_an_error(net: Net) -> None:
    image(net, {"buildkit.identity": "sha256:1"})
    net.registries[HOST].blobs.clear()
    found, _ = looked(net)
    assert found.error is not None
