"""Where the programs of a container listen, according to its kernel."""

from __future__ import annotations

import ipaddress
import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from buildkit.contract.engine import Container, Line

RESOLVER = "127.0.0.11"
"""Where Docker's own DNS server listens in a container."""
LISTENS = "0A"
ACCEPTS = 0x10000
"""The flag of a unix socket that listens (__SO_ACCEPTCON in linux/net.h)."""
LOOK_SECONDS = 5
SETTLED_SECONDS = 60
"""A server that has held its port on addresses of its own container for this time, without
computing, never opens it to others. One that only opened other ports first, such as one for
metrics or administration, may open its own when the model is loaded, however long that takes."""
BUSY = 0.05
"""The share of one processor above which a server counts as computing."""

BOUND = re.compile(r"Listening at: (?:\S+,)?unix:([^\s,]+)|on unix socket (\S+)")
"""What gunicorn and uvicorn say of the unix socket on which they serve."""
OPENED = re.compile(r"(?:Listening at:|Uvicorn running on) (?:\S+,)?https?://\S+:(\d+)")
"""What they say of the last of the ports on which they serve, when all are open."""
TITLE = re.compile(r": (?:master|worker) ")
"""In the titles that gunicorn's processes give themselves."""
BINDERS = re.compile(r"(\S*/)?(python[\d.]* (-\S+ )*(\S*/)?)?(gunicorn|uvicorn)\b")
"""How the command lines of servers begin that open all of their sockets together. A script may have
their name, too, and start a server with another socket after them."""

Address = tuple[str, int]
"""An IP address and a port."""


def addresses(container: Container) -> frozenset[Address] | None:
    """All addresses that are listened on, None if the image has no `cat` to read them with."""
    _, table = container.execute("cat", "/proc/net/tcp", "/proc/net/tcp6")
    return parsed(table) if "local_address" in table else None


def unix_sockets(container: Container) -> tuple[str, ...]:
    """The paths of the unix sockets that are listened on."""
    _, table = container.execute("cat", "/proc/net/unix")
    rows = [line.split(maxsplit=7) for line in table.splitlines()[1:]]
    return tuple(row[7] for row in rows if len(row) == 8 and int(row[3], 16) & ACCEPTS)  # noqa: PLR2004


def bound(lines: Iterable[Line]) -> frozenset[str]:
    """The paths of the unix sockets on which a server serves, according to its log."""
    found = (BOUND.search(line.text) for line in lines)
    return frozenset(each[1] or each[2] for each in found if each)


def parsed(table: str) -> frozenset[Address]:
    """The listening addresses in the text of /proc/net/tcp and tcp6."""
    rows = [line.split() for line in table.splitlines()]
    local = [row[1] for row in rows if len(row) > 3 and row[3] == LISTENS]  # noqa: PLR2004
    return frozenset(each for each in map(_address, local) if each[0] != RESOLVER)


def _address(text: str) -> Address:
    """`0100007F:1F90` is 127.0.0.1, port 8080: words of 32 bits, the least byte first.

    Java's ::ffff:127.0.0.1 is the same address.
    """
    host, port = text.split(":")
    words = [bytes.fromhex(host[at : at + 8])[::-1] for at in range(0, len(host), 8)]
    address = ipaddress.ip_address(b"".join(words))
    return str(getattr(address, "ipv4_mapped", None) or address), int(port, 16)


def reaches(found: frozenset[Address], port: int) -> bool:
    """Whether the port is open to others than the container itself."""
    return any(at == port and not ipaddress.ip_address(host).is_loopback for host, at in found)


def binds_at_once(container: Container) -> bool:
    """Whether each program is a server that opens all of its sockets together."""
    commands = [each.command for each in container.processes()]
    return bool(commands) and all(map(BINDERS.match, commands))


def settled_elsewhere(
    container: Container, port: int, patience: float = SETTLED_SECONDS
) -> Callable[[], bool]:
    """A function that says whether the server never opens its port; call it repeatedly.

    It has held the port where others do not reach it for `patience` seconds, or it is of those that
    open all of their sockets together.
    """
    looked = since = time.monotonic()
    used, final = 0.0, False

    def look() -> bool:
        nonlocal looked, since, used, final
        now = time.monotonic()
        if now - looked >= LOOK_SECONDS:
            found, total = addresses(container), container.processor_seconds() or 0.0
            busy = total - used > BUSY * (now - looked)
            looked, used = now, total
            held = found is not None and any(at == port for _, at in found)
            if busy or found is None or not held or reaches(found, port):
                since = now
            final = found is not None and not held and _all_open(container, found, port)
        return final or now - since >= patience

    return look


def _all_open(container: Container, found: frozenset[Address], port: int) -> bool:
    """Whether the server has opened all that it ever will: sockets or ports that its log names."""
    lines = container.lines()
    opened = {int(each[1]) for line in lines if (each := OPENED.search(line.text))}
    if not opened.intersection(at for _, at in found):
        sockets = () if found else bound(lines).intersection(unix_sockets(container))
        if not sockets:
            return False
    # A second program may load its model for long before it opens a port of its own.
    commands = {each.command for each in container.processes()}
    programs = [each for each in commands if not TITLE.search(each)]
    if not binds_at_once(container) or len(programs) > max(1, len(opened)):
        return False
    # The log names them after all are open, so a port that still is not open never will be.
    again = addresses(container)
    return again is not None and not any(at == port for _, at in again)
