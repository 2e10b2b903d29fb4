"""What the suite needs from an engine, as protocols. `buildkit.engine` implements them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from buildkit.contract.signs import Sign

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager


NOT_EXECUTABLE = 126
MISSING = (NOT_EXECUTABLE, 127)
"""Exit codes of a shell or of docker for a program that is missing or not executable."""
NOT_EXECUTED = re.compile(
    r"exec \S+: (no such file or directory|exec format error|permission denied|input/output error)"
)
"""The whole log of a container whose program names an interpreter that does not exist (also a line
that ends with CR), or is for another machine. The exit code is then 1 or 255."""


class Unfit(Exception):  # noqa: N818 - the image is
    """The engine cannot lay out, start or inspect the image; the text says why."""


class Blocked(Unfit):
    """Files cannot be copied to a path, as a part of the path is not a folder in the image."""


@dataclass(frozen=True)
class Refusal:
    """Why an engine cannot start a container, in its words, and what is known besides."""

    text: str
    signs: tuple[Sign, ...] = ()

    def __str__(self) -> str:
        return self.text


SIGNALS = {
    132: ("SIGILL: an instruction that this processor does not have", Sign.CRASHED),
    134: ("SIGABRT: native code aborted", Sign.CRASHED),
    135: ("SIGBUS: often a full /dev/shm", Sign.SHARED_MEMORY),
    136: ("SIGFPE: native code divided by zero", Sign.CRASHED),
    137: ("SIGKILL: often out of memory", Sign.OUT_OF_MEMORY),
    139: ("SIGSEGV: native code crashed", Sign.CRASHED),
}
"""Exit codes that name the signal that ended a program: 128 and its number."""


@dataclass(frozen=True)
class End:
    """How a program ended. `reason` says why, where the harness or the kernel ended it."""

    exit_code: int
    reason: str = ""

    def __str__(self) -> str:
        """`with CODE`, and why: the reason, else the name of the signal."""
        why = self.reason or SIGNALS.get(self.exit_code, ("",))[0]
        return f"with {self.exit_code}{why and f' ({why})'}"

    @property
    def signs(self) -> tuple[Sign, ...]:
        if self.exit_code == NOT_EXECUTABLE:
            return (Sign.NOT_EXECUTABLE,)
        known = not self.reason and self.exit_code in SIGNALS
        return (SIGNALS[self.exit_code][1],) if known else ()


def never_ran(exit_code: int | None, log: str) -> bool:
    """Whether a container ended because its program could not be started."""
    return exit_code in MISSING or bool(exit_code and NOT_EXECUTED.fullmatch(log.strip()))


@dataclass(frozen=True, kw_only=True)
class ImageView:
    """What is known of an image without starting it.

    `size` is in bytes, unpacked. `media_type` is that of its manifest, None where neither engine
    nor registry reports it. `history` holds the instruction of each layer.
    """

    id: str
    os: str
    architecture: str
    user: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    history: tuple[str, ...] = ()
    size: int = 0
    media_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class Mount:
    volume: str
    path: str
    read_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Start:
    """How a container is started. Defaults are those of `docker run`.

    `entrypoint` replaces the image's. `networks` are pairs of a network and the names that the
    container has in it; without any it is on an isolated one, unless the engine is `connected`
    to the outside. `ports` are those that it is reached at. `beside` is the id of a
    container whose network it shares. `memory` in bytes, `cpus` in processors, `scratch` the
    paths that are file systems in memory. `terminal`: it has one, and an open input, which
    SageMaker never gives (RUN-07). `input`: it has an open input only. `gpus`: it gets all GPUs
    of the engine, which an image otherwise gets only if it asks for them.
    """

    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    mounts: tuple[Mount, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    hostname: str | None = None
    ports: tuple[int, ...] = ()
    networks: tuple[tuple[str, tuple[str, ...]], ...] = ()
    beside: str | None = None
    user: str | None = None
    read_only: bool = False
    scratch: tuple[str, ...] = ()
    cpus: float | None = None
    memory: int | None = None
    shared_memory: bool = True
    terminal: bool = False
    input: bool = False
    gpus: bool = False


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A member of a file tree. `mode` are the permission bits, `digest` a file's SHA-256.

    `modified` is in seconds of the Unix clock, whole ones from some engines.
    """

    name: str
    kind: str
    size: int
    mode: int
    target: str = ""
    digest: str = ""
    modified: float = 0.0
    content: bytes | None = None
    """A small file's bytes, up to a total for all files."""

    @property
    def described(self) -> str:
        """Its kind and target, for evidence."""
        if self.kind == "loop":
            return "a link in a loop"
        kind = f"a {self.kind}" if self.kind != "other" else "neither a file nor a link"
        return f"{kind}{self.target and f' to {self.target[:200]}'}"


@dataclass(frozen=True, kw_only=True)
class Process:
    """`state` is the first letter of the state in ps: Z for a zombie."""

    pid: int
    state: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a log, with the second (of the Unix clock) when it was printed."""

    at: float
    text: str


class Container(Protocol):
    """One container, created and not yet started. It is removed when its context ends."""

    @property
    def id(self) -> str: ...

    def put(self, path: str, archive: Iterable[bytes]) -> None:
        """Unpack a tar archive below `path`, even before the start. Raises Unfit."""

    def get(self, path: str) -> Iterator[bytes] | None:
        """A tar archive of `path` in chunks, None if the path does not exist. Raises Unfit."""

    def look(self, path: str) -> Entry | None:
        """The entry at a path, without its content and without following a last link.

        None if the path does not exist, or leads through a file. The kind is `loop` where links on
        the way, or the link itself, form a loop.
        """

    def start(self) -> str | None:
        """Start the container. Returns why the engine cannot (no such program …), or None."""

    def wait(self, seconds: float) -> int | None:
        """The exit code, None if the container still runs after `seconds`."""

    @property
    def stop_signal(self) -> str:
        """What `docker stop` sends: the image's STOPSIGNAL, else SIGTERM."""

    def send(self, signal: str) -> None:
        """Send a signal to the first process; does nothing if it has ended."""

    def hears(self, name: str) -> bool | None:
        """Whether the first process handles a signal, or waits for it; None if unknown.

        A signal that it does not handle has no effect: the kernel applies no default to process 1.
        """

    def processor_seconds(self) -> float | None:
        """Processor time that its programs have used, None if it has ended or if unknown."""

    def logs(self) -> str:
        """The last lines of stdout and stderr."""

    def lines(self) -> tuple[Line, ...]:
        """More of the last lines, with their times."""

    def processes(self) -> tuple[Process, ...]: ...

    def changes(self) -> tuple[str, ...]:
        """Paths of its file system that were added or changed since it was created."""

    def execute(self, *command: str) -> tuple[int, str]:
        """Run a program in the container: exit code (126 or 127 if it is missing) and output."""

    def address(self, port: int) -> tuple[str, int]:
        """Where one of its ports is reached from here; port 0 if it has ended."""

    def now(self) -> float:
        """The second that the engine's clock shows, which is also the clock of `lines`."""

    def ended_at(self) -> float | None:
        """The second (of the Unix clock, as in `lines`) when it ended, None if it still runs."""

    def ended_by(self) -> str:
        """Why the harness or the kernel ended it: memory or disk; empty if neither did."""


class Engine(Protocol):
    def view(self, image: str) -> ImageView: ...

    def container(self, image: str, start: Start) -> AbstractContextManager[Container]:
        """Raises Unfit."""

    def volume(self) -> AbstractContextManager[str]: ...

    def network(self) -> AbstractContextManager[str]:
        """A new network, for containers that are to reach each other."""

    def connected(self, *, outside: bool) -> Engine:
        """The same engine, with or without a connection to the outside for its containers."""
