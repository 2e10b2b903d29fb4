"""images.toml and the lock so far -> the next lock. Only what it lacks is resolved."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from buildkit.lock import bases, check, resolve
from buildkit.lock.lockfile import Lock, Locked, name_of
from buildkit.support.amounts import count
from buildkit.support.errors import BuildkitError, ToolError
from buildkit.system import console, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from buildkit.config.network import Network
    from buildkit.lock.request import Request
    from buildkit.lock.resolve import Packages
    from buildkit.model.login import Login
    from buildkit.model.target import Target

Value = TypeVar("Value")
RUNS = 4
"""Runs of uv at once: each has threads of its own."""
REQUESTS = 8
"""Registries that are asked at once."""


@dataclass(frozen=True, kw_only=True)
class Update:
    """What to look up again although the lock has it: all of it, targets, bases, or packages.

    Packages are looked up again in every target that has them; the others of the target are kept.
    """

    all: bool = False
    targets: frozenset[str] = frozenset()
    bases: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of uv, for all targets that need the same."""

    request: Request
    keep: tuple[str, ...]
    targets: list[str] = field(default_factory=list)


def with_bases(
    lock: Lock,
    targets: Sequence[Target],
    network: Network,
    logins: Mapping[str, Login],
    update: Update,
) -> Lock:
    """The lock with the digests of the bases of all targets. Raises ToolError."""
    again = {
        base
        for base in bases.of(targets)
        if update.all or base in update.bases or base not in lock.bases
    }
    if again:
        console.say(f"resolving {count(len(again), 'base image')}")
    found = _all(
        {base: partial(bases.digest, base, network.substitutes, logins) for base in sorted(again)},
        REQUESTS,
    )
    return replace(lock, bases={**lock.bases, **found})


def with_packages(
    lock: Lock, wanted: Mapping[str, Request], network: Network, update: Update
) -> Lock:
    """The lock with the packages of each request, by target id. Raises ToolError."""
    lock = shared(lock, wanted)
    jobs = _jobs(lock, wanted, update)
    if not jobs:
        return lock
    ids = [id_ for job in jobs for id_ in job.targets]
    console.say(f"resolving the packages of {count(len(ids), 'target')}")

    def run(job: Job) -> Packages:
        found = resolve.resolve(job.request, network, keep=job.keep, update=update.packages)
        for id_ in job.targets:
            console.step(id_, f"locked {count(len(found), 'package')}", fg="green")
        return found

    made = _all({", ".join(job.targets): partial(run, job) for job in jobs}, RUNS)
    targets = {**lock.targets}
    hashes: dict[str, set[str]] = {}
    for id_ in lock.targets.keys() - {*ids}:
        hashes |= {pin: {*lock.hashes[pin]} for pin in lock.targets[id_].packages}
    for job, packages in zip(jobs, made.values(), strict=True):
        for pin, found in packages.items():
            hashes.setdefault(pin, set()).update(found)
        for id_ in job.targets:
            targets[id_] = Locked(made_from=job.request.digest, packages=tuple(sorted(packages)))
    return replace(
        lock,
        targets=targets,
        hashes={pin: tuple(sorted(found)) for pin, found in hashes.items()},
    )


def without_surplus(lock: Lock, targets: Sequence[Target], ids: Iterable[str]) -> Lock:
    """The lock without bases that no target has, and without targets other than `ids`."""
    used, known = {*bases.of(targets)}, {*ids}
    return replace(
        lock,
        bases={base: digest for base, digest in lock.bases.items() if base in used},
        targets={id_: locked for id_, locked in lock.targets.items() if id_ in known},
    )


def shared(lock: Lock, wanted: Mapping[str, Request]) -> Lock:
    """The lock, in which a target gets the packages of another one that was made from the same.

    So a target keeps its packages when `revise` gives it a new id.
    """
    known = {locked.made_from: locked for _, locked in sorted(lock.targets.items())}
    lacking = {id_: each for id_, each in wanted.items() if not check.fits(lock, id_, each)}
    found = {id_: known[each.digest] for id_, each in lacking.items() if each.digest in known}
    return replace(lock, targets={**lock.targets, **found})


def _jobs(lock: Lock, wanted: Mapping[str, Request], update: Update) -> tuple[Job, ...]:
    jobs: dict[tuple[Request, tuple[str, ...]], Job] = {}
    for id_, request in wanted.items():
        before = lock.targets[id_].packages if id_ in lock.targets else ()
        anew = update.all or id_ in update.targets
        if anew or not check.fits(lock, id_, request) or update.packages & {*map(name_of, before)}:
            keep = () if anew else before
            job = jobs.setdefault((request, keep), Job(request=request, keep=keep))
            job.targets.append(id_)
    return tuple(jobs.values())


def _all(work: Mapping[str, Callable[[], Value]], jobs: int) -> dict[str, Value]:
    """The result of each piece of work. Raises one ToolError for all that failed."""

    def begin(name: str, do: Callable[[], Value]) -> tuple[str, Value | BuildkitError]:
        try:
            return name, do()
        except BuildkitError as error:
            return name, error

    size = min(jobs, os.cpu_count() or 1)
    ended: list[tuple[str, Value | BuildkitError]] = workers.run(
        (partial(begin, name, do) for name, do in work.items()), jobs=size
    )
    found = dict(ended)
    failed = {name: each for name, each in found.items() if isinstance(each, BuildkitError)}
    if failed:
        raise _together(failed, len(work))
    return {name: each for name in work if not isinstance(each := found[name], BuildkitError)}


def _together(failed: Mapping[str, BuildkitError], of: int) -> ToolError:
    """One error for all that failed. What the lock has is not changed then."""
    named = {
        name: error.message if name in error.message else f"{name}: {error.message}"
        for name, error in failed.items()
    }
    first = next(iter(failed))
    if len(failed) == 1:
        return ToolError(named[first], details=failed[first].details, hint=failed[first].hint)
    lines = [
        line
        for name, message in named.items()
        for line in (message, *failed[name].details.splitlines())
    ]
    return ToolError(
        f"{len(failed)} of {of} could not be locked",
        details="\n".join(lines),
        hint="; ".join(dict.fromkeys(error.hint for error in failed.values() if error.hint)),
    )
