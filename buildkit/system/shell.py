"""The only module that starts processes.

Each process gets a session of its own. So Ctrl-C reaches only the tool, which then ends its
children in order, whether the signal came from a terminal, from `kill` or from a CI system that
cancels.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.support.errors import ToolError, UnavailableError
from buildkit.system import stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

GRACE_SECONDS = 30.0
"""Between SIGINT and SIGKILL, and after SIGKILL for the kernel to end the process."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a short command has answered, each stream by itself."""

    code: int
    stdout: bytes
    stderr: bytes


_running: set[subprocess.Popen[str]] = set()
_lock = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Done:
    """A finished process: its exit code, and its output on stdout and stderr in order."""

    code: int
    output: str


def run(
    *argv: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    on_line: Callable[[str], None] = lambda _line: None,
) -> Done:
    """Run a command to its end, and pass each line of its output to `on_line` as it comes.

    `env` is added to the environment. Raises ToolError if the command does not exist.
    """
    stopping.check()
    process = _start(argv, env or {}, cwd)
    with _lock:
        _running.add(process)
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            on_line(line.rstrip("\n"))
        code = process.wait()
        stopping.check()
        return Done(code=code, output="".join(lines))
    finally:
        _end([process])
        if process.stdout is not None:
            process.stdout.close()
        with _lock:
            _running.discard(process)


def ask(*argv: str, given: bytes) -> Said:
    """Run a short command with this input. It keeps the terminal, where it may ask for a password.

    Raises ToolError if the command does not exist, OSError if it cannot start.
    """
    stopping.check()
    try:
        done = subprocess.run(argv, input=given, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise _missing(argv[0]) from error
    stopping.check()
    return Said(code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def limited(*argv: str, seconds: float) -> Said:
    """Run a short command that needs no input, and kill it with its children after some seconds.

    Raises ToolError if the command does not exist or cannot start, UnavailableError after the time.
    """
    stopping.check()
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise _missing(argv[0]) from error
    except OSError as error:
        raise ToolError(
            f"`{argv[0]}` cannot start: {error.strerror}",
            hint=f"fix or reinstall the program that `command -v {argv[0]}` shows",
        ) from error
    with process:
        try:
            stdout, stderr = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise UnavailableError(
                f"`{' '.join(argv)}` did not answer within {seconds:.0f} s",
                hint="run the command by itself, and fix what it waits for",
            ) from error
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    stopping.check()
    return Said(code=process.returncode, stdout=stdout, stderr=stderr)


def attached(*argv: str) -> int:
    """Run a command that has the terminal, input and output of this process. Returns its code.

    Raises ToolError if the command does not exist.
    """
    stopping.check()
    try:
        return subprocess.run(argv, check=False).returncode
    except FileNotFoundError as error:
        raise _missing(argv[0]) from error


def _missing(program: str) -> ToolError:
    return ToolError(
        f"`{program}` is not installed", hint=f"install `{program}`, or add it to PATH"
    )


def _start(argv: Sequence[str], env: Mapping[str, str], cwd: Path | None) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise _missing(argv[0]) from error


def end_all() -> None:
    """End every process that other threads wait for."""
    with _lock:
        running = tuple(_running)
    _end(running)


def _end(processes: Sequence[subprocess.Popen[str]]) -> None:
    for number in (signal.SIGINT, signal.SIGKILL):
        running = [each for each in processes if each.poll() is None]
        for each in running:
            with suppress(ProcessLookupError):
                os.killpg(each.pid, number)
        until = time.monotonic() + GRACE_SECONDS
        for each in running:
            with suppress(subprocess.TimeoutExpired):
                each.wait(max(0.0, until - time.monotonic()))
