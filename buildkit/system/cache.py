"""A cache of this user, below `~/.cache/buildkit`: texts that were expensive to find.

Entries are never out of date, because their names, or the keys in them, are digests of everything
that they follow from. Losing some costs only time. A folder that cannot be used is no error.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

MARK = "\n"
"""The end of each text: one that was cut off lacks it."""
UNUSABLE = (OSError, RuntimeError)
"""What a folder causes that cannot be used; the second one is for a user without a home."""


def folder() -> Path:
    """The place of the cache, by the XDG base directory specification."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "buildkit"


def find(kind: str, digest: str) -> str | None:
    """The text that was kept under a digest, None without one."""
    with suppress(*UNUSABLE, UnicodeDecodeError):
        found = _path(kind, digest).read_text(encoding="utf-8")
        if found.endswith(MARK):
            return found.removesuffix(MARK)
    return None


def keep(kind: str, digest: str, text: str) -> None:
    with suppress(*UNUSABLE):
        path = _path(kind, digest)
        new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            new.write_text(f"{text}{MARK}", encoding="utf-8")
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)


def _path(kind: str, digest: str) -> Path:
    return folder() / kind / digest.rpartition(":")[2]
