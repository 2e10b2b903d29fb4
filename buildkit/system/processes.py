"""Labels that name the process that created a thing, to find the remains of killed ones."""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path


@cache
def machine() -> str:
    """An id of the machine or container whose process numbers are valid here."""
    facts = [socket.gethostname()]
    for read in (
        Path("/proc/sys/kernel/random/boot_id").read_text,
        Path("/proc/self/ns/pid").readlink,
    ):
        with suppress(OSError):  # only Linux has them
            facts.append(str(read()).strip())
    return hashlib.sha256(" ".join(facts).encode()).hexdigest()[:12]


def owner() -> str:
    """The label for things that this process creates."""
    return f"{machine()}/{os.getpid()}"


def is_gone(label: str) -> bool:
    """Whether the process of a label has ended. False for processes of other machines."""
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
