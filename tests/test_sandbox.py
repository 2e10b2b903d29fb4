"""What containers of a test are given. A machine with GPUs cannot be had here: its engine is a fake."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from buildkit.contract.world import Start
from buildkit.guard import Guard
from buildkit.sandbox import Sandbox


class FakeClient:
    """An engine that has one image and remembers how a container was created."""

    def __init__(self, *variables: str) -> None:
        self.options: dict[str, Any] = {}
        self.containers = SimpleNamespace(create=self.create)
        image = SimpleNamespace(attrs={"Config": {"Env": list(variables) or None}})
        self.images = SimpleNamespace(get=lambda _name: image)

    def create(self, _image: str, **options: Any) -> Any:
        self.options = options
        return SimpleNamespace(id="1", remove=lambda **_: None)


def requests(client: Any, *, gpus: bool) -> list[Any]:
    sandbox = Sandbox(
        client=client,
        endpoint="unix:///nowhere",
        run="test",
        memory=2**30,
        local=True,
        gpus=gpus,
        guard=Guard(client=client, run="test", limit=2**30),
    )
    with sandbox.container("image", Start()):
        return list(client.options["device_requests"])


def test_an_image_for_gpus_gets_all_that_the_engine_has() -> None:
    (request,) = requests(FakeClient("NVIDIA_VISIBLE_DEVICES=all"), gpus=True)
    assert request["Count"] == -1
    assert request["Capabilities"] == [["gpu"]]


@pytest.mark.parametrize(
    ("variable", "gpus"), [("NVIDIA_VISIBLE_DEVICES=all", False), ("PATH=/bin", True)]
)
def test_no_gpus_without_an_engine_that_has_them_or_an_image_that_asks(
    variable: str, gpus: bool
) -> None:
    assert requests(FakeClient(variable), gpus=gpus) == []
