"""What all tests share: a unit test may start no process."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from functools import cache
from types import CodeType
from typing import TYPE_CHECKING, TypeVar

import pytest
from _pytest.runner import runtestprotocol
from jinja2 import meta
from jinja2.sandbox import ImmutableSandboxedEnvironment as Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

    from tests.e2e.support.schedule import Scheduler


Result = TypeVar("Result")
LONG = 1.0
"""Seconds from which `--durations` has a set-up, and an end."""


def pytest_configure(config: pytest.Config) -> None:
    """Tests and the processes that they start handle signals and keep bytecode, as by default.

    `nohup` and a shell's `&` ignore signals, and child processes inherit that. Containers often set
    PYTHONDONTWRITEBYTECODE; then each of hundreds of processes compiles the same modules.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
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


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """A process reports each test once: a good set-up and a good end say nothing.

    Most tests take less time than the three reports and two notices that pytest sends by default.
    """
    if not hasattr(item.config, "workerinput"):
        return None
    for report in runtestprotocol(item, nextitem=nextitem, log=False):
        if report.when == "call" or not report.passed or report.duration > LONG:
            item.ihook.pytest_runtest_logreport(report=report)
    return True


def pytest_collection_finish(session: pytest.Session) -> None:
    """Spare the garbage collector the modules and tests that live to the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


@pytest.fixture(scope="session", autouse=True)
def templates_are_compiled_once() -> Iterator[None]:
    """What Jinja makes of a template depends on its text alone, and takes 20 ms for a shipped one."""
    compile_, codes = Sandbox.compile, dict[tuple[str, str], CodeType]()

    def compiled(self: Sandbox, source: str, name: str, filename: str) -> CodeType:
        if (source, name) not in codes:
            codes[source, name] = compile_(self, source, name, filename)
        return in_file(filename, codes[source, name])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sandbox, "parse", kept(Sandbox.parse))
        patch.setattr(Sandbox, "compile", compiled)
        used = meta.find_referenced_templates
        patch.setattr(meta, "find_referenced_templates", cache(lambda tree: [*used(tree)]))
        yield


def in_file(name: str, code: CodeType) -> CodeType:
    """Code as if it were compiled from a file of this name, which a traceback shows."""
    inner = (in_file(name, each) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_filename=name, co_consts=tuple(inner))


def kept(method: Callable[..., Result]) -> Callable[..., Result]:
    """A method whose result depends on its arguments alone, not on the object: it runs once."""
    results: dict[tuple[object, ...], Result] = {}

    def call(self: object, *arguments: object) -> Result:
        if arguments not in results:
            results[arguments] = method(self, *arguments)
        return results[arguments]

    return call


@pytest.fixture(autouse=True)
def no_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test without the marker `process` or `engine` fails when it starts a process."""
    if any(request.node.get_closest_marker(name) for name in ("process", "engine")):
        return

    def refuse(*arguments: object, **_: object) -> NoReturn:
        pytest.fail(f"a unit test tried to start {arguments[0]!r}")

    monkeypatch.setattr(subprocess, "run", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
