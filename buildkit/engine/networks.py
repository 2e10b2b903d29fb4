"""The networks of one run: each kind is created once, when the first container needs it.

An image under test reaches only other containers of its run, unless its target or the clause asks
for the engine's network. Networks are removed with everything else that has the run's label.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from buildkit.engine.calls import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import docker

BRIDGES = "bk-test"
"""How the names of those bridges begin on which the engine's machine has an address: a rule of its
firewall can block them."""
_OPTION = "com.docker.network.bridge."


class Kind(Enum):
    """How a container can be reached: not at all, at its own address, or at a published port.

    An internal network has no route to the outside. The engine's machine has an address on it,
    unless that is inhibited, and services there that listen on all addresses can be reached. An
    engine does not publish ports of an internal network; so a remote engine gets a network without
    masquerading: packets that leave it have a source address that nothing can answer.

    Source: "Bridge network driver" of Docker's manual; moby pull request 49262.
    """

    SEALED = "sealed"
    ASKED = "asked"
    PUBLISHED = "published"


@dataclass(kw_only=True)
class Networks:
    """Creates networks. `labels` returns the labels of new things of the run."""

    client: docker.DockerClient
    labels: Callable[[], dict[str, str]]
    _made: dict[Kind, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, kind: Kind) -> str:
        """The name of the network of a kind. Raises ToolError."""
        with self._lock:
            if kind not in self._made:
                self._made[kind] = self.make(kind)
            return self._made[kind]

    def make(self, kind: Kind | None) -> str:
        """The name of a new network; for None, a usual one of the engine, with a way out."""
        name = uuid.uuid4().hex[:12]
        with translated("creating a network"):
            network = self.client.networks.create(
                f"buildkit-{name}",
                driver="bridge",
                internal=kind in (Kind.SEALED, Kind.ASKED),
                options=dict(_options(kind, name)),
                labels=self.labels(),
            )
        return str(network.name)


def _options(kind: Kind | None, name: str) -> Mapping[str, str]:
    match kind:
        case None:
            return {}
        case Kind.SEALED:
            return {f"{_OPTION}inhibit_ipv4": "true"}
        case Kind.ASKED:
            return {f"{_OPTION}name": f"{BRIDGES}-{name[:7]}"}
        case Kind.PUBLISHED:
            return {
                f"{_OPTION}name": f"{BRIDGES}-{name[:7]}",
                f"{_OPTION}enable_ip_masquerade": "false",
            }
