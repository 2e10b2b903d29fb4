"""Samples on the command line, for an image that no images.toml describes."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from buildkit.commands.options import packed
from buildkit.config.boundary import Boundary
from buildkit.config.problems import Problem, Problems
from buildkit.config.schema import SamplesTable
from buildkit.config.validation import validated
from buildkit.matrix import paths
from buildkit.matrix.samples import of_table
from buildkit.model.target import Samples
from buildkit.support.amounts import count
from buildkit.support.errors import UsageError
from buildkit.support.suggest import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Pairs = tuple[tuple[str, str], ...]
AT = ("samples",)
PAIRS = {"channels": "channel", "hyperparameters": "hyperparameter", "environment": "environment"}
"""The keys of samples that are tables of names and values, and their options."""
FOLDERS = ("code", "model", "adapter")
"""The keys of samples that are a folder, and their options."""
TYPED = re.compile(r"(?P<file>.+?):\s*(?P<type>[\w.+-]+/[\w.+*-]+\s*(;.*)?)")
"""A file and its content type. A path may begin with a letter and a colon."""
TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".jsonlines": "application/jsonlines",
    ".libsvm": "text/libsvm",
    ".npy": "application/x-npy",
    ".npz": "application/x-npz",
    ".txt": "text/plain",
    ".parquet": "application/x-parquet",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
}
"""Content types by file extension, for payloads without one."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """The options as they were typed."""

    channel: tuple[str, ...] = ()
    payload: tuple[str, ...] = ()
    hyperparameter: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    code: str | None = None
    model: str | None = None
    adapter: str | None = None

    def __bool__(self) -> bool:
        return self != Given()


def _many(name: str, metavar: str, text: str) -> Callable[[Any], Any]:
    help_ = f"{text} Repeatable."
    return click.option(f"--{name}", metavar=metavar, multiple=True, help=help_)


CHANNEL = _many("channel", "NAME=PATH", "Put a folder or file into /opt/ml/input/data/NAME.")
HYPERPARAMETER = _many("hyperparameter", "KEY=VALUE", "Set a hyperparameter of the training job.")
ENVIRONMENT = _many(
    "environment", "KEY=VALUE", "Set an environment variable of the job and the server."
)

OPTIONS = packed(
    "given",
    [each.name for each in fields(Given)],
    Given,
    CHANNEL,
    _many("payload", "FILE[:CONTENT-TYPE]", "Send this body to POST /invocations."),
    HYPERPARAMETER,
    ENVIRONMENT,
    _many("header", "'NAME: VALUE'", "Send this header with each payload."),
    click.option(
        "--model",
        metavar="FOLDER",
        help="Put these files into /opt/ml/model, for an image that only serves.",
    ),
    click.option(
        "--adapter",
        metavar="FOLDER",
        help="Load this adapter by POST /adapters, for an image with the feature adapters.",
    ),
)
"""All options of samples, which a command gets as one value."""
OF_A_RUN = packed(
    "given",
    ("channel", "hyperparameter", "environment", "code"),
    Given,
    CHANNEL,
    HYPERPARAMETER,
    ENVIRONMENT,
    click.option(
        "--code",
        metavar="FOLDER",
        help="Put these files into /opt/ml/code of a training job, or /opt/ml/model/code of a "
        "server.",
    ),
)
"""The options of samples for one run of an image."""


@dataclass(frozen=True, kw_only=True)
class _Here:
    """Paths on the command line are relative to the current folder, and may lead anywhere."""

    folder: Path
    boundary: Boundary


def on_top(given: Given, lent: Samples, folder: Path) -> Samples:
    """The samples `lent` by a target, with the given ones on top: a given name replaces a lent one.

    Given payloads come after the lent ones; headers go with all payloads. Paths are relative to
    `folder`. Raises UsageError with every problem that images.toml would report, too.
    """
    headers = dict(each for each in map(_header, given.header) if each)
    new = _alone(given, headers, folder)
    payloads = [
        replace(each, headers=_over(each.headers, tuple(headers.items())))
        for each in (*lent.payloads, *new.payloads)
    ]
    if headers and not payloads:
        raise UsageError(
            "`--header` needs a `--payload` to be sent with",
            hint="add `--payload FILE:CONTENT-TYPE`",
        )
    return replace(
        lent,
        hyperparameters=_over(lent.hyperparameters, new.hyperparameters),
        channels=_over(lent.channels, new.channels),
        environment=_over(lent.environment, new.environment),
        code=new.code or lent.code,
        model=new.model or lent.model,
        adapter=new.adapter or lent.adapter,
        payloads=tuple(payloads),
    )


def _alone(given: Given, headers: dict[str, str], folder: Path) -> Samples:
    """The given samples. Raises UsageError as `on_top` does."""
    problems = [*_malformed(given)]
    here = _Here(folder=folder, boundary=Boundary(root=folder, open=True))
    table = _table(given, headers)
    typed = validated(SamplesTable, table, AT, problems)
    places = [
        Problem(path=at, message=message)
        for at, text, kind in paths.of_samples(AT, table)
        for message in paths.fault(here, text, kind, paths.LARGEST_BODY)
    ]
    absent = {problem.path[:3] for problem in places}  # such files lack no content type
    problems = [
        each for each in problems if not (_lacks_type(given, each) and each.path[:3] in absent)
    ]
    problems += places
    found = Problems(read=tuple(problems))
    new = Samples() if typed is None else of_table(here, typed, AT, found)
    _refuse(given, [*problems, *found.found])
    return new


def _over(lower: Pairs, upper: Pairs) -> Pairs:
    return tuple({**dict(lower), **dict(upper)}.items())


def _table(given: Given, headers: dict[str, str]) -> dict[str, object]:
    """The options as the table `samples` of images.toml."""
    return {
        **{key: dict(_pairs(getattr(given, option))) for key, option in PAIRS.items()},
        "payload": [{**_payload(each), "headers": headers} for each in given.payload],
        **{key: folder for key in FOLDERS if (folder := getattr(given, key)) is not None},
    }


def _pairs(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        name, sign, value = text.partition("=")
        if sign:
            yield name, value


def _header(text: str) -> tuple[str, str] | None:
    name, colon, value = text.partition(":")
    return (name.strip(), value.strip()) if colon else None


def _payload(text: str) -> dict[str, str]:
    """The file and its content type, which defaults to that of its extension."""
    if not Path(text).is_file():
        file, colon, _ = text.rpartition(":")
        if typed := TYPED.fullmatch(text):
            return {"body": typed["file"], "content-type": typed["type"]}
        while colon:
            if Path(file).is_file():  # a malformed type, which is reported as such
                return {"body": file, "content-type": text[len(file) + 1 :]}
            file, colon, _ = file.rpartition(":")
    kind = TYPES.get(Path(text).suffix.lower())
    return {"body": text, **({} if kind is None else {"content-type": kind})}


def _malformed(given: Given) -> Iterator[Problem]:
    """Values that do not have the form of their option."""
    for key, option in PAIRS.items():
        names: set[str] = set()
        for text in getattr(given, option):
            name, sign, _ = text.partition("=")
            if not sign:
                yield Problem(path=(*AT, key, text), message="no `=` between name and value")
            elif name in names:
                yield Problem(path=(*AT, key, name), message="the name is given twice")
            names.add(name)
    for text in given.header:
        if _header(text) is None:
            yield Problem(path=(*AT, "header", text), message="no `:` between name and value")


def _command() -> str:
    """The running command, as it is typed."""
    context = click.get_current_context(silent=True)
    return "buildkit test" if context is None else context.command_path


def _refuse(given: Given, problems: Sequence[Problem]) -> None:
    if lines := dict.fromkeys(_line(given, each) for each in problems):
        raise UsageError(
            f"{count(len(lines), 'problem')} with the samples on the command line",
            details="\n".join(lines),
            hint=f"`{_command()} --help` shows the form of each option",
        )


def _line(given: Given, problem: Problem) -> str:
    message = problem.message
    if _lacks_type(given, problem):
        message = "the file extension has no known content type: write `FILE:CONTENT-TYPE`"
    return f"{_where(given, *problem.path[1:])}: {message}"


def _lacks_type(given: Given, problem: Problem) -> bool:
    """Whether a problem is that a payload has no content type."""
    match problem.path:
        case (*_, int(number), "content-type"):
            return "content-type" not in _payload(given.payload[number])
        case _:
            return False


def _where(given: Given, key: str | int = "", *rest: str | int) -> str:
    """The option that a problem is about, as it was typed if known."""
    if key == "payload" and rest:
        number, *inside = rest
        if inside[:1] == ["headers"]:
            return f"--header {inside[1]!r}" if inside[1:] else "--header"
        return f"--payload {given.payload[int(number)]!r}"
    option = PAIRS.get(str(key), str(key))
    typed_here = getattr(given, option, ())
    texts = (typed_here or "",) if option in FOLDERS else typed_here
    name = str(rest[0]) if rest else ""
    typed = next((each for each in texts if each.partition("=")[0] == name or not rest), name)
    return f"--{option} {shown(typed)!r}"
