"""The command line: its commands, each loaded when it is called, and their exit codes.

Errors are caught here and nowhere else; docs/reference/exit-codes.md lists the exit code of each.
"""

from __future__ import annotations

import errno
import gc
import importlib
import json
import os
import signal
import sys
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NoReturn

import click

from buildkit.support import manual, suggest
from buildkit.support.errors import BuildkitError, Exit, ToolError, UsageError, bug, interruption
from buildkit.system import console, sockets, stopping
from buildkit.system.console import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUPS = {  # as `--help` lists them, in the order in which one uses them
    "Pipeline": {
        "init": "Start a project: images.toml, sample code and data.",
        "list": "List the targets of images.toml.",
        "config": "Show the values of a target, or the JSON Schema of images.toml.",
        "lock": "Pin base images and packages in images.lock.",
        "outdated": "List newer base images, packages, frameworks and AWS images.",
        "render": "Write the Dockerfile of each target.",
        "build": "Build and test images; with --push, publish them.",
        "test": "Test images against the SageMaker contract.",
        "run": "Train or serve with an image on this machine, as SageMaker does.",
        "push": "Publish images that are built and tested.",
        "verify-reproducible": "Build targets twice, and compare the images.",
    },
    "Releases": {
        "releases": "List released images and alias moves.",
        "report": "Make a catalogue page of all images: verdicts, URIs, sizes, layers.",
        "diff": "Compare two published images.",
        "notes": "Write release notes: what changed in each image.",
        "promote": "Move an alias to a released image, or copy the image to another repository.",
        "rollback": "Move an alias back to the image it pointed to before.",
        "revise": "Bump revisions in images.toml, so that images can be rebuilt.",
    },
    "AWS": {
        "uri": "Print the URI of a released image, or of one of AWS's prebuilt images.",
        "spec": "Print the requests to SageMaker for an image: JSON, Python or Terraform.",
        "repo": "Create ECR repositories, and correct their settings.",
    },
    "CI": {
        "ci-matrix": "Split targets into shards, one per CI job.",
        "merge": "Merge the records of images built on other machines.",
        "cache": "Show, free, save and load what builds keep.",
    },
    "Help": {
        "doctor": "Check this machine, its network and its AWS account.",
        "explain": "Explain the clauses of the SageMaker contract.",
        "completion": "Print a script for shell completion.",
    },
}
COMMANDS = tuple(name for group in GROUPS.values() for name in group)

OF_OTHERS = {  # names from other tools -> the commands to use here
    "bake": ("build",),
    "catalog": ("report",),
    "catalogue": ("report",),
    "check": ("test", "render --check", "doctor"),
    "clean": ("cache prune",),
    "compare": ("diff",),
    "compile": ("lock",),
    "create": ("init",),
    "debug": ("doctor",),
    "deploy": ("spec",),
    "df": ("cache size",),
    "diagnose": ("doctor",),
    "diagnostics": ("doctor",),
    "dockerfile": ("render",),
    "du": ("cache size",),
    "freeze": ("lock",),
    "gc": ("cache prune",),
    "help": ("--help",),
    "history": ("releases",),
    "images": ("list",),
    "info": ("doctor", "list"),
    "invoke": ("run TARGET serve --invoke FILE",),
    "lint": ("list", "render --check"),
    "local": ("run",),
    "log": ("releases",),
    "lookup": ("uri",),
    "ls": ("list",),
    "matrix": ("ci-matrix",),
    "new": ("init",),
    "newer": ("outdated",),
    "predict": ("run TARGET serve --invoke FILE",),
    "prune": ("cache prune",),
    "publish": ("push",),
    "release": ("push", "releases"),
    "reproduce": ("verify-reproducible",),
    "revert": ("rollback",),
    "serve": ("run TARGET serve",),
    "shell": ("run TARGET train --shell",),
    "status": ("build --plan", "doctor"),
    "tag": ("promote",),
    "targets": ("list",),
    "train": ("run TARGET train",),
    "update": ("outdated", "lock"),
    "upgrade": ("outdated", "lock"),
    "validate": ("test", "list"),
    "verify": ("test",),
    "version": ("--version",),
}
NAME = "buildkit"
LOOK_SECONDS = 0.2
"""Interval at which the main thread wakes up, to let Python run signal handlers."""


class Commands(click.Group):
    """Loads the module of a command only when that command runs; `--help` loads none."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"buildkit.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UsageError(f"unknown command `{suggest.shown(args[0])}`", hint=_meant(args))
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, [*args])
        except click.NoSuchOption as error:
            name = next((word for word in args if word in COMMANDS), None)
            command = None if name is None else self.get_command(ctx, name)
            takes = command and any(error.option_name in each.opts for each in command.params)
            raise UsageError(
                f"unknown option `{suggest.shown(error.option_name)}` before the command",
                hint=f"write the option after the command: `buildkit {name} {error.option_name}`"
                if takes
                else "`buildkit --help` lists the commands, and `buildkit COMMAND --help` their "
                "options",
            ) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        width = max(map(len, COMMANDS))
        for title, group in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in group.items()])


def _meant(words: Sequence[str]) -> str:
    """The hint for an unknown command: similar commands, or what other tools call so."""
    word = words[0]
    joined = [name for name in COMMANDS if name == "-".join(words[:2])]
    begins = [name for name in COMMANDS if len(word) > 1 and name.startswith(word)]
    found = joined or OF_OTHERS.get(word) or begins or suggest.near_names(word, COMMANDS)
    meant = f"did you mean {' or '.join(f'`buildkit {each}`' for each in found)}? " if found else ""
    return f"{meant}`buildkit --help` lists the commands"


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 bug, 2 usage or configuration, 3 nothing selected, "
    "4 template or lock, 5 tool, registry or AWS failed, 6 contract broken, 7 a difference was "
    "found, 8 not judged, 130 interrupted.",
)
@click.version_option(package_name=manual.DISTRIBUTION, message="%(version)s")
def cli() -> None:
    """Build, test and publish SageMaker-compatible container images from images.toml.

    \b
    Examples:
      buildkit init my-model
      buildkit list
      buildkit build 'sklearn*'
      buildkit build --all --push
      buildkit test my-image:latest
      buildkit run sklearn-1.7.2-cpu-py311 train
      buildkit explain SERVE-02
      buildkit rollback sklearn:latest-cpu-py311
      docker pull "$(buildkit uri sklearn-1.7.2-cpu-py311)"
      buildkit uri pytorch --prebuilt --version 2.3 --purpose training --device gpu
    """  # noqa: D301 - for click, a backspace means "keep these lines"


def main() -> NoReturn:
    """Run the command line and exit.

    A second thread does the work. The main thread waits on a queue for its end or for a signal, so
    a signal interrupts no code half-way. A second signal changes nothing, unless the work ends
    itself after the first one: then the second interrupts it.
    """
    own = sockets.descriptors()
    news: SimpleQueue[object] = SimpleQueue()
    for number in stopping.INTERRUPTS:
        signal.signal(number, lambda number, _frame: news.put(number))
    if sys.stdout is not None:  # None after `>&-`
        sys.stdout = Answer(sys.stdout)
    work = _Work(sys.argv[1:], news)
    work.start()
    first = _first(news)
    if first is not work and stopping.ask_gently():
        first = _first(news)
    code = work.result() if first is work else _interrupted(work, own)
    for number in stopping.INTERRUPTS:
        # Python restores default handlers on exit; a late signal would then kill the process.
        signal.signal(number, signal.SIG_IGN)
    if not sys.flags.dev_mode:  # which warns of what was left open
        gc.freeze()  # Python would look for cycles in all that lives, and the process ends anyway
    sys.exit(code)


def _first(news: SimpleQueue[object]) -> object:
    """The first item of the queue.

    The kernel may deliver a signal to another thread. That does not wake the main thread, which
    alone runs handlers, so it wakes up at intervals.
    """
    while True:
        with suppress(Empty):
            return news.get(timeout=LOOK_SECONDS)


class _Work(threading.Thread):
    """Runs one command line, and puts itself into the queue when it ends."""

    _code: int = Exit.INTERRUPTED
    _error: BaseException | None = None

    def __init__(self, arguments: list[str], news: SimpleQueue[object]) -> None:
        super().__init__(daemon=True)
        self.arguments = arguments
        self._news = news

    def run(self) -> None:
        try:
            self._code = run(self.arguments)
        except BaseException as error:  # noqa: BLE001 - `result` raises it in the main thread
            self._error = error
        self._news.put(self)

    def result(self) -> int:
        if self._error is not None:
            raise self._error
        return self._code


def _interrupted(work: _Work, own: frozenset[int]) -> int:
    """End a run. A run that succeeded before it noticed the signal counts as successful."""
    from buildkit.system import ending  # noqa: PLC0415 - few runs need it

    lines = ending.end(work, own)
    if work.is_alive() or work.result() != Exit.DONE:
        ending.say(lines, lambda: _answer(work.arguments, interruption()))
        # Python's own exit would wait for threads, and fail to write to a closed terminal.
        os._exit(Exit.INTERRUPTED)
    return Exit.DONE


def run(arguments: list[str]) -> int:  # noqa: PLR0911 - one return per kind of end
    """Run one command line; return its exit code.

    With `--json` an error is also printed on stdout, unless the answer has been printed.
    """
    try:
        result = cli.main(arguments, prog_name=NAME, standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        return _misused(error, arguments)
    except BuildkitError as error:
        return _failed(error, arguments)
    except stopping.Interrupted:
        return Exit.INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # The reader of stdout has gone (`buildkit list | head`), which is no error. Click raises
        # SystemExit then, and never for another reason.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except OSError as error:
        return _failed(_refused(error), arguments)
    except Exception as error:
        if stopping.is_asked():
            return Exit.INTERRUPTED
        if os.environ.get("BUILDKIT_TRACEBACK"):
            raise
        return _failed(bug(error), arguments)
    return result if isinstance(result, int) else Exit.DONE


def _misused(error: click.ClickException, arguments: list[str]) -> Exit:
    """Report a mistake that Click found. A group without a command prints its help."""
    message = error.format_message()
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        console.say(message)
        return Exit.USAGE
    if isinstance(error, click.UsageError) and error.ctx:
        path = error.ctx.command_path
    else:  # an option without its value
        path = " ".join([NAME, *(word for word in arguments[:1] if not word.startswith("-"))])
    words = " ".join(message.split()).rstrip(".")
    usage = UsageError(words[:1].lower() + words[1:], hint=f"`{path} --help`")
    return _failed(usage, arguments)


def _refused(error: OSError) -> BuildkitError:
    if error.errno == errno.ENAMETOOLONG:
        return UsageError("a name is too long for a file", hint="choose a shorter name")
    return ToolError(
        f"operating system error: {error}", hint="free disk space, or fix the permissions"
    )


def _failed(error: BuildkitError, arguments: list[str]) -> Exit:
    if stopping.is_asked():  # its connections were closed; that is not a failure to report
        return Exit.INTERRUPTED
    console.fail(error.message, hint=error.hint, details=error.details)
    _answer(arguments, error)
    return error.code


def _answer(arguments: list[str], error: BuildkitError) -> None:
    """Print an error as JSON on stdout, for a program that passed `--json`."""
    if "--json" in arguments and sys.stdout is not None:
        end = sys.stdout.end if isinstance(sys.stdout, Answer) else click.echo
        end(json.dumps({"error": error.facts}, indent=2))
