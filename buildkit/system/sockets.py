"""Shut down this process's connections: nothing else ends a wait for an answer at once.

This works for the connections of any library.
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
    """The numbers of all open files of this process."""
    found = map(int, os.listdir(DESCRIPTORS))  # noqa: PTH208 - these are numbers
    return frozenset(filter(_is_open, found))


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:  # the descriptor of the listing itself
        return False
    return True


def shut(numbers: Collection[int], spare: Callable[[object], bool] = lambda _peer: False) -> None:
    """Shut down the sockets among these files, except those to a spared peer.

    Their descriptors stay open; the owner sees a closed connection.
    """
    for number in numbers:
        with suppress(OSError):  # closed meanwhile, or not connected
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                with socket.socket(fileno=os.dup(number)) as found:
                    if not spare(_peer(found)):
                        found.shutdown(socket.SHUT_RDWR)


def _peer(found: socket.socket) -> object:
    try:
        return found.getpeername()
    except OSError:  # still connecting
        return None
