"""Two locks -> what changed: one change for each base, and for each version of a package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.lock.lockfile import name_of
from buildkit.support.amounts import first_of

if TYPE_CHECKING:
    from buildkit.lock.lockfile import Lock


@dataclass(frozen=True, kw_only=True)
class Change:
    """A base whose digest changed, or a package whose version changed in `targets`.

    None: not in the lock.
    """

    name: str
    before: str | None
    after: str | None
    targets: tuple[str, ...] = ()

    def __str__(self) -> str:
        absent = "none" if self.targets else "not locked"
        line = f"{self.name}: {self.before or absent} -> {self.after or absent}"
        return f"{line} ({first_of(self.targets, 'other target')})" if self.targets else line


def between(old: Lock, new: Lock) -> tuple[Change, ...]:
    """The changes of bases, then those of packages."""
    return (*of_bases(old, new), *of_packages(old, new))


def of_bases(old: Lock, new: Lock) -> tuple[Change, ...]:
    return tuple(
        Change(name=base, before=old.bases.get(base), after=new.bases.get(base))
        for base in sorted(old.bases.keys() | new.bases.keys())
        if old.bases.get(base) != new.bases.get(base)
    )


def of_packages(old: Lock, new: Lock) -> tuple[Change, ...]:
    """One change for all targets in which a package changed from one version to another."""
    found: dict[tuple[str, str | None, str | None], list[str]] = {}
    for id_ in sorted(old.targets.keys() | new.targets.keys()):
        earlier, later = _versions(old, id_), _versions(new, id_)
        for name in earlier.keys() | later.keys():
            before, after = earlier.get(name), later.get(name)
            if before != after:
                found.setdefault((name, before, after), []).append(id_)
    changes = (
        Change(name=name, before=before, after=after, targets=tuple(ids))
        for (name, before, after), ids in found.items()
    )
    return tuple(sorted(changes, key=str))


def _versions(lock: Lock, id_: str) -> dict[str, str]:
    pins = lock.targets[id_].packages if id_ in lock.targets else ()
    return {name_of(pin): pin.partition("==")[2] or pin for pin in pins}
