"""Packages of images.lock whose versions `buildkit lock --upgrade` would change."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from buildkit.lock import changes, resolve
from buildkit.lock.lockfile import NAME, Lock, Locked
from buildkit.outdated import uv
from buildkit.outdated.finding import Finding, Kind
from buildkit.support.amounts import count
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildkit.config.network import Network
    from buildkit.lock.request import Request


UNCOMPARED = "the packages are not locked, so there are no versions to compare; `buildkit lock`"


def find(lock: Lock, wanted: Mapping[str, Request], network: Network) -> Iterator[Finding]:
    """`wanted` are the requests of targets by their ids. Those that the lock lacks are unknown."""
    locked = {id_: each for id_, each in wanted.items() if id_ in lock.targets}
    for id_ in wanted:
        if id_ not in locked:
            yield Finding(
                kind=Kind.PACKAGE, name=NAME, targets=(id_,), now=None, unknown=UNCOMPARED
            )
    if not locked:
        return
    console.say(f"resolving the packages of {count(len(locked), 'target')}")
    found, unknown = uv.ask(locked.values(), partial(resolve.newest, network=network))
    old = Lock(targets={id_: lock.targets[id_] for id_, each in locked.items() if each in found})
    new = Lock(
        targets={
            id_: Locked(made_from=each.digest, packages=found[each])
            for id_, each in locked.items()
            if each in found
        }
    )
    for change in changes.of_packages(old, new):
        yield Finding(
            kind=Kind.PACKAGE,
            name=change.name,
            targets=change.targets,
            now=change.before,
            newest=() if change.after is None else (change.after,),
        )
    for id_, each in locked.items():
        if each in unknown:
            yield Finding(
                kind=Kind.PACKAGE, name=NAME, targets=(id_,), now=None, unknown=unknown[each]
            )
