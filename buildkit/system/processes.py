"""Which process made a thing, so that a later one can remove what a killed one has left."""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path


@cache
def machine() -> str:
    """Where process numbers mean what they mean here: the same name may be many machines'."""
    facts = [socket.gethostname()]
    for read in (
        Path("/proc/sys/kernel/random/boot_id").read_text,
        Path("/proc/self/ns/pid").readlink,
    ):
        with suppress(OSError):  # only Linux has them
            facts.append(str(read()).strip())
    return hashlib.sha256(" ".join(facts).encode()).hexdigest()[:12]


def owner() -> str:
    """The label that tells later runs which process made a thing."""
    return f"{machine()}/{os.getpid()}"


def is_gone(label: str) -> bool:
    """Whether the process of a label has ended. Of another machine nobody knows."""
    where, _, number = label.rpartition("/")
    if where != machine() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
