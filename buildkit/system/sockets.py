"""Connections of this process, ended from outside: only that ends what waits for an answer at once.

It does not matter which library has opened them.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

DESCRIPTORS = "/dev/fd"


def descriptors() -> frozenset[int]:
    """The numbers of all files that this process has open."""
    found = map(int, os.listdir(DESCRIPTORS))  # noqa: PTH208 - no paths
    return frozenset(filter(_is_open, found))


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:  # it was the list's own
        return False
    return True


def shut(numbers: Collection[int], spare: Callable[[object], bool] = lambda _peer: False) -> None:
    """Shut down the sockets among these files, except those to a peer that is spared.

    They stay open for whoever holds them, who finds that the other side has gone.
    """
    for number in numbers:
        with suppress(OSError):  # it has been closed meanwhile, or has no other side
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                with socket.socket(fileno=os.dup(number)) as found:
                    if not spare(_peer(found)):
                        found.shutdown(socket.SHUT_RDWR)


def _peer(found: socket.socket) -> object:
    try:
        return found.getpeername()
    except OSError:  # it is still connecting
        return None
