"""What `diff` and `notes` share: registries to read from."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from buildkit import delivery

if TYPE_CHECKING:
    from buildkit.config import Config
    from buildkit.registry.client import Registry


class Connections:
    """Registries as images.toml has them, each asked for a login when it is needed, once."""

    def __init__(self, settings: Config) -> None:
        self.own = delivery.written(settings)
        self._open: list[Registry] = []
        self.to = cache(lambda host: self._connected(settings, host))

    def _connected(self, settings: Config, host: str) -> Registry:
        (there,) = delivery.reach(settings, (host,))
        self._open.append(there.registry)
        return there.registry

    def interrupt(self) -> None:
        for each in self._open:
            each.interrupt()
