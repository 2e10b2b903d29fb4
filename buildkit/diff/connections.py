"""The registries that `diff` and `notes` read from."""

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
    """The registries that images.toml names, and a function that connects to one, once."""

    own: Sequence[str]
    to: Callable[[str], Registry]


@contextmanager
def connections(settings: Config) -> Iterator[Connections]:
    """Connect to each registry when it is needed, and close all of them at the end."""
    with ExitStack() as opened:

        def reach(host: str) -> Registry:
            (there,) = opened.enter_context(connect.reach(settings, (host,)))
            return there.registry

        yield Connections(own=connect.written(settings), to=cache(reach))
