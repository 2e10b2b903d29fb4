"""A cache of this user, below `~/.cache/buildkit`: texts that were expensive to find.

Entries are never out of date, because their names, or the keys in them, are digests of everything
that they follow from. Losing some costs only time. A folder that cannot be used is no error.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from enum import Enum
from pathlib import Path

from buildkit.system import tempdirs

MARK = "\n"
"""The end of each text: one that was cut off lacks it."""
UNUSABLE = (OSError, RuntimeError)
"""What a folder causes that cannot be used; the second one is for a user without a home."""


class Kind(Enum):
    """The folders of the cache. Folders beside them belong to others."""

    DOCKERFILES = "dockerfiles"
    """One file for each project."""
    IDENTITIES = "identities"
    """What the configuration of an image says, by the digest of the configuration."""


def folder() -> Path:
    """The place of the cache, by the XDG base directory specification."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "buildkit"


def find(kind: Kind, digest: str) -> str | None:
    """The text that was kept under a digest, None without one. Its file has the time of its use."""
    with suppress(*UNUSABLE, UnicodeDecodeError):
        path = _path(kind, digest)
        found = path.read_text(encoding="utf-8")
        if found.endswith(MARK):
            with suppress(OSError):  # a folder that can only be read
                os.utime(path)
            return found.removesuffix(MARK)
    return None


def keep(kind: Kind, digest: str, text: str) -> None:
    with suppress(*UNUSABLE):
        path = _path(kind, digest)
        new = path.with_name(f"{tempdirs.prefix()}{secrets.token_hex(4)}")
        path.parent.mkdir(parents=True, exist_ok=True)
        tempdirs.sweep(path.parent)
        try:
            new.write_text(f"{text}{MARK}", encoding="utf-8")
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)


def kept(kind: Kind, unused_for: float = 0) -> tuple[Path, ...]:
    """The texts that were last used at least this many seconds ago."""
    until = time.time() - unused_for
    with suppress(*UNUSABLE):
        files = (
            each for each in (folder() / kind.value).iterdir() if not tempdirs.is_ours(each.name)
        )
        return tuple(sorted(each for each in files if each.stat().st_mtime <= until))
    return ()


def left() -> tuple[Path, ...]:
    """What killed runs have left in the cache."""
    with suppress(*UNUSABLE):
        places = [folder() / kind.value for kind in Kind]
        return tuple(path for place in places for path in tempdirs.left_in(place))
    return ()


def _path(kind: Kind, digest: str) -> Path:
    return folder() / kind.value / digest.rpartition(":")[2]
