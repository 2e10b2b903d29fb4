"""What a lock is made from: bases in a registry, and uv at the door of processes."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.registry_server import RegistryServer, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from buildkit.system.shell import Done

KIND = "application/vnd.oci.image.index.v1+json"


def manifest(name: str) -> bytes:
    return json.dumps({"mediaType": KIND, "annotations": {"name": name}}).encode()


@contextmanager
def pythons() -> Iterator[RegistryServer]:
    """A mirror with the slim images of two Pythons."""
    with running(RegistryServer()) as found:
        for python in ("3.11", "3.12"):
            found.manifests[f"mirror/python:{python}-slim"] = (KIND, manifest(python))
        yield found


def replace_uv(monkeypatch: pytest.MonkeyPatch, run: Callable[..., Done]) -> None:
    monkeypatch.setattr("buildkit.lock.resolve.shell.run", run)
    monkeypatch.setattr("buildkit.lock.resolve.program", lambda: "uv")
