"""Two locks -> what changed, one line for each base and each change of a package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.lock.lockfile import name_of
from buildkit.support.amounts import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.lock.lockfile import Lock


def between(old: Lock, new: Lock) -> list[str]:
    """One line for each base that changed, and for each package, with its targets."""
    lines = []
    for base in sorted(old.bases.keys() | new.bases.keys()):
        before, after = old.bases.get(base), new.bases.get(base)
        if before != after:
            lines.append(f"{base}: {before or 'not locked'} -> {after or 'not locked'}")
    found: dict[str, list[str]] = {}
    for id_ in sorted(old.targets.keys() | new.targets.keys()):
        earlier, later = _versions(old, id_), _versions(new, id_)
        for name in sorted(earlier.keys() | later.keys()):
            if earlier.get(name) != later.get(name):
                line = f"{name}: {earlier.get(name, 'none')} -> {later.get(name, 'none')}"
                found.setdefault(line, []).append(id_)
    lines += [f"{line} ({_named(ids)})" for line, ids in sorted(found.items())]
    return lines


def _versions(lock: Lock, id_: str) -> dict[str, str]:
    pins = lock.targets[id_].packages if id_ in lock.targets else ()
    return {name_of(pin): pin.partition("==")[2] or pin for pin in pins}


def _named(ids: Sequence[str]) -> str:
    return ids[0] if len(ids) == 1 else f"{ids[0]} and {count(len(ids) - 1, 'other target')}"
