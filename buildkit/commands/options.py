"""Options that several commands share, spelled once."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from buildkit.support.errors import NothingSelectedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from click.shell_completion import CompletionItem

    from buildkit.config.substitution import Rule
    from buildkit.ledger.record import Release
    from buildkit.model.target import Target

Command = TypeVar("Command", bound="Callable[..., Any]")
IMAGES = "images.toml"
NEAR = 0.75
"""How alike two ids are, of 1, where one may be a slip for the other: `NOPE-1` is no `PIPE-01`."""


class _Path(click.Path):
    """A path as pathlib has it, which takes long to load: `uri` for one does not wait for it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        from pathlib import Path  # noqa: PLC0415

        return Path(os.fsdecode(super().convert(value, param, ctx)))


def complete_targets(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str | CompletionItem]:
    from buildkit.config import images_toml  # noqa: PLC0415 - only when a shell asks
    from buildkit.matrix import matrix  # noqa: PLC0415 - only when a shell asks

    try:
        found = matrix.expand(images_toml.read(_images(context)))
        words = dict.fromkeys((*(t.name for t in found), *(t.id for t in found)))
        return [word for word in words if word.startswith(incomplete)]
    except Exception:  # noqa: BLE001 - a completion must never print an error into a prompt
        return []


def complete_digests(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str | CompletionItem]:
    """Digests of the ledger, and the targets that stand for what was last published of them."""
    images = [image for release in _releases(context) for image in release.images]
    found = dict.fromkeys((*(i.digest for i in images), *(i.target for i in images)))
    return [each for each in found if each.startswith(incomplete)]


def complete_aliases(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str | CompletionItem]:
    moves = (move for release in _releases(context) for move in release.moves)
    found = (f"{each.repository}:{each.alias}" for each in moves)
    return [each for each in dict.fromkeys(found) if each.startswith(incomplete)]


def _releases(context: click.Context) -> tuple[Release, ...]:
    from buildkit.ledger import ledger  # noqa: PLC0415 - only when a shell asks

    try:
        return ledger.beside(_images(context)).read()
    except Exception:  # noqa: BLE001 - as above
        return ()


def _images(context: click.Context) -> Path:
    from pathlib import Path  # noqa: PLC0415 - only when a shell asks

    return Path(context.params.get("file") or IMAGES)


def complete_clauses(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str | CompletionItem]:
    from buildkit.contract.clauses import clauses  # noqa: PLC0415 - only when a shell asks

    return [each for each in clauses() if each.startswith(incomplete.upper())]


def known_clauses(
    _context: click.Context, _parameter: click.Parameter, asked: tuple[str, ...]
) -> tuple[str, ...]:
    """The ids of clauses, as the contract spells them. Raises NothingSelectedError."""
    from buildkit.contract.clauses import clauses  # noqa: PLC0415 - not for other commands

    ids = tuple(dict.fromkeys(id_.upper() for id_ in asked))
    if unknown := [id_ for id_ in ids if id_ not in clauses()]:
        near = dict.fromkeys(each for id_ in unknown for each in _near(id_, tuple(clauses())))
        named = ", ".join(f"`{id_}`" for id_ in unknown)
        raise NothingSelectedError(
            f"the contract has no clause {named}",
            hint=f"did you mean {', '.join(near)}?" if near else "`buildkit explain` lists them",
        )
    return ids


def _near(id_: str, known: Sequence[str]) -> list[str]:
    """Clauses that may be meant: those spelled much alike, else those of the same group."""
    from difflib import get_close_matches  # noqa: PLC0415

    group = [each for each in known if each.partition("-")[0] == id_.partition("-")[0]]
    return get_close_matches(id_, known, cutoff=NEAR) or get_close_matches(id_, group)


def is_given(name: str) -> bool:
    """Whether the user gave an option of the running command, rather than its default."""
    return click.get_current_context().get_parameter_source(name) is not ParameterSource.DEFAULT


def registries_from() -> str:
    """Where the registries of the running command come from, for people."""
    source = click.get_current_context().get_parameter_source("registries")
    return "BUILDKIT_REGISTRY" if source is ParameterSource.ENVIRONMENT else "`--registry`"


def _spelled(context: click.Context, parameter: click.Parameter) -> str:
    """How the user gave an option: by itself, or by its variable."""
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
                f"{_spelled(context, parameter)}: {error}", hint="a host, without `https://`"
            ) from error
    return given


def _file(type_: click.Path) -> Callable[[Command], Command]:
    return click.option(
        "--file",
        "-f",
        type=type_,
        default=IMAGES,
        show_default=True,
        help="The file that says which images there are.",
    )


FILE = _file(_Path(dir_okay=False))
ALLOW_OUTSIDE = click.option(
    "--allow-outside",
    is_flag=True,
    help="Read files outside of the project (its root of git) where images.toml, a template or a "
    "link leads there.",
)
FILE_AS_TEXT = _file(click.Path(dir_okay=False))
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
DIST = click.option(
    "--dist",
    type=_Path(file_okay=False),
    help="Where the records of each target are kept.  [default: dist/ beside the file]",
)
SELECT = click.argument("select", nargs=-1, shell_complete=complete_targets)
ALL = click.option("--all", "everything", is_flag=True, help="Every target of the file.")
VERBOSE = click.option("--verbose", "-v", is_flag=True, help="Show everything that tools say.")
JOBS = click.option(
    "--jobs",
    "-j",
    type=click.IntRange(min=1),
    help="At most so many targets at once.  [default: tests one per processor, pushes 8, builds as "
    "many as buildx likes]",
)
NETWORK = click.option(
    "--network",
    is_flag=True,
    help="Give the containers of the tests a network. Without it they reach nothing outside, "
    "unless images.toml says `network = true`.",
)
JUNIT = click.option(
    "--junit",
    "junit_file",
    type=_Path(dir_okay=False),
    help="Write a JUnit report to this file.",
)
HTML = click.option(
    "--html",
    "html_file",
    type=_Path(dir_okay=False),
    help="Write a page to look at, all in this one file.",
)
REGISTRY = click.option(
    "--registry",
    "registries",
    metavar="HOST",
    multiple=True,
    envvar="BUILDKIT_REGISTRY",
    callback=_hosts,
    show_envvar=True,
    help="A registry to push to, instead of those in images.toml. May be given several times.",
)
LOOK_IN = click.option(
    "--registry",
    "registries",
    metavar="HOST",
    multiple=True,
    envvar="BUILDKIT_REGISTRY",
    callback=_hosts,
    show_envvar=True,
    help="A registry to look in, instead of those on record. May be given several times.",
)
SUBSTITUTE = click.option(
    "--substitute",
    metavar="FROM=TO",
    multiple=True,
    envvar="BUILDKIT_SUBSTITUTE",
    callback=_rules,
    show_envvar=True,
    help="Use the image TO in the place of the base FROM, or the address TO in that of the package "
    "index FROM; both may end in `*`.",
)
CA_BUNDLE = click.option(
    "--ca-bundle",
    type=_Path(exists=True, dir_okay=False, resolve_path=True),
    envvar=["BUILDKIT_CA_BUNDLE", "PIP_CERT", "SSL_CERT_FILE"],
    show_envvar=True,
    help="Certificates to trust while building.",
)
PIP_CONFIG = click.option(
    "--pip-config",
    type=_Path(exists=True, dir_okay=False, resolve_path=True),
    envvar="BUILDKIT_PIP_CONFIG",
    show_envvar=True,
    help="A pip.conf for the build: index, credentials.",
)
WHEELS = click.option(
    "--wheels",
    type=_Path(exists=True, file_okay=False, resolve_path=True),
    envvar="BUILDKIT_WHEELS",
    show_envvar=True,
    help="A folder of wheels that the build may install from.",
)


def _network(command: Callable[..., Any]) -> Callable[..., Any]:
    """Hand the options of BUILD to a command as one value."""

    @wraps(command)
    def packed(
        *,
        substitute: tuple[Rule, ...],
        ca_bundle: Path | None,
        pip_config: Path | None,
        wheels: Path | None,
        **rest: object,
    ) -> Any:
        from buildkit.build.mounts import Network  # noqa: PLC0415 - not for other commands

        network = Network(
            substitutes=substitute, ca_bundle=ca_bundle, pip_config=pip_config, wheels=wheels
        )
        return command(build_network=network, **rest)

    return packed


def group(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, in the order of `--help`."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


READ = group(FILE, ALLOW_OUTSIDE)
"""Of commands that read images.toml and what it names."""
PROJECT = group(READ, DIST, JSON)
BUILD = group(_network, SUBSTITUTE, CA_BUNDLE, PIP_CONFIG, WHEELS)
"""What a build needs in somebody's network: the command gets it whole, as `build_network`."""


def networked(targets: Iterable[Target], *, network: bool) -> tuple[Target, ...]:
    """The targets, each of which has a network in its tests if `--network` is given."""
    return tuple(replace(each, network=network or each.network) for each in targets)


def selection(select: Iterable[str], *, everything: bool) -> tuple[str, ...]:
    """The patterns that were asked for. Raises UsageError for none, or for both ways at once."""
    patterns = tuple(select)
    if everything and patterns:
        raise UsageError("`--all` and a selection exclude each other", hint="leave one out")
    if not everything and not patterns:
        raise UsageError(
            "no target is selected", hint="name targets, such as 'sklearn*', or give `--all`"
        )
    return patterns or ("*",)
