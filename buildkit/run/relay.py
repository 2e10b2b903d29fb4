"""A port of this machine that leads to the port of a container, wherever its engine is.

The port is open on loopback only: an engine publishes ports to the whole network by default, none
of an isolated network, and those of a remote engine on its own machine.
"""

from __future__ import annotations

import errno
import socket
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from buildkit.support.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
PART = 64 * 1024
CONNECT_SECONDS = 10
PAUSE_SECONDS = 0.2
"""After a connection that this machine could not take, as it lacks files or threads."""


@contextmanager
def listening(port: int | None, default: int) -> Iterator[socket.socket]:
    """A socket on loopback. Without a `port`, the default one, or any if that is taken.

    Raises ToolError if the `port` is taken, or may not be used.
    """
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((LOOPBACK, default if port is None else port))
        except OSError as error:
            if port is not None:
                taken = error.errno == errno.EADDRINUSE
                why = "is in use" if taken else f"cannot be used: {error.strerror}"
                raise ToolError(
                    f"port {port} {why}", hint="leave out `--port` to use a free port"
                ) from error
            door.bind((LOOPBACK, 0))
        door.listen()
        yield door


@contextmanager
def between(door: socket.socket, target: tuple[str, int]) -> Iterator[None]:
    """Pass on each connection to a container until the context ends."""
    opened = _Open()
    closed = threading.Event()
    thread = threading.Thread(target=_accept, args=(door, target, opened, closed), daemon=True)
    thread.start()
    try:
        yield
    finally:
        closed.set()
        with suppress(OSError):
            door.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        door.close()
        thread.join()
        opened.end()


class _Open:
    """The connections that are open."""

    def __init__(self) -> None:
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()

    def end(self) -> None:
        """End them all: their threads then close them."""
        with self._lock:
            for each in self._sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def add(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._sockets.update(sockets)

    def close(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._sockets.difference_update(sockets)
            for each in sockets:
                each.close()


def _accept(
    door: socket.socket, target: tuple[str, int], opened: _Open, closed: threading.Event
) -> None:
    while not closed.is_set():
        try:
            caller, _ = door.accept()
        except OSError:
            closed.wait(PAUSE_SECONDS)
            continue
        try:
            threading.Thread(target=_relay, args=(caller, target, opened), daemon=True).start()
        except RuntimeError:  # no thread can be started now
            caller.close()
            closed.wait(PAUSE_SECONDS)


def _relay(caller: socket.socket, target: tuple[str, int], opened: _Open) -> None:
    try:
        server = socket.create_connection(target, timeout=CONNECT_SECONDS)
    except OSError:  # the caller sees a closed connection, as without a server
        caller.close()
        return
    server.settimeout(None)
    opened.add(caller, server)
    back = threading.Thread(target=_copy, args=(server, caller), daemon=True)
    with suppress(RuntimeError):  # no thread can be started now
        back.start()
        _copy(caller, server)
        back.join()
    opened.close(caller, server)


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy until one side closes, and say so to the other side."""
    with suppress(OSError):
        while part := source.recv(PART):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
