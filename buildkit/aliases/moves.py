"""Moves aliases in registries: all are checked first, then moved, and read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.ledger.record import Move
from buildkit.support.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkit.registry.manifests import Manifest, Tagged


@dataclass(frozen=True, kw_only=True)
class Moves:
    """The aliases that have moved, and the errors of those that have not."""

    done: tuple[Move, ...] = ()
    errors: tuple[ToolError, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Alias:
    """A tag that may move, in a repository."""

    repository: str
    name: str

    def __str__(self) -> str:
        return f"{self.repository}:{self.name}"


@dataclass(frozen=True, kw_only=True)
class Aim:
    """An alias in one registry, the image that it is to point to, and that image's exact tag."""

    registry: Tagged
    alias: Alias
    manifest: Manifest
    tag: str
    before: str | None

    def __str__(self) -> str:
        return f"{self.registry.host}/{self.alias}"

    @property
    def move(self) -> Move:
        return Move(
            host=self.registry.host,
            repository=self.alias.repository,
            alias=self.alias.name,
            before=self.before,
            after=self.manifest.digest,
            tag=self.tag,
        )


def aim(registry: Tagged, alias: Alias, digest: str, tag: str) -> Aim | None:
    """What a move would do; None if the registry does not hold the image."""
    manifest = registry.manifest(alias.repository, digest)
    if manifest is None:
        return None
    now = registry.manifest(alias.repository, alias.name)
    return Aim(
        registry=registry,
        alias=alias,
        manifest=manifest,
        tag=tag,
        before=None if now is None else now.digest,
    )


def carry_out(aims: Iterable[Aim]) -> Moves:
    """Move an alias in each registry. A registry that fails does not stop the others."""
    done, errors = [], []
    for each in aims:
        try:
            if each.before != each.manifest.digest:
                put(each)
            done.append(each.move)
        except ToolError as error:
            errors.append(error)
    return Moves(done=tuple(done), errors=tuple(errors))


def put(aim: Aim) -> None:
    """Move an alias, and read back where it points. Raises ToolError."""
    registry, alias, digest = aim.registry, aim.alias, aim.manifest.digest
    try:
        registry.put_manifest(alias.repository, alias.name, aim.manifest)
    except ToolError as error:
        raise ToolError(
            f"`{aim}` not moved: {error.message}",
            hint="run `buildkit repo plan` to see whether the repository lets aliases move",
        ) from error
    served = registry.manifest(alias.repository, alias.name)
    if served is None or served.digest != digest:
        raise ToolError(
            f"`{aim}` was moved to {digest}, but the registry serves "
            f"{served.digest if served else 'nothing'}",
            hint="another process may have moved the alias: rerun the command to check",
        )
