"""What all tests share: a unit test may start no process."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from typing import NoReturn

    from tests.e2e.support.schedule import Scheduler


def pytest_configure(config: pytest.Config) -> None:
    """What tests start can be interrupted, also where whoever runs them has signals ignored.

    `nohup` and a shell's `&` do that, and every process hands it on.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config) -> Scheduler | None:
    """That of the end-to-end tests, under the name that xdist has for it."""
    if config.getvalue("dist") != "loadgroup":
        return None
    config.option.loadscopereorder = False
    from tests.e2e.support.schedule import Scheduler

    return Scheduler(config)


@pytest.fixture(autouse=True)
def no_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test without the marker `process` or `engine` fails when it starts a process."""
    if any(request.node.get_closest_marker(name) for name in ("process", "engine")):
        return

    def refuse(*arguments: object, **_: object) -> NoReturn:
        pytest.fail(f"a unit test tried to start {arguments[0]!r}")

    monkeypatch.setattr(subprocess, "run", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
