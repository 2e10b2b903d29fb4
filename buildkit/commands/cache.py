"""`buildkit cache`."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from buildkit import pipeline
from buildkit.build import package_cache
from buildkit.commands import options, output
from buildkit.config.network import Network
from buildkit.engine import build_cache, engine
from buildkit.support import amounts, tables
from buildkit.support.errors import Exit, ToolError, UsageError
from buildkit.support.suggest import shown
from buildkit.system import cache, console, tempdirs, usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from buildkit.build.package_cache import Copier
    from buildkit.commands.scope import Scope
    from buildkit.config.substitution import Rule
    from buildkit.engine.engine import Engine
    from buildkit.system.usage import Usage

    Found = Mapping[str, Usage]

MONTH = "30d"
LEFT, BUILDER = "left", "builder"
MACHINE = {
    cache.Kind.DOCKERFILES.value: "rendered Dockerfiles",
    cache.Kind.IDENTITIES.value: "inputs of published images",
    LEFT: "files of killed runs",
}
ENGINE = {
    build_cache.Kind.STEPS.value: "build steps",
    build_cache.Kind.PACKAGES.value: "downloaded packages",
    build_cache.Kind.CONTEXTS.value: "build contexts",
    BUILDER: "build cache",
}


def _amount(text: str, name: str, units: Mapping[str, int], examples: str) -> int:
    """A whole number with a unit. Raises UsageError."""
    match = re.fullmatch(rf"([0-9]{{1,6}})({'|'.join(units)})", text.lower())
    if match is None:
        raise UsageError(f"`{shown(text)}` is no {name}", hint=f"write it like {examples}")
    return int(match[1]) * units[match[2]]


def _seconds(age: str) -> int:
    return _amount(age, "age", {"m": 60, "h": 3600, "d": 86400, "w": 604800}, "`12h` or `30d`")


def _bytes(size: str) -> int:
    return _amount(size, "size", {"mb": 10**6, "gb": 10**9, "tb": 10**12}, "`500MB` or `20GB`")


FOLDER = click.argument("folder", type=options.PathType(file_okay=False, resolve_path=True))


@click.group(
    cls=options.InOrder,
    epilog="\b\nExamples:\n  buildkit cache size\n  buildkit cache prune --older-than 7d\n"
    "  buildkit cache load wheels 'sklearn*'",
)
def command() -> None:
    """Show and free what buildkit and the builder keep; copy packages from one machine to another.

    Without these files, builds only take longer: none is part of an image. No image is deleted.
    """


@command.command(
    short_help="Show how much is kept, on this machine and in the engine.",
    epilog="\b\nExamples:\n  buildkit cache size\n  buildkit cache size --json",
)
@options.JSON
def size(*, as_json: bool) -> Exit:
    """Show how much buildkit keeps on this machine, and the builder in the engine.

    Layers that images share with the build cache are not counted, because only the removal of the
    images frees them. The engine's cache is one for all projects.
    """
    kept = {kind.value: usage.measure(cache.kept(kind)) for kind in cache.Kind}
    kept[LEFT] = usage.measure((*cache.left(), *tempdirs.left()))
    return _show("kept", kept, _by_kind, as_json=as_json)


def _by_kind(docker: Engine) -> Found:
    return {kind.value: found for kind, found in build_cache.usage(docker).items()}


@command.command(
    short_help="Free what was not used for a while.",
    epilog="\b\nExamples:\n  buildkit cache prune\n  buildkit cache prune --older-than 7d\n"
    "  buildkit cache prune --keep 20GB",
)
@click.option(
    "--older-than",
    type=_seconds,
    metavar="AGE",
    help="Free what was not used for this time, such as `12h`, `30d` or `2w`.  [default: 30d, or "
    "any age with --keep]",
)
@click.option(
    "--keep",
    type=_bytes,
    metavar="SIZE",
    default="0MB",
    help="Stop when the engine's build cache has this size, such as `20GB`; begin with what was "
    "used longest ago.",
)
@options.JSON
def prune(*, older_than: int | None, keep: int, as_json: bool) -> Exit:
    """Free what was not used for a while, and print what was freed.

    This covers the engine's build cache, which is one for all projects, buildkit's own files on
    this machine, and the files of killed runs. Images, containers and volumes are not deleted.
    """
    age = (0 if keep else _seconds(MONTH)) if older_than is None else older_than
    only_engine = older_than is None and keep
    freed = {
        kind.value: usage.remove(() if only_engine else cache.kept(kind, age))
        for kind in cache.Kind
    }
    freed[LEFT] = usage.remove((*cache.left(), *tempdirs.left()))

    def ask(docker: Engine) -> Found:
        return {BUILDER: build_cache.prune(docker, age, keep)}

    return _show("freed", freed, ask, as_json=as_json)


def _show(title: str, machine: Found, ask: Callable[[Engine], Found], *, as_json: bool) -> Exit:
    """Print what there is on this machine and in the engine; without an engine, the first alone."""
    found, failed = _in_engine(ask)
    rows = [("this machine", MACHINE, *row) for row in machine.items()]
    rows += [("engine", ENGINE, *row) for row in found.items()]
    document: dict[str, object] = {
        title: [
            {"where": where, "what": what, "entries": each.entries, "bytes": each.size}
            for where, _, what, each in rows
        ]
    }
    lines = [("WHERE", "WHAT", "ENTRIES", title.upper())]
    lines += [
        (where, titles[what], str(each.entries), amounts.size(each.size))
        for where, titles, what, each in rows
    ]
    if failed is not None:
        document["error"] = failed.facts
        console.fail(failed.message, hint=failed.hint, details=failed.details)
    output.show(document, tables.aligned(lines), as_json=as_json)
    return Exit.DONE if failed is None else failed.code


def _in_engine(ask: Callable[[Engine], Found]) -> tuple[Found, ToolError | None]:
    try:
        with engine.connect() as docker:
            return ask(docker), None
    except ToolError as error:
        return {}, error


@command.command(
    short_help="Copy downloaded packages from the builder to a folder.",
    epilog="\b\nExamples:\n  buildkit cache save wheels\n"
    "  buildkit cache save wheels 'sklearn*' --older-than 14d",
)
@FOLDER
@options.SELECT
@click.option(
    "--older-than",
    type=_seconds,
    metavar="AGE",
    default=MONTH,
    show_default=True,
    help="Leave out packages that were downloaded longer ago, so that FOLDER does not grow.",
)
@options.READ
@options.SUBSTITUTE
@options.VERBOSE
@options.JSON
def save(
    *,
    folder: Path,
    scope: Scope,
    older_than: int,
    substitutes: tuple[Rule, ...],
    verbose: bool,
    as_json: bool,
) -> None:
    """Copy the packages that builds have downloaded with pip from the builder to FOLDER.

    `cache load` copies them into the builder of another machine, whose builds do not download them
    again. The content of FOLDER is replaced. A small build copies the packages; it needs a shell,
    and uses the base image of a target that matches SELECT, or of any target without SELECT.
    """
    with _copier(scope, substitutes, verbose=verbose) as copier:
        if copier is not None:
            copier.save(folder, older_than)
    _show_packages(
        "saved", folder, 0 if copier is None else package_cache.size(folder), as_json=as_json
    )


@command.command(
    short_help="Copy saved packages from a folder into the builder.",
    epilog="\b\nExamples:\n  buildkit cache load wheels\n  buildkit cache load wheels 'sklearn*'",
)
@FOLDER
@options.SELECT
@options.READ
@options.SUBSTITUTE
@options.VERBOSE
@options.JSON
def load(
    *,
    folder: Path,
    scope: Scope,
    substitutes: tuple[Rule, ...],
    verbose: bool,
    as_json: bool,
) -> None:
    """Copy the packages that `cache save` has written to FOLDER into the builder.

    A FOLDER that is empty or does not exist is no error: the first run of a CI has none. Packages
    change no image: pip checks the hashes of images.lock, wherever a package comes from. Without a
    lock, load only a FOLDER that nobody else can write.
    """
    found = package_cache.size(folder)
    if found:
        with _copier(scope, substitutes, verbose=verbose) as copier:
            if copier is None:
                found = 0
            else:
                copier.load(folder)
    else:
        console.say(f"{folder} has no packages")
    _show_packages("loaded", folder, found, as_json=as_json)


@contextmanager
def _copier(
    scope: Scope, substitutes: tuple[Rule, ...], *, verbose: bool
) -> Iterator[Copier | None]:
    """None, with a message, if no selected target installs packages with pip."""
    project = scope.project(renders=True)
    targets = scope.targets_or_all(project)
    network = Network(substitutes=substitutes).with_rules(project.config.substitutes)
    with (
        pipeline.baked(project, targets, network) as plan,
        engine.connect() as docker,
        package_cache.copier(plan, docker, verbose=verbose) as copier,
    ):
        if copier is None:
            console.say("no selected target installs packages with pip")
        yield copier


def _show_packages(done: str, folder: Path, size: int, *, as_json: bool) -> None:
    line = f"{done} {amounts.size(size)} of packages"
    output.show({"folder": str(folder), "bytes": size}, [line], as_json=as_json)
