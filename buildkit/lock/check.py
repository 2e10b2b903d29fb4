"""A lock and the targets of images.toml -> what is missing in the lock, or out of date."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from buildkit.lock import bases, request
from buildkit.lock.lockfile import NAME
from buildkit.render import remembered
from buildkit.support.errors import LockError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkit.lock.lockfile import Lock
    from buildkit.lock.request import Request
    from buildkit.model.target import Rendered, Target
    from buildkit.render.render import Templates


def requests(
    targets: Sequence[Target],
    templates: Templates,
    pinned: Mapping[str, Rendered] = MappingProxyType({}),
) -> dict[str, Request]:
    """By target id, the requests of those whose packages a lock pins. Raises TemplateError.

    A target whose `lock` is set, to a file or to false, has none. `pinned` has the Dockerfiles of
    targets with pins, as far as the caller has them.
    """
    without = [each for each in targets if each.is_in_images_lock]
    new = [replace(each, pins=request.PROVISIONAL) for each in without if each.id not in pinned]
    texts = {**pinned, **{e.target.id: e for e in remembered.render_all(new, templates)}}
    found = {each.id: request.of(texts[each.id], templates) for each in without}
    return {id_: each for id_, each in found.items() if each is not None}


def fits(lock: Lock, target_id: str, wanted: Request) -> bool:
    """Whether the lock has the packages of a target, made from the same request."""
    locked = lock.targets.get(target_id)
    return locked is not None and locked.made_from == wanted.digest


def gaps(lock: Lock, targets: Sequence[Target], wanted: Mapping[str, Request]) -> tuple[str, ...]:
    """One line for each base and each target that `buildkit lock` would add or change."""
    missing = [f"the image `{b}` is not locked" for b in bases.of(targets) if b not in lock.bases]
    for id_, each in wanted.items():
        if id_ not in lock.targets:
            missing.append(f"{id_}: its packages are not locked")
        elif not fits(lock, id_, each):
            missing.append(
                f"{id_}: its packages, indexes, Python or platform have changed since it was locked"
            )
    return tuple(missing)


def surplus(
    lock: Lock, targets: Sequence[Target], wanted: Mapping[str, Request]
) -> tuple[str, ...]:
    """One line for each entry that no target uses. `targets` are all of images.toml."""
    unused = sorted(lock.bases.keys() - {*bases.of(targets)})
    unknown = sorted(lock.targets.keys() - wanted.keys())
    return (
        *(f"no target uses the image `{base}`" for base in unused),
        *(f"{id_}: not a target with packages to lock" for id_ in unknown),
    )


def rendered(
    lock: Lock | None, targets: Sequence[Target], templates: Templates
) -> tuple[Rendered, ...]:
    """The Dockerfiles of targets that have the pins of a lock, each rendered once.

    Raises TemplateError, and LockError unless the lock has all that the targets need, made from
    what they say.
    """
    found = remembered.render_all(targets, templates)
    if lock is not None:
        pinned = {e.target.id: e for e in found if e.target.pins.packages is not None}
        raise_for(gaps(lock, targets, requests(targets, templates, pinned)))
    return found


def raise_for(lines: Sequence[str]) -> None:
    """Raise LockError if there are lines."""
    if lines:
        raise LockError(
            f"{NAME} is out of date",
            details="\n".join(lines),
            hint="`buildkit lock`, then review and commit the change",
        )
