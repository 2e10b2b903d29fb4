"""Samples on the command line: what an image is tested with that no images.toml speaks of."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from buildkit.config import images_toml
from buildkit.config.boundary import Boundary
from buildkit.config.problems import Problem, Problems
from buildkit.matrix import paths
from buildkit.matrix.samples import of_table
from buildkit.model.target import Samples
from buildkit.support.errors import UsageError
from buildkit.support.suggest import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


AT = ("samples",)
TYPED = re.compile(r"(?P<file>.+?):\s*(?P<type>[\w.+-]+/[\w.+*-]+\s*(;.*)?)")
"""A file and its content type. A letter and a colon may begin a path, and no type."""
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
"""The content types of files that do not say their own."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """The options as they were typed."""

    channel: tuple[str, ...] = ()
    payload: tuple[str, ...] = ()
    hyperparameter: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    model: str | None = None

    def __bool__(self) -> bool:
        return self != Given()


def _many(name: str, metavar: str, text: str) -> Callable[[Any], Any]:
    help_ = f"{text} May be given several times."
    return click.option(f"--{name}", metavar=metavar, multiple=True, help=help_)


OPTIONS = (
    _many("channel", "NAME=PATH", "A folder or file for /opt/ml/input/data/NAME."),
    _many("payload", "FILE[:CONTENT-TYPE]", "The body of a request to POST /invocations."),
    _many("hyperparameter", "KEY=VALUE", "A hyperparameter of the training job."),
    _many("environment", "KEY=VALUE", "A variable of the job and of the model server."),
    _many("header", "'NAME: VALUE'", "A header of each request with a payload."),
    click.option(
        "--model",
        metavar="FOLDER",
        help="The files of /opt/ml/model, for an image that only serves.",
    ),
)


def options(command: Callable[..., int]) -> Callable[..., int]:
    """All options of samples, handed to a command as one value, `given`."""
    names = [each.name for each in fields(Given)]

    @wraps(command)
    def collected(**values: Any) -> int:
        given = Given(**{name: values.pop(name) for name in names})
        return command(given=given, **values)

    for option in reversed(OPTIONS):
        collected = option(collected)
    return collected


@dataclass(frozen=True, kw_only=True)
class _Here:
    """Paths on the command line begin in the current folder, and may lead anywhere."""

    folder: Path
    boundary: Boundary


def on_top(given: Given, lent: Samples, folder: Path) -> Samples:
    """What is given, and of `lent` the rest: names that are given replace those that are lent.

    Payloads come after those that are lent; headers go with each. Relative paths start at `folder`.
    Raises UsageError with all that images.toml would not take either.
    """
    problems = [*_bad(given)]
    here = _Here(folder=folder, boundary=Boundary(root=folder, open=True))
    table = images_toml.samples(_table(given), AT, problems)
    problems += _bad_paths(given, here)
    found = Problems(read=tuple(problems))
    new = Samples() if table is None else of_table(here, table, AT, found)
    _refuse(given, [*problems, *found.found])
    headers = dict(each for each in map(_header, given.header) if each)
    payloads = [
        replace(each, headers=tuple({**dict(each.headers), **headers}.items()))
        for each in (*lent.payloads, *new.payloads)
    ]
    if headers and not payloads:
        raise UsageError(
            "`--header` goes with a request, and there is no payload",
            hint="`--payload FILE:CONTENT-TYPE` is the body of one",
        )
    return replace(
        lent,
        hyperparameters=_over(lent.hyperparameters, new.hyperparameters),
        channels=_over(lent.channels, new.channels),
        environment=_over(lent.environment, new.environment),
        model=new.model or lent.model,
        payloads=tuple(payloads),
    )


def _over(
    lower: tuple[tuple[str, str], ...], upper: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    return tuple({**dict(lower), **dict(upper)}.items())


def _table(given: Given) -> dict[str, object]:
    """As `samples` of an image in images.toml."""
    headers = dict(each for each in map(_header, given.header) if each)
    return {
        "channels": dict(_pairs(given.channel)),
        "hyperparameters": dict(_pairs(given.hyperparameter)),
        "environment": dict(_pairs(given.environment)),
        "payload": [{**_payload(each), "headers": headers} for each in given.payload],
        **({} if given.model is None else {"model": given.model}),
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
    """The file and its content type; that of its ending where none is said."""
    if not Path(text).is_file():
        file, colon, type_ = text.rpartition(":")
        if typed := TYPED.fullmatch(text):
            return {"body": typed["file"], "content-type": typed["type"]}
        if colon and Path(file).is_file():  # it is meant for one
            return {"body": file, "content-type": type_}
    kind = TYPES.get(Path(text).suffix.lower())
    return {"body": text, **({} if kind is None else {"content-type": kind})}


def _bad(given: Given) -> Iterator[Problem]:
    """What is not even of the form of its option."""
    for option, texts in (
        ("channels", given.channel),
        ("hyperparameters", given.hyperparameter),
        ("environment", given.environment),
    ):
        names = [text.partition("=")[0] for text in texts]
        for number, (name, text) in enumerate(zip(names, texts, strict=True)):
            if "=" not in text:
                yield Problem(path=(*AT, option, text), message="no `=` between name and value")
            elif name in names[:number]:
                yield Problem(path=(*AT, option, name), message="it is given twice")
    for text in given.header:
        if _header(text) is None:
            yield Problem(path=(*AT, "header", text), message="no `:` between name and value")


def _bad_paths(given: Given, here: _Here) -> Iterator[Problem]:
    """What is wrong with the paths, as with those of images.toml."""
    written: list[tuple[tuple[str | int, ...], str, paths.Kind]] = [
        (("channels", name), path, paths.Kind.EITHER) for name, path in _pairs(given.channel)
    ]
    written += [
        (("payload", number, "body"), _payload(text)["body"], paths.Kind.FILE)
        for number, text in enumerate(given.payload)
    ]
    if given.model is not None:
        written.append((("model",), given.model, paths.Kind.FOLDER))
    for at, text, kind in written:
        for message in paths.fault(here, text, kind, paths.LARGEST_BODY):
            yield Problem(path=(*AT, *at), message=message)


def _refuse(given: Given, problems: Sequence[Problem]) -> None:
    lines = list(
        dict.fromkeys(f"{_where(given, *each.path[1:])}: {_what(each)}" for each in problems)
    )
    if lines:
        count = f"{len(lines)} problems" if len(lines) > 1 else "1 problem"
        raise UsageError(
            f"{count} with the samples on the command line",
            details="\n".join(lines),
            hint="`buildkit test --help` shows the form of each option",
        )


def _what(problem: Problem) -> str:
    if problem.path[-1:] == ("content-type",) and "missing" in problem.message:
        return "its ending does not tell its content type: write `FILE:CONTENT-TYPE`"
    return problem.message


def _where(given: Given, key: str | int = "", *rest: str | int) -> str:
    """The option that a problem is about, as it was typed if that is known."""
    if key == "payload" and rest:
        number, *inside = rest
        if inside[:1] == ["headers"]:
            return f"--header {inside[1]!r}" if inside[1:] else "--header"
        return f"--payload {given.payload[int(number)]!r}"
    options_of = {
        "channels": ("--channel", given.channel),
        "hyperparameters": ("--hyperparameter", given.hyperparameter),
        "environment": ("--environment", given.environment),
        "header": ("--header", given.header),
        "model": ("--model", (given.model or "",)),
    }
    option, texts = options_of.get(str(key), (f"--{key}", ()))
    name = str(rest[0]) if rest else ""
    typed = next((each for each in texts if each.partition("=")[0] == name or not rest), name)
    return f"{option} {shown(typed)!r}"
