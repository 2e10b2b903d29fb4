"""The containers of an engine, through docker-py: those of a test, and readers of a folder."""

from __future__ import annotations

import re
import signal as signals
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import IO, TYPE_CHECKING, Any, cast

import docker.errors
import docker.utils
import requests

from buildkit.contract.engine import Blocked, Entry, Line, Process, Unfit
from buildkit.engine.calls import BROKEN, PULL, discard, streamed, translated, url
from buildkit.support.errors import ToolError
from buildkit.system import stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from docker.models.containers import Container as DockerContainer

LOG_LINES = 30
LOG_WIDTH = 500
LINE_WIDTH = 16 * 1024
MOST_LINES = 2000
"""Lines of a log that are read for their times or for metrics, from its end."""
MOST_OUTPUT = 64 * 1024
EXECUTE_SECONDS = 300
"""A program that prints nothing for this long, or goes on printing for longer, never ends."""
ATTACHED = {"Detach": False, "Tty": False}
HEADER = 8
CHUNK = 1 << 20
UNFIT = 126
"""A shell's exit code for a program that cannot be run."""
REFUSALS = (
    "OCI runtime",
    "unable to find user",
    "no matching entries",
    "unable to find group",
    "uids and gids must be in range",
)
"""Parts of the engine's error when the image is at fault, because it cannot be started."""
NO_FOLDER = "not a directory"
"""A part of the engine's error when a path leads through a file."""
UNFIT_PATHS = (
    "Cannot mkdir",
    "Could not find the file",
    NO_FOLDER,
    "is a directory",
    "cannot overwrite",
    "too many links",
    "too many levels of symbolic links",
    "invalid symlink",
    "extraction point",
    "resolve mount destination",
)
"""Parts of the engine's error when a path of the image is not what SageMaker needs there."""
GO_MODES = {
    1 << 31: "folder", 1 << 27: "link", 1 << 26: "device", 1 << 25: "pipe", 1 << 24: "socket",
}  # fmt: skip
"""The bits of Go's file modes that name a kind; a file has none of them."""
PRIVATE_PATH = re.compile(r"/\S*/(?:overlayfs|overlay2)/[0-9a-f]+(?:/merged)?(?=/)")
"""Where an engine keeps the files of a container: removed from messages, it helps no reader."""
FRACTION = re.compile(r"\.(\d{1,6})\d*")
MOUNTED = "/buildkit-mounted"
"""Where a reader has its folder."""


@dataclass(frozen=True, kw_only=True)
class Container:
    """Fits `contract.engine.Container`. `overrun`: why the guard killed the container, or empty."""

    docker: DockerContainer
    host: str
    bridged: bool
    overrun: Callable[[], str]

    @property
    def id(self) -> str:
        return str(self.docker.id)

    @property
    def _api(self) -> Any:
        return self.docker.client.api if self.docker.client else None

    def put(self, path: str, archive: Iterable[bytes]) -> None:
        with of_image(f"copying into {path}", Blocked):
            self.docker.put_archive(path, archive)

    def get(self, path: str) -> Iterator[bytes] | None:
        chunks = self._archive(path)
        return None if next(chunks, None) is None else chunks

    def _archive(self, path: str) -> Iterator[bytes]:
        """An archive in chunks, after an empty one that shows that `path` exists; else nothing."""
        with (
            of_image(f"copying {path}"),
            suppress(docker.errors.NotFound),
            streamed(self._api, f"containers/{self.id}/archive", params={"path": path}) as answer,
        ):
            yield b""
            yield from answer.iter_content(CHUNK)

    def look(self, path: str) -> Entry | None:
        api = self._api
        address = url(api, f"containers/{self.id}/archive")
        with translated(f"inspecting {path}"):
            answer = api.head(address, params={"path": path}, timeout=api.timeout)
            if answer.status_code == requests.codes.not_found:
                return None
            if answer.status_code == requests.codes.server_error and self._state():
                return self._blocked(path)  # the container itself is found
            answer.raise_for_status()
        facts = docker.utils.decode_json_header(answer.headers["X-Docker-Container-Path-Stat"])
        mode = int(facts["mode"])
        kind = next((kind for bit, kind in GO_MODES.items() if mode & bit), "file")
        return Entry(
            name=path,
            kind=kind,
            size=int(facts["size"]),
            mode=mode & 0o777,
            target=facts["linkTarget"],
        )

    def _blocked(self, path: str) -> Entry | None:
        """The entry at a path that the engine cannot resolve; None if a file is on the way."""
        try:
            next(self._archive(path), None)
        except Unfit as error:  # an answer to HEAD has no text that says why
            if NO_FOLDER in str(error):
                return None
        return Entry(name=path, kind="loop", size=0, mode=0)

    def start(self) -> str | None:
        with translated("starting a container"):
            try:
                self.docker.start()
            except docker.errors.APIError as error:
                said = str(error.explanation)
                if error.status_code in (400, 404) or any(
                    sign in said for sign in (*REFUSALS, *UNFIT_PATHS)
                ):
                    return said
                raise
        return None

    def wait(self, seconds: float) -> int | None:
        if seconds == 0:
            state = self._state()
            return None if state["Running"] else int(state["ExitCode"])
        with translated("waiting for a container"):
            try:
                return int(self.docker.wait(timeout=seconds)["StatusCode"])
            except (requests.ReadTimeout, requests.ConnectionError):
                stopping.check()
                return None

    @property
    def stop_signal(self) -> str:
        given = str(self.docker.attrs["Config"].get("StopSignal") or "SIGTERM").upper()
        with suppress(ValueError):  # a number that no signal has
            # Docker accepts `TERM` for `SIGTERM`.
            whole = f"SIG{given.removeprefix('SIG')}"
            return signals.Signals(int(given)).name if given.isdigit() else whole
        return given

    def send(self, signal: str) -> None:
        with suppress(docker.errors.APIError):  # it has ended
            self.docker.kill(signal=signal)

    def hears(self, name: str) -> bool | None:
        first, number = str(self._state()["Pid"]), getattr(signals, name, None)
        if number is None:
            return None
        with suppress(docker.errors.APIError, ValueError):  # it has ended, or an odd ps
            rows: Any = self.docker.top(ps_args="-eo pid,caught,blocked")["Processes"]
            for pid, caught, blocked in rows or ():  # `sigwait` takes blocked signals
                if pid == first:
                    return bool((int(caught, 16) | int(blocked, 16)) >> (number - 1) & 1)
        return None

    def processor_seconds(self) -> float | None:
        with suppress(*BROKEN, KeyError):
            stats: Any = self._api.stats(self.id, stream=False, one_shot=True)
            return int(stats["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9 or None
        return None

    def logs(self) -> str:
        lines = self._log(LOG_LINES).splitlines()[-LOG_LINES:]
        return "".join(f"{line[:LOG_WIDTH]}\n" for line in lines)

    def lines(self) -> tuple[Line, ...]:
        found = []
        for line in self._log(MOST_LINES, timestamps=True).split("\n"):  # a bare \r is no end
            stamp, _, text = line.partition(" ")
            if (at := seconds_of(stamp)) is not None:
                found.append(Line(at=at, text=text.removesuffix("\r")[:LINE_WIDTH]))
        return tuple(found)

    def follow(self) -> Iterator[bytes]:
        """What it prints, in pieces, until it ends. Raises one of BROKEN."""
        following = {"follow": 1, "stdout": 1, "stderr": 1}
        path = f"containers/{self.id}/logs"
        with streamed(self._api, path, params=following, timeout=None) as answer:
            stream = cast("IO[bytes]", answer.raw)
            while header := stream.read(HEADER):
                yield stream.read(int.from_bytes(header[4:], "big"))

    def processes(self) -> tuple[Process, ...]:
        with suppress(docker.errors.APIError):  # it has ended
            rows: Any = self.docker.top(ps_args="-eo pid,stat,args")["Processes"]
            return tuple(
                Process(pid=int(pid), state=state[:1], command=command)
                for pid, state, command in rows or ()
            )
        return ()

    def changes(self) -> tuple[str, ...]:
        with translated("listing changed files"):
            return tuple(str(change["Path"]) for change in self.docker.diff() or ())

    def execute(self, *command: str) -> tuple[int, str]:
        """Reads a limited amount of output, for a limited time: the program is the image's."""
        try:
            number = self._api.exec_create(self.id, list(command))["Id"]
            with streamed(
                self._api, f"exec/{number}/start", json=ATTACHED, timeout=EXECUTE_SECONDS
            ) as answer:
                output = _output(cast("IO[bytes]", answer.raw))
            if output is None:
                return UNFIT, "the program does not end"
            code = self._api.exec_inspect(number)["ExitCode"]
        except BROKEN as error:  # the container has ended, or the program is missing or silent
            return UNFIT, str(error)
        return (UNFIT if code is None else int(code)), output.decode("utf-8", "replace")

    def address(self, port: int) -> tuple[str, int]:
        with translated("finding the address of a container"):
            self.docker.reload()
        if self.bridged:
            networks = self.docker.attrs["NetworkSettings"]["Networks"].values()
            own = next((each["IPAddress"] for each in networks if each["IPAddress"]), None)
            return (own, port) if own else (self.host, 0)
        published = self.docker.ports.get(f"{port}/tcp") or [{"HostPort": "0"}]
        return self.host, int(published[0]["HostPort"])

    def now(self) -> float:
        with translated("reading the engine's clock"):
            shown = str(self._api.info()["SystemTime"])
        found = seconds_of(shown)
        if found is None:
            raise ToolError(
                f"the engine's clock shows `{shown}`",
                hint="check the engine with `buildkit doctor`",
            )
        return found

    def ended_at(self) -> float | None:
        state = self._state()
        return None if state["Running"] else seconds_of(state["FinishedAt"])

    def ended_by(self) -> str:
        if reason := self.overrun():
            return reason
        return "killed by the kernel: out of memory" if self._state()["OOMKilled"] else ""

    def _state(self) -> dict[str, Any]:
        with translated("inspecting a container"):
            self.docker.reload()
        state: dict[str, Any] = self.docker.attrs["State"]
        return state

    def _log(self, tail: int, *, timestamps: bool = False) -> str:
        with translated("reading the log of a container"):
            said: bytes = self.docker.logs(tail=tail, timestamps=timestamps)
        return said.decode("utf-8", "replace")


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A container that is never started: it gives access to one folder of the engine's machine."""

    docker: DockerContainer

    @contextmanager
    def copy(self, path: str) -> Iterator[IO[bytes]]:
        """A file of the folder as a tar archive, streamed. Raises ToolError."""
        api: Any = self.docker.client.api if self.docker.client else None
        place = {"path": f"{MOUNTED}/{path}"}
        with ExitStack() as opened:
            with translated(f"reading {path}"):
                answer = opened.enter_context(
                    streamed(api, f"containers/{self.docker.id}/archive", params=place)
                )
            yield cast("IO[bytes]", answer.raw)

    def remove(self) -> None:
        discard(lambda: self.docker.remove(force=True, v=True))


@contextmanager
def of_image(
    doing: str, unfit: type[Unfit] = Unfit, *, without_image: str = PULL
) -> Iterator[None]:
    """Raises `unfit` if the image's files are the reason of the engine's error, else ToolError."""
    try:
        with translated(doing, without_image=without_image):
            yield
    except ToolError as error:
        said = str(getattr(error.__cause__, "explanation", ""))
        if any(sign in said for sign in UNFIT_PATHS):
            raise unfit(f"{doing}: {PRIVATE_PATH.sub('', said)}") from error
        raise


def _output(stream: IO[bytes]) -> bytes | None:
    """A program's output, None if it does not end. Each piece follows 8 bytes: kind, length."""
    output = b""
    began = time.monotonic()
    while header := stream.read(HEADER):
        output += stream.read(int.from_bytes(header[4:], "big"))
        if len(output) > MOST_OUTPUT or time.monotonic() - began > EXECUTE_SECONDS:
            return None
    return output


def seconds_of(stamp: str) -> float | None:
    """The Unix time of an RFC 3339 stamp, in UTC if it names no offset; None for anything else."""
    # Python 3.10 reads no other number of digits than six.
    stamp = FRACTION.sub(lambda match: f".{match[1]:0<6}", stamp)
    try:
        moment = datetime.fromisoformat(stamp.removesuffix("Z"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
