"""The networks of one run: each kind is made when a container first needs it, and at most once.

An image under test reaches nothing but other containers of its run, unless its target or its clause
asks for the engine's network. Removed with everything else that carries the run's label.
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
"""What the names of bridges begin with on which the engine's machine has an address: a rule of its
firewall can close them."""
_OPTION = "com.docker.network.bridge."


class Kind(Enum):
    """What a container is reached by: nobody, this process by its address, or a published port.

    An internal network has no way out: no route leads to another address than its own. On it the
    engine's machine has one, unless that is inhibited, and whatever listens there on all addresses
    answers. An engine publishes no port of an internal network, so an engine elsewhere gets one
    without masquerading: what leaves it has an address that nothing can answer to.

    Source: "Bridge network driver" of Docker's manual; moby pull request 49262.
    """

    SEALED = "sealed"
    ASKED = "asked"
    PUBLISHED = "published"


@dataclass(kw_only=True)
class Networks:
    """Makes networks. `labels` are of something that is about to be there."""

    client: docker.DockerClient
    labels: Callable[[], dict[str, str]]
    _made: dict[Kind, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, kind: Kind) -> str:
        """The name of the run's network of a kind. Raises ToolError."""
        with self._lock:
            if kind not in self._made:
                self._made[kind] = self.make(kind)
            return self._made[kind]

    def make(self, kind: Kind | None) -> str:
        """The name of a new network; None: one that leads wherever the engine's do."""
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
