"""Options that several commands share, spelled once."""

from __future__ import annotations

import os
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource

from buildkit.commands import complete
from buildkit.support import suggest
from buildkit.support.errors import NothingSelectedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from buildkit.commands.scope import Scope
    from buildkit.config.network import Network
    from buildkit.config.substitution import Rule

Command = TypeVar("Command", bound="Callable[..., Any]")
SIMILAR = 0.8
"""Least similarity, of 1, at which an id counts as a typo of another: `NOPE-1` is no `PIPE-01`."""


class PathType(click.Path):
    """A pathlib path. pathlib loads slowly, so only commands that take a path load it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        from pathlib import Path  # noqa: PLC0415

        return Path(os.fsdecode(super().convert(value, param, ctx)))


class InOrder(click.Group):
    """Lists its commands in the order in which one uses them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [*self.commands]


def known_clauses(
    _context: click.Context, _parameter: click.Parameter, asked: tuple[str, ...]
) -> tuple[str, ...]:
    """Ids of clauses, spelled as in the contract. Raises NothingSelectedError."""
    from buildkit.contract.clauses import clauses  # noqa: PLC0415 - not for other commands

    ids = tuple(dict.fromkeys(id_.upper() for id_ in asked))
    if unknown := [id_ for id_ in ids if id_ not in clauses()]:
        similar = dict.fromkeys(each for id_ in unknown for each in _similar(id_, [*clauses()]))
        named = ", ".join(f"`{id_}`" for id_ in unknown)
        raise NothingSelectedError(
            f"the contract has no clause {named}",
            hint=suggest.listed("did you mean", [*similar])
            if similar
            else "`buildkit explain` lists all clauses",
        )
    return ids


def _similar(id_: str, known: Sequence[str]) -> list[str]:
    """Clauses with a similar id; if there are none, similar ones of the same group.

    For the name of a group, such as `IMG`, the clauses of the group.
    """
    name = id_.partition("-")[0]
    group = [each for each in known if each.partition("-")[0] == name]
    if group and id_.rstrip("-") == name:
        return group[: suggest.MOST]
    return suggest.near_names(id_, known, SIMILAR) or suggest.near_names(id_, group, 0)


def is_given(name: str) -> bool:
    """Whether the user set an option of the running command."""
    return click.get_current_context().get_parameter_source(name) is not ParameterSource.DEFAULT


def registries_from() -> str:
    """The source of the running command's registries, for messages."""
    source = click.get_current_context().get_parameter_source("registries")
    return "BUILDKIT_REGISTRY" if source is ParameterSource.ENVIRONMENT else "`--registry`"


def _spelled(context: click.Context, parameter: click.Parameter) -> str:
    """What the user set: the option or its environment variable."""
    by_variable = context.get_parameter_source(parameter.name or "") is ParameterSource.ENVIRONMENT
    return str(parameter.envvar) if by_variable else f"{parameter.opts[0]}"


def _rules(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> tuple[Rule, ...]:
    from buildkit.config import substitution  # noqa: PLC0415 - not for other commands

    return substitution.parse(given, _spelled(context, parameter))


def _hosts(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> tuple[str, ...]:
    from buildkit.model import names  # noqa: PLC0415 - not for other commands

    for host in given:
        try:
            names.host(host)
        except ValueError as error:
            raise UsageError(
                f"{_spelled(context, parameter)}: {error}",
                hint="pass `HOST` or `HOST:PORT`, without `https://` and without a path",
            ) from error
    return given


def _file(type_: click.Path) -> Callable[[Command], Command]:
    return click.option(
        "--file",
        "-f",
        type=type_,
        default=complete.IMAGES,
        show_default=True,
        help="Use this images.toml.",
    )


def _registry(others: str) -> Callable[[Command], Command]:
    return click.option(
        "--registry",
        "registries",
        metavar="HOST",
        multiple=True,
        envvar="BUILDKIT_REGISTRY",
        callback=_hosts,
        show_envvar=True,
        help=f"Use this registry instead of {others}. Repeatable.",
    )


def flag(name: str, help_: str, *more: str) -> Callable[[Command], Command]:
    """An option without a value. `more` are a short name, and the name of the parameter."""
    return click.option(name, *more, is_flag=True, help=help_)


FILE = _file(PathType(dir_okay=False))
FILE_AS_TEXT = _file(click.Path(dir_okay=False))
ALLOW_OUTSIDE = flag(
    "--allow-outside",
    "Allow images.toml, templates and links to refer to files outside the project (its git root).",
)
JSON = flag("--json", "Print JSON on stdout.", "as_json")
DIST = click.option(
    "--dist",
    type=PathType(file_okay=False),
    help="Keep the records of targets in this folder.  [default: dist/ beside images.toml]",
)
SELECT = click.argument("select", nargs=-1, shell_complete=complete.targets)
ALL = flag("--all", "Select every target.", "everything")
VERBOSE = flag("--verbose", "Show the full output of buildx.", "-v")
JOBS = click.option(
    "--jobs",
    "-j",
    type=click.IntRange(min=1),
    help="Process at most this many targets in parallel.  [default: `build` as many builds as "
    "buildx allows, then one per CPU to test and publish; `test` one per CPU; `push` 8]",
)
NETWORK = flag(
    "--network",
    "Give test containers a network. By default only targets with `network = true` in "
    "images.toml have one.",
)
JUNIT = click.option(
    "--junit",
    "junit_file",
    type=PathType(dir_okay=False),
    help="Write a JUnit report to this file.",
)
HTML = click.option(
    "--html",
    "html_file",
    type=PathType(dir_okay=False),
    help="Write a self-contained HTML report to this file.",
)
REGISTRY = _registry("those in images.toml")
LOOK_IN = _registry("those in the ledger")
SUBSTITUTE = click.option(
    "--substitute",
    "substitutes",
    metavar="FROM=TO",
    multiple=True,
    envvar="BUILDKIT_SUBSTITUTE",
    callback=_rules,
    show_envvar=True,
    help="Replace the base image or package index FROM with TO; both may end in `*`. Repeatable.",
)


def group(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, in the order of `--help`."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def packed(
    into: str,
    names: Iterable[str],
    make: Callable[..., object],
    *options: Callable[[Command], Command],
) -> Callable[[Command], Command]:
    """Several options as one decorator, whose values a command gets as one value, `into`.

    `names` may also be options that other decorators add; those that a command lacks are left out.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def called(**values: Any) -> Any:
            own = {name: values.pop(name) for name in names if name in values}
            return command(**{into: make(**own)}, **values)

        return group(*options)(cast("Command", called))

    return decorate


def _scope(**values: Any) -> Scope:
    from buildkit.commands.scope import Scope  # noqa: PLC0415 - not for `uri`

    return Scope(**values)


def _network(**values: Any) -> Network:
    from buildkit.config.network import Network  # noqa: PLC0415 - not for other commands

    return Network(**values)


READ = packed(
    "scope",
    ("file", "allow_outside", "dist", "select", "everything", "network"),
    _scope,
    FILE,
    ALLOW_OUTSIDE,
)
"""For commands that read images.toml and the files it names."""
PROJECT = group(READ, DIST, JSON)
BUILD = packed(
    "build_network",
    ("substitutes", "ca_bundle", "pip_config", "wheels"),
    _network,
    SUBSTITUTE,
    click.option(
        "--ca-bundle",
        type=PathType(exists=True, dir_okay=False, resolve_path=True),
        envvar=["BUILDKIT_CA_BUNDLE", "PIP_CERT", "SSL_CERT_FILE"],
        show_envvar=True,
        help="Trust these certificates while building.",
    ),
    click.option(
        "--pip-config",
        type=PathType(exists=True, dir_okay=False, resolve_path=True),
        envvar="BUILDKIT_PIP_CONFIG",
        show_envvar=True,
        help="Use this pip.conf while building, with its index and credentials.",
    ),
    click.option(
        "--wheels",
        type=PathType(exists=True, file_okay=False, resolve_path=True),
        envvar="BUILDKIT_WHEELS",
        show_envvar=True,
        help="Let the build install wheels from this folder.",
    ),
)
"""What a build needs in somebody's network."""
