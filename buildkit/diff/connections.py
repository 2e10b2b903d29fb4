"""What `diff` and `notes` share: registries to read from."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from buildkit.publish import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from buildkit.config.images_toml import Config
    from buildkit.registry.client import Registry


@dataclass(frozen=True, kw_only=True)
class Connections:
    """Registries as images.toml has them: those that it names, and how to reach one, once."""

    own: Sequence[str]
    to: Callable[[str], Registry]


@contextmanager
def connections(settings: Config) -> Iterator[Connections]:
    """Each registry is asked for a login when it is needed. All are closed in the end."""
    with ExitStack() as opened:

        def reach(host: str) -> Registry:
            (there,) = opened.enter_context(connect.reach(settings, (host,)))
            return there.registry

        yield Connections(own=connect.written(settings), to=cache(reach))
