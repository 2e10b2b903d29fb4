"""The command line of `buildkit run`, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.commands.samples import Given
    from buildkit.commands.scope import Scope


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The command line of `buildkit run`."""

    scope: Scope
    program: str
    given: Given
    model: Path | None
    port: int | None
    invoke: Path | None
    content_type: str | None
    accept: str | None
    page: bool
    hosts: int
    shell: bool
    gpus: bool
    network_isolation: bool
    as_json: bool
