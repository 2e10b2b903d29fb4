"""The command line: which commands there are, and how each ends. A command is loaded when asked.

The only place that catches errors: each kind has its exit code, `docs/reference/exit-codes.md`.
"""

from __future__ import annotations

import errno
import importlib
import io
import json
import os
import signal
import sys
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import NoReturn

import click

from buildkit.support import addresses, manual, suggest
from buildkit.support.errors import BuildkitError, Exit, ToolError, UsageError, bug, interruption
from buildkit.system import console, sockets, stopping
from buildkit.system.stdout import Answer

COMMANDS = {  # in the order of the pipeline
    "list": "List the targets of images.toml.",
    "render": "Write each target's Dockerfile.",
    "build": "Build and test targets, and publish what passed.",
    "test": "Test images against the SageMaker contract.",
    "push": "Publish targets that are built and tested.",
    "releases": "List what was released.",
    "diff": "Show what is different in two published images.",
    "promote": "Move an alias to a released image, or copy it to another repository.",
    "rollback": "Move an alias back to the image that it named before.",
    "uri": "Print the URI of a published image, or of one of AWS's.",
    "ci-matrix": "Split targets into shards for the jobs of a CI.",
    "revise": "Raise revisions in images.toml, so that images can be rebuilt.",
    "merge": "Take over what other machines have built and tested.",
    "notes": "Write release notes: what changed in each image.",
    "repo": "Keep the repositories of ECR as images.toml says.",
    "explain": "Explain a clause of the contract.",
    "completion": "Print what makes a shell complete commands, targets and versions.",
}

BEGINNINGS = ("init", "new", "create")
OF_OTHERS = {  # what people type who know other tools -> the commands that do it here
    "bake": ("build",),
    "check": ("test", "render --check"),
    "compare": ("diff",),
    "config": ("list",),
    "dockerfile": ("render",),
    "help": ("--help",),
    "history": ("releases",),
    "images": ("list",),
    "lint": ("list", "render --check"),
    "log": ("releases",),
    "lookup": ("uri",),
    "ls": ("list",),
    "matrix": ("ci-matrix",),
    "publish": ("push",),
    "release": ("push", "releases"),
    "revert": ("rollback",),
    "run": ("test",),
    "tag": ("promote",),
    "targets": ("list",),
    "validate": ("test", "list"),
    "verify": ("test",),
    "version": ("--version",),
}
NAME = "buildkit"
LOOK_SECONDS = 0.2
"""Between two looks at whether a signal has come."""


class Commands(click.Group):
    """Loads a command's module when it is run; `--help` needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click asks so
        return list(COMMANDS)

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
            raise UsageError(f"there is no command `{suggest.shown(args[0])}`", hint=_near(args[0]))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _near(word: str) -> str:
    """What is near to a word that is no command, or what other tools call so."""
    if word in BEGINNINGS:
        return f"begin with a file images.toml: {manual.page('images-toml')}"
    found = OF_OTHERS.get(word) or suggest.near_names(word, tuple(COMMANDS))
    meant = f"did you mean {' or '.join(f'`buildkit {each}`' for each in found)}? " if found else ""
    return f"{meant}`buildkit --help` lists the commands"


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 a bug, 2 usage or configuration, 3 nothing selected, 4 template, "
    "5 a tool, registry or AWS failed, 6 an image broke the contract, 7 repositories differ, "
    "8 not judged, 130 interrupted.",
)
@click.version_option(package_name=manual.DISTRIBUTION, message="%(version)s")
def cli() -> None:
    """Build, test and publish SageMaker-compatible container images from images.toml.

    \b
    Examples:
      buildkit list
      buildkit build 'sklearn*'
      buildkit build --all --push
      buildkit test my-image:latest
      buildkit explain SERVE-02
      buildkit rollback sklearn:latest-cpu-py311
      docker pull "$(buildkit uri sklearn-1.7.2-cpu-py311)"
      buildkit uri pytorch --prebuilt --version 2.3 --purpose training --device gpu
    """  # noqa: D301 - to click a backspace means "keep these lines"


def main() -> NoReturn:
    """Run the command line and exit.

    The work is done in a thread, and this one waits: a signal is an item of what it waits for, and
    comes in the middle of nothing. A second one changes nothing.
    """
    own = sockets.descriptors()
    news: SimpleQueue[object] = SimpleQueue()
    for number in stopping.INTERRUPTS:
        signal.signal(number, lambda number, _frame: news.put(number))
    if sys.stdout is not None:  # as it is after `>&-`
        sys.stdout = Answer(sys.stdout)
    work = _Work(sys.argv[1:], news)
    work.start()
    code = work.result() if _first(news) is work else _interrupted(work, own)
    for number in stopping.INTERRUPTS:
        # Python restores other handlers while it ends, and a late signal would then kill it.
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


def _first(news: SimpleQueue[object]) -> object:
    """What comes first.

    The kernel may hand a signal to another thread, which does not wake this one, and this one alone
    runs handlers: so it wakes now and then.
    """
    while True:
        with suppress(Empty):
            return news.get(timeout=LOOK_SECONDS)


class _Work(threading.Thread):
    """One command line, whose end is news."""

    def __init__(self, arguments: list[str], news: SimpleQueue[object]) -> None:
        super().__init__(daemon=True)
        self.arguments = arguments
        self._news = news
        self._code: int = Exit.INTERRUPTED
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._code = run(self.arguments)
        except BaseException as error:  # noqa: BLE001 - it is raised where it is seen
            self._error = error
        self._news.put(self)

    def result(self) -> int:
        if self._error is not None:
            raise self._error
        return self._code


def _interrupted(work: _Work, own: frozenset[int]) -> int:
    """End a run. What ended well before it noticed has ended well."""
    from buildkit.system import ending  # noqa: PLC0415 - few runs need it

    lines = ending.end(work, own)
    if work.is_alive() or work.result() != Exit.DONE:
        ending.say(lines, lambda: _answer(work.arguments, interruption()))
        ending.leave(Exit.INTERRUPTED)
    return Exit.DONE


def run(arguments: list[str]) -> int:  # noqa: PLR0911 - one return per kind of end
    """Run one command line; return its exit code.

    With `--json` an error is told on stdout, too, unless the answer is there already.
    """
    try:
        result = cli.main(arguments, prog_name=NAME, standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        console.say(addresses.without_user(shown.getvalue().rstrip("\n")))
        path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else NAME
        told = UsageError(error.format_message(), hint=f"`{path} --help`")
        _answer(arguments, told)
        return Exit.USAGE
    except BuildkitError as error:
        return _failed(error, arguments)
    except stopping.Interrupted:
        return Exit.INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # The reader of stdout has gone (`buildkit list | head`): nothing is wrong here. Click
        # ends itself then, and never for another reason.
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


def _refused(error: OSError) -> BuildkitError:
    if error.errno == errno.ENAMETOOLONG:
        return UsageError("a name is too long for a file", hint="choose a shorter one")
    return ToolError(
        f"operating system error: {error}", hint="free disk space, or fix the permissions"
    )


def _failed(error: BuildkitError, arguments: list[str]) -> Exit:
    if stopping.is_asked():  # its connections were ended: that is no failure to tell of
        return Exit.INTERRUPTED
    console.fail(error.message, hint=error.hint, details=error.details)
    _answer(arguments, error)
    return error.code


def _answer(arguments: list[str], error: BuildkitError) -> None:
    """What a program reads of an error that it asked JSON of."""
    if "--json" not in arguments or sys.stdout is None:
        return
    text = json.dumps({"error": error.facts}, indent=2)
    if isinstance(sys.stdout, Answer):
        sys.stdout.end(text)
    else:
        click.echo(text)
