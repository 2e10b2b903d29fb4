"""Disk and clock: facts -> findings."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from buildkit.doctor.finding import ok, problem, warning
from buildkit.support import amounts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.doctor.facts import Facts
    from buildkit.doctor.finding import Finding
    from buildkit.system.machine import Folder

LEAST_ENGINE, LITTLE_ENGINE, LITTLE_FOR_GPU = 2e9, 10e9, 40e9
"""Bytes that an engine needs: an image with CUDA takes 9 GB, twice while it is built again."""
LEAST_FREE, LITTLE_FREE = 100e6, 1e9
LEAST_ENTRIES = 1.0
"""Per cent."""
AWS_SECONDS = 300
"""AWS refuses requests that are signed with a clock which is wrong by more."""
SKEW_SECONDS = 60
PRUNE = "free space: `docker system prune`, and `buildkit cache prune --keep 20GB`"
SET_CLOCK = {
    "linux": "set the clock: `sudo timedatectl set-ntp true`",
    "darwin": "set the clock: `sudo sntp -sS time.apple.com`",
}
"""By Python's name of a system."""


def disk(facts: Facts) -> Iterator[Finding]:
    for use, folder in facts.machine.folders.items():
        yield _folder(use, folder)
    if (found := facts.machine.engine_folder) is None:
        return
    what = f"the engine has {amounts.size(found.free)} free for images in {found.path}"
    little = LITTLE_FOR_GPU if facts.images.gpus else LITTLE_ENGINE
    if found.free < LEAST_ENGINE or found.entries < LEAST_ENTRIES:
        yield problem("engine-disk", f"{what}{_entries(found)}", PRUNE)
    elif found.free < little:
        yield warning("engine-disk", f"{what}; a build needs up to {amounts.size(little)}", PRUNE)
    else:
        yield ok("engine-disk", what)


def _folder(use: str, folder: Folder | None) -> Finding:
    move = {
        "temporary files": "set TMPDIR to a folder with space that you may write to",
        "buildkit's cache": "set XDG_CACHE_HOME to a folder with space that you may write to",
    }.get(use, "free space in its file system, or use `--dist` for a folder elsewhere")
    if folder is None:
        return problem("disk-read-only", f"no folder for {use} can be written to", move)
    if not folder.writable:
        return problem("disk-read-only", f"{folder.path} for {use} cannot be written to", move)
    what = f"{amounts.size(folder.free)} free for {use} in {folder.path}"
    if folder.free < LEAST_FREE or folder.entries < LEAST_ENTRIES:
        return problem("disk-full", f"{what}{_entries(folder)}", move)
    if folder.free < LITTLE_FREE:
        return warning("disk-full", f"only {what}", move)
    return ok("disk", what)


def _entries(folder: Folder) -> str:
    few = folder.entries < LEAST_ENTRIES
    return f", and {folder.entries:.1f} % of its files (`df -i`)" if few else ""


def set_clock(facts: Facts) -> str:
    """How to set the clock of this machine."""
    return SET_CLOCK.get(facts.machine.system, "set the clock of this machine")


def clock(facts: Facts) -> Iterator[Finding]:
    """The clock of this machine against those of registries and AWS."""
    answers = (*facts.network.registries.values(), *facts.aws.identities.values())
    ahead = [each.ahead for each in answers if each is not None and each.ahead is not None]
    if not ahead:
        return
    wrong = median(ahead)
    behind = "behind" if wrong > 0 else "ahead of"
    servers = amounts.count(len(ahead), "server")
    what = f"this machine's clock is {abs(wrong):.0f} s {behind} that of {servers}"
    fix = set_clock(facts)
    if abs(wrong) > AWS_SECONDS:
        yield problem("clock", f"{what}; AWS and TLS refuse that", fix)
    elif abs(wrong) > SKEW_SECONDS:
        yield warning("clock", what, fix)
    else:
        yield ok("clock", "the clock agrees with those of servers")
