"""images.toml -> Config. Nothing is executed; every problem is reported at once, with its line."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from buildkit.config import boundary, schema, sentences, substitution, syntax, written
from buildkit.config.problems import Problem
from buildkit.support import manual
from buildkit.support.errors import ConfigError
from buildkit.support.suggest import shown
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from buildkit.config.boundary import Boundary

    Named = Mapping[str, schema.SamplesTable]

RULES = ("include", "exclude", "override")
ANY_VERSION = "0.0.0"
PARTS = {name: field.annotation for name, field in schema.File.model_fields.items()}


@dataclass(frozen=True, kw_only=True)
class Config:
    """images.toml, read and typed. Relative paths in it start at `folder`.

    `region` is the AWS region of the file, else that of the environment, if it is used.
    `problems` are those found while reading: `matrix` adds its own and raises all of them.
    `document` is the file as it is written. `unversioned` are images without valid `versions`,
    which are only checked for further problems.
    """

    path: Path
    text: str
    document: dict[str, Any]
    boundary: Boundary
    defaults: schema.Axes
    registry: schema.RegistryTable
    region: str | None
    substitutes: tuple[tuple[str, str], ...]
    images: tuple[tuple[str, schema.Image], ...]
    unversioned: tuple[tuple[str, schema.Image], ...]
    problems: tuple[Problem, ...]

    @property
    def folder(self) -> Path:
        return self.path.parent


def read(
    path: Path,
    *,
    use_environment: bool = True,
    allow_outside: bool = False,
    within: Boundary | None = None,
) -> Config:
    """Read images.toml. Raises ConfigError if the file cannot be read or is not TOML.

    Without `use_environment`, the AWS region of the environment is ignored. `within` is the
    boundary of the project, by default found from the folder of the file; `allow_outside` opens it.
    """
    path = path.absolute()
    limits = within or boundary.around(path.parent, open_=allow_outside)
    try:
        _check_encoding(path)
        limits.check(path, path.name)
        text = reading.text(path)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path} not found",
            hint=f"name the file with `--file`, or write one: {manual.page('images-toml')}",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{shown(str(path))} cannot be read: {error.strerror}",
            hint="fix its permissions, or name another file with `--file`",
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"{path} cannot be read: {error}",
            hint=f"{path.name} has to be UTF-8 text; `--file` names another file",
        ) from error
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return parse(text, path, region if use_environment else None, limits)


def parse(
    text: str, path: Path, region: str | None = None, limits: Boundary | None = None
) -> Config:
    document = syntax.load(text, path.name)
    problems = [*_unknown(document)]
    named = _named_samples(document.get("samples", {}), problems)
    parts: dict[str, Any] = {}
    for name, annotation in PARTS.items():
        if name not in ("image", "samples"):
            default = schema.File.model_fields[name].default
            part = _validate(annotation, document.get(name, default), (name,), problems, named)
            parts[name] = default if part is None else part
    images = document.get("image", {})
    if not isinstance(images, dict) or not images:
        if all(problem.meant != ("image",) for problem in problems):
            problems.append(Problem(path=("image",), message="no image: write `[image.<name>]`"))
        images = {}
    typed = [(name, _image(name, table, named, problems)) for name, table in images.items()]
    problems += _bad_substitutes(parts["substitutes"])
    if images and not any("samples" in problem.path for problem in problems):
        problems += _unused_samples(document)
    return Config(
        path=path,
        text=text,
        document=document,
        boundary=limits or boundary.around(path.parent),
        defaults=parts["defaults"],
        registry=parts["registry"],
        region=parts["registry"].region or region,
        substitutes=tuple(parts["substitutes"].items()),
        images=tuple((name, image) for name, image in typed if image is not None),
        unversioned=tuple(
            (name, rest)
            for name, image in typed
            if image is None and (rest := _unversioned(images[name], named)) is not None
        ),
        problems=tuple(problems),
    )


def _check_encoding(path: Path) -> None:
    """Raise ValueError for a path that other programs, which get it in UTF-8, would not find."""
    try:
        found = os.fsencode(path).decode() == str(path)
    except UnicodeError:
        found = False
    if not found:
        raise ValueError(
            f"its path is not UTF-8, or this Python reads paths as {sys.getfilesystemencoding()}; "
            "set PYTHONUTF8=1, or rename the folder"
        )


def samples(
    table: dict[str, object], at: tuple[str, ...], problems: list[Problem]
) -> schema.SamplesTable | None:
    """A table of samples, typed."""
    found = _validate(schema.SamplesTable, table, at, problems)
    return found if isinstance(found, schema.SamplesTable) else None


def _named_samples(tables: object, problems: list[Problem]) -> dict[str, schema.SamplesTable]:
    """Each `[samples.<name>]`, with what is left of it without its wrong keys."""
    if not isinstance(tables, dict):
        _validate(PARTS["samples"], tables, ("samples",), problems)
        return {}
    found = {}
    for name, table in tables.items():
        at, typed = ("samples", name), None
        if _validate(schema.SamplesName, name, at, problems) is not None:
            typed = samples(_without_use(table, at, problems), at, problems)
        found[name] = typed or schema.SamplesTable()
    return found


def _without_use(table: Any, at: tuple[str, ...], problems: list[Problem]) -> Any:
    """A table of named samples, without the key that only the samples of a cell may have."""
    if not isinstance(table, dict) or "use" not in table:
        return table
    problems.append(Problem(path=(*at, "use"), message="named samples cannot use others"))
    return {key: value for key, value in table.items() if key != "use"}


def _unused_samples(document: dict[str, Any]) -> Iterator[Problem]:
    """Named samples that nothing uses: a forgotten table, or a forgotten line of an image."""
    own = [table.get("samples") for _, table in written.facts(document)]
    used = [each.get("use") if isinstance(each, dict) else each for each in own]
    for name, _ in written.items(document.get("samples")):
        if name not in used:
            message = f'no image uses these samples; write `samples = "{name}"`, or remove them'
            yield Problem(path=("samples", name), message=message)


def _image(name: str, table: object, named: Named, problems: list[Problem]) -> schema.Image | None:
    _validate(schema.Name, name, ("image", name), problems)
    image = _validate(schema.Image, table, ("image", name), problems, named)
    return image if isinstance(image, schema.Image) else None


def _unversioned(table: object, named: Named) -> schema.Image | None:
    """An image with a version that stands for its unusable `versions`, and without its rules."""
    if not isinstance(table, dict):
        return None
    rest = {key: value for key, value in table.items() if key not in ("versions", *RULES)}
    image = _validate(schema.Image, {**rest, "versions": [ANY_VERSION]}, (), [], named)
    return image if isinstance(image, schema.Image) else None


def _validate(
    annotation: Any,
    value: object,
    at: tuple[str, ...],
    problems: list[Problem],
    named: Named = MappingProxyType({}),
) -> object | None:
    """The typed value without its wrong keys, or None if nothing valid is left.

    A value without its wrong keys serves to find further problems, never to build. `named` are the
    samples that the value may use.
    """
    adapter: TypeAdapter[object] = TypeAdapter(annotation)
    try:
        return adapter.validate_python(value, context=named)
    except ValidationError as error:
        wrong = [*_causes(error)]
    # Short forms are validated for each device: the same problem counts once.
    found = {_problem(annotation, details, value, at): details["type"] for details in wrong}
    meant = {problem.meant for problem in found}
    problems += (
        problem
        for problem, kind in found.items()
        if not (kind == "missing" and problem.path in meant)
    )
    if isinstance(value, dict):
        names = {details["loc"][0] for details in wrong if details["loc"]}
        rest = {key: value for key, value in value.items() if key not in names}
        with suppress(ValidationError):
            return adapter.validate_python(rest, context=named)
    return None


def _causes(error: ValidationError) -> Iterator[Any]:
    """The errors of pydantic, without those that follow from others."""
    every = error.errors(include_url=False)
    keys = [each["loc"][:-1] for each in every if each["loc"][-1:] == (sentences.KEY,)]
    for each in every:
        loc = each["loc"]
        # A list whose values are all wrong is not also too short.
        emptied = each["type"] == "too_short" and each["input"]
        below = loc[-1:] != (sentences.KEY,) and any(
            len(loc) > len(key) and loc[: len(key)] == key for key in keys
        )
        if not emptied and not below:
            yield each


def _problem(annotation: Any, details: Any, value: object, at: tuple[str, ...]) -> Problem:
    loc = tuple(key for key in details["loc"] if key != sentences.KEY)
    path = (*at, *_keys_of(value, loc))
    meant = sentences.meant(annotation, details)
    return Problem(
        path=path,
        message=sentences.sentence(annotation, details),
        known=sentences.known(annotation, details),
        meant=(*path[:-1], meant) if meant else (),
    )


def _keys_of(value: Any, loc: tuple[str | int, ...]) -> Iterator[str | int]:
    """The keys on the way to a value, as far as the file has them: the schema knows short forms."""
    for number, key in enumerate(loc, 1):
        inside = isinstance(key, int) if isinstance(value, list) else (
            isinstance(value, dict) and (key in value or number == len(loc))
        )  # fmt: skip
        if inside:
            yield key
            value = value.get(key) if isinstance(value, dict) else value[key]


def _unknown(document: dict[str, object]) -> Iterator[Problem]:
    for key in document:
        if key not in PARTS:
            message, others = sentences.unknown(key, list(PARTS))
            near = sentences.similar(key, list(PARTS))
            yield Problem(path=(key,), message=message, known=others, meant=(near,) if near else ())


def _bad_substitutes(substitutes: dict[str, str]) -> Iterator[Problem]:
    for source, replacement in substitutes.items():
        try:
            substitution.check(source, replacement)
        except ValueError as error:
            yield Problem(path=("substitutes", source), message=str(error))
