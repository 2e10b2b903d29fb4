"""The end of an interrupted run: its steps, and what it says could not be removed."""

from __future__ import annotations

import itertools
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest

from buildkit.engine import leftovers
from buildkit.system import ending, shell, sockets, stopping

if TYPE_CHECKING:
    from collections.abc import Iterator

LABEL = "buildkit.run=r"


@pytest.fixture(autouse=True)
def one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "_asked", threading.Event())
    monkeypatch.setattr(stopping, "_engines", [])
    monkeypatch.setattr(ending, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(leftovers, "LOOK_SECONDS", 0)


@dataclass
class FakeEngine:
    """`answers` are those to the sweeps, the last one again and again."""

    peer: object = None
    answers: list[bool] = field(default_factory=lambda: [True])
    sweeps: list[bool] = field(default_factory=list)
    lines: tuple[str, ...] = ()

    def sweep(self, *, last: bool) -> bool:
        self.sweeps.append(last)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def left(self) -> tuple[str, ...]:
        return self.lines

    def is_at(self, peer: object) -> bool:
        return peer == self.peer


class Server:
    """Takes calls, and answers none."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = self._server.getsockname()
        self.called = threading.Event()

    def call(self) -> None:
        """Wait for an answer."""
        with socket.create_connection(self.address) as connection:
            self.called.set()
            connection.recv(1)

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


def begun(work: threading.Thread) -> threading.Thread:
    work.start()
    return work


def test_work_that_waits_for_an_answer_is_ended(server: Server) -> None:
    own = sockets.descriptors()
    work = begun(threading.Thread(target=server.call, daemon=True))
    assert ending.end(work, own) == ()
    assert not work.is_alive()


def test_an_engine_that_answers_is_given_the_time_to(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be making what has to be removed: only after a long time is the call cut off."""
    engine = FakeEngine(peer=server.address)
    own = sockets.descriptors()
    late = ending.ENGINE_SECONDS
    clock = itertools.chain([0.0, 1.0, late, late + 1], itertools.repeat(late + 2.0))
    seen: list[float] = []

    def now() -> float:
        seen.append(next(clock))
        return seen[-1]

    monkeypatch.setattr(ending, "time", SimpleNamespace(monotonic=now))
    work = begun(threading.Thread(target=server.call, daemon=True))
    server.called.wait()  # before, its connection is nobody's yet
    with stopping.using(engine):
        ending.end(work, own)
    assert not work.is_alive()
    assert seen[-1] > ending.ENGINE_SECONDS
    assert engine.sweeps[-1]
    assert len(engine.sweeps) >= 4


def test_an_engine_that_hangs_is_asked_once_and_not_waited_for(server: Server) -> None:
    engine = FakeEngine(peer=server.address, answers=[False], lines=("  docker rm x",))
    own = sockets.descriptors()
    work = threading.Thread(target=server.call, daemon=True)
    with stopping.using(engine):
        assert ending.end(begun(work), own) == ("  docker rm x",)
    assert engine.sweeps == [False]


def test_what_is_made_until_the_work_has_noticed_is_swept(server: Server) -> None:
    """The last sweep is after the end of the work."""
    engine = FakeEngine()
    noticed = threading.Event()

    def work() -> None:
        stopping._asked.wait()
        while len(engine.sweeps) < 3:
            time.sleep(0.01)
        noticed.set()

    with stopping.using(engine):
        ending.end(begun(threading.Thread(target=work, daemon=True)), sockets.descriptors())
    assert noticed.is_set()
    assert engine.sweeps[-1] is True
    assert set(engine.sweeps[:-1]) == {False}


def test_work_that_does_not_notice_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(ending, "ALONE_SECONDS", 0.05)
    work = begun(threading.Thread(target=never.wait, daemon=True))
    assert ending.end(work, sockets.descriptors()) == ()
    assert work.is_alive()
    never.set()


def test_a_step_that_takes_long_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    never = threading.Event()
    monkeypatch.setattr(ending, "ALONE_SECONDS", 0.2)
    monkeypatch.setattr(ending, "TELL_SECONDS", 0.01)
    work = begun(threading.Thread(target=never.wait, daemon=True))
    ending.end(work, sockets.descriptors())
    never.set()
    said = capsys.readouterr().err
    assert said.count("interrupted: waiting for the work in progress to end") == 1


@pytest.mark.process
def test_a_process_that_ignores_sigint_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "GRACE_SECONDS", 0.5)
    ready = threading.Event()
    program = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); print(1, flush=True); signal.pause()"
    ended: list[BaseException] = []

    def run() -> None:
        try:
            shell.run(sys.executable, "-c", program, on_line=lambda _: ready.set())
        except BaseException as error:  # noqa: BLE001 - it is looked at below
            ended.append(error)

    work = begun(threading.Thread(target=run, daemon=True))
    ready.wait()
    ending.end(work, sockets.descriptors())
    assert isinstance(ended[0], stopping.Interrupted)
    with pytest.raises(stopping.Interrupted):
        shell.run("true")


class FakeClient:
    """Holds things by name. `stuck` are those that cannot be removed."""

    def __init__(self, *things: str, stuck: tuple[str, ...] = ()) -> None:
        self.things = [*things]
        self.stuck = stuck
        self.api = self

    def _of(self, kind: str) -> list[str]:
        return [each for each in self.things if each.startswith(kind)]

    def containers(self, **_: Any) -> list[dict[str, str]]:
        return [{"Id": each} for each in self._of("c")]

    def volumes(self, **_: Any) -> dict[str, Any]:
        return {"Volumes": [{"Name": each} for each in self._of("v")] or None}

    def networks(self, **_: Any) -> list[dict[str, str]]:
        return [{"Id": each} for each in self._of("n")]

    def images(self, **_: Any) -> list[dict[str, Any]]:
        return [{"RepoTags": [each, "demo:1"]} for each in self._of("buildkit-build:")]

    def remove_container(self, name: str, **_: Any) -> None:
        if name in self.stuck:
            raise docker.errors.APIError("it does not end")
        self.things.remove(name)

    def remove_volume(self, name: str, **_: Any) -> None:
        if self._of("c"):
            raise docker.errors.APIError("it is in use")
        self.things.remove(name)

    remove_network = remove_volume

    def remove_image(self, name: str) -> None:
        self.things.remove(name)

    def close(self) -> None: ...


def test_a_sweep_removes_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    mine, others = "buildkit-build:m.7.r.0", "buildkit-build:m.7.other.0"
    client = FakeClient("c1", "c2", "v1", "n1", mine, others)
    assert not leftovers.sweep(client, LABEL, patience=0)  # type: ignore[arg-type]
    assert client.things == [others]
    assert not leftovers.sweep(client, "buildkit.owner=m/7", patience=0)  # type: ignore[arg-type]
    assert client.things == []


def test_an_image_is_held_under_a_name_that_is_the_runs_own() -> None:
    one, other = sweeper(FakeClient()), sweeper(FakeClient())
    other.run = "r2"
    names = {one.name(), one.name(), (kept := other.name())}
    assert len(names) == 3
    assert one.used.is_set()
    client = FakeClient(*names)
    leftovers.sweep(client, "buildkit.run=r", patience=0)  # type: ignore[arg-type]
    assert client.things == [kept]


def test_what_cannot_be_removed_is_named_with_commands() -> None:
    client = FakeClient("c1", "c2", "v1", "n1", stuck=("c1",))
    left = leftovers.sweep(client, LABEL, patience=0)  # type: ignore[arg-type]
    assert left.commands == (
        "docker rm --force --volumes c1",
        "docker volume rm --force v1",
        "docker network rm n1",
    )


def sweeper(client: FakeClient | None) -> leftovers.Sweeper:
    def connect(_seconds: int) -> Any:
        if client is None:
            raise docker.errors.DockerException("no answer")
        return client

    return leftovers.Sweeper(connect=connect, endpoint="unix:///run/docker.sock", run="r")


def test_a_run_that_has_made_nothing_does_not_ask_its_engine() -> None:
    unused = sweeper(None)
    assert unused.sweep(last=True)
    assert unused.left() == ()
    assert not unused.is_at("/run/docker.sock")


def test_an_engine_that_does_not_answer_is_named_with_the_label() -> None:
    used = sweeper(None)
    used.used.set()
    assert not used.sweep(last=False)
    first, *_, command, _, _ = used.left()
    assert "unix:///run/docker.sock does not answer" in first
    assert f"--filter label={LABEL}" in command


@pytest.mark.parametrize(
    ("endpoint", "peer", "is_it"),
    [
        ("unix:///run/docker.sock", "/run/docker.sock", True),
        ("unix:///run/docker.sock", "", False),
        ("unix:///run/docker.sock", ("127.0.0.1", 5000), False),
        ("tcp://engine:2376", ("10.0.0.1", 2376), True),
        ("tcp://engine:2376", ("10.0.0.1", 443), False),
        ("ssh://me@engine", ("10.0.0.1", 22), True),
        ("tcp://engine:2376", None, False),
    ],
)
def test_a_connection_to_the_engine_is_known_by_its_address(
    endpoint: str, peer: object, is_it: bool
) -> None:
    there = leftovers.Sweeper(connect=lambda _: None, endpoint=endpoint, run="r")  # type: ignore[arg-type, return-value]
    there.used.set()
    assert there.is_at(peer) is is_it


def test_the_end_of_a_run_that_nobody_interrupts_names_what_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "STUCK_SECONDS", 0)
    used = sweeper(FakeClient("c1", stuck=("c1",)))
    used.used.set()
    used.close()
    assert "  docker rm --force --volumes c1" in capsys.readouterr().err
