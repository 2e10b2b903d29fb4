"""What builds in a company's network need: files that are mounted, and never part of an image."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.config import locks, substitution
from buildkit.support.errors import UsageError
from buildkit.system import tempdirs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildkit.config.network import Network
    from buildkit.lock.lockfile import Lock
    from buildkit.model.target import Target

CA_BUNDLE = "ca-bundle"
PIP_CONFIG = "pip.conf"
MOUNTED_CA_BUNDLE = "/run/secrets/ca-bundle"
MOUNTED_WHEELS = "/run/wheels"


@contextmanager
def mounted(network: Network) -> Iterator[tuple[tuple[str, Path], ...]]:
    """The secrets that bake mounts, by the ids in templates; removed when the context ends.

    pip reads one file: the user's configuration, plus the paths of the CA bundle and the wheels.
    Raises UsageError if the user's file is not a pip configuration.
    """
    pip = network.pip()
    added: dict[str, str] = {}
    if network.ca_bundle is not None:
        added["cert"] = MOUNTED_CA_BUNDLE
    if network.wheels is not None:
        links = pip.get("global", "find-links", fallback="")
        added["find-links"] = f"{links} {MOUNTED_WHEELS}".strip()
    if added and not pip.has_section("global"):
        pip.add_section("global")
    for key, value in added.items():
        pip.set("global", key, value)
    with tempdirs.folder() as folder:
        found = [] if network.ca_bundle is None else [(CA_BUNDLE, network.ca_bundle)]
        if pip.sections():
            path = folder / PIP_CONFIG
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                pip.write(file)
            found.append((PIP_CONFIG, path))
        yield tuple(found)


@contextmanager
def mirrored(
    targets: Sequence[Target], rules: Sequence[substitution.Rule]
) -> Iterator[dict[str, Path]]:
    """By target id, a file with pip's options for its indexes, if a rule replaces one of them.

    The Dockerfile, the build cache and the image's history have the public address.
    """
    with tempdirs.folder() as folder:
        found = {}
        for number, target in enumerate(targets):
            mirrors = [substitution.mirror(index, rules) or index for index in target.indexes]
            if tuple(mirrors) != target.indexes:
                found[target.id] = folder / str(number)
                options = " ".join(f"--extra-index-url {mirror}" for mirror in mirrors)
                found[target.id].write_text(options, encoding="utf-8")
        yield found


@contextmanager
def locked(targets: Sequence[Target], lock: Lock | None) -> Iterator[dict[str, Path]]:
    """By target id, a folder with the lock of its packages, as pip reads it.

    Raises UsageError for a lock of the user's own that has changed, and is none now.
    """
    with tempdirs.folder() as folder:
        found = {}
        for number, target in enumerate(targets):
            if (name := target.lock_file) is not None:
                found[target.id] = folder / str(number)
                found[target.id].mkdir()
                (found[target.id] / name).write_text(_locked(target, lock), encoding="utf-8")
        yield found


def _locked(target: Target, lock: Lock | None) -> str:
    if target.lock is None:
        return "" if lock is None else lock.requirements(target) or ""
    try:
        return locks.read(Path(target.lock))
    except ValueError as error:
        raise UsageError(str(error), hint="run the command again") from error
