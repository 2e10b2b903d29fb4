"""images.toml -> Config. Nothing is executed; every problem is reported at once, with its line."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildkit.config import boundary, elsewhere, schema, substitution, toml, validation, values
from buildkit.config.problems import Problem
from buildkit.support.errors import ConfigError
from buildkit.support.suggest import shown
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from buildkit.config.boundary import Boundary

    Samples = Mapping[str, schema.SamplesTable]
    Images = tuple[tuple[str, schema.Image], ...]

RULES = ("include", "exclude", "override")
ANY_VERSION = "0.0.0"


@dataclass(frozen=True, kw_only=True)
class Config:
    """images.toml, read and typed. Relative paths in it start at `folder`.

    `region` is the AWS region of the file, else that of the environment, if it is used.
    `problems` are those found while reading: `matrix` adds its own and raises all of them.
    `document` is the file as it is toml. `unversioned` are images without valid `versions`,
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
    images: Images
    unversioned: Images
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
            hint="start a project with `buildkit init`, or name the file with `--file`",
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
    document = toml.load(text, path.name)
    known = list(schema.FILE)
    problems = [validation.unknown_key((key,), known) for key in document if key not in known]
    named = _named_samples(document.get("samples", {}), problems)

    def part(name: str) -> Any:
        kind = schema.FILE[name]
        found = validation.validated(kind, document.get(name, {}), (name,), problems, named)
        return validation.validated(kind, {}, (name,), []) if found is None else found

    validation.validated(schema.FILE["format"], document.get("format", 1), ("format",), problems)
    defaults, registry, substitutes = part("defaults"), part("registry"), part("substitutes")
    tables = document.get("image", {})
    if not isinstance(tables, dict) or not tables:
        if all(problem.meant != ("image",) for problem in problems):
            problems.append(Problem(path=("image",), message="no image: write `[image.<name>]`"))
        tables = {}
    images, unversioned = _images(tables, named, problems)
    problems += _bad_substitutes(substitutes)
    if tables and not any("samples" in problem.path for problem in problems):
        problems += _unused_samples(document)
    return Config(
        path=path,
        text=text,
        document=document,
        boundary=limits or boundary.around(path.parent),
        defaults=defaults,
        registry=registry,
        region=registry.region or region,
        substitutes=tuple(substitutes.items()),
        images=images,
        unversioned=unversioned,
        problems=tuple(map(elsewhere.named, problems)),
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


def _named_samples(tables: object, problems: list[Problem]) -> Samples:
    """Each `[samples.<name>]`, with what is left of it without its wrong keys."""
    if not isinstance(tables, dict):
        validation.validated(schema.FILE["samples"], tables, ("samples",), problems)
        return {}
    found = {}
    for name, table in tables.items():
        at, typed, own = ("samples", name), None, table
        if validation.validated(schema.SamplesName, name, at, problems) is not None:
            if isinstance(table, dict) and "use" in table:
                message = "named samples cannot use others"
                problems.append(Problem(path=(*at, "use"), message=message))
                own = {key: value for key, value in table.items() if key != "use"}
            typed = validation.validated(schema.SamplesTable, own, at, problems)
        found[name] = typed or schema.SamplesTable()
    return found


def _unused_samples(document: dict[str, Any]) -> Iterator[Problem]:
    """Named samples that nothing uses: a forgotten table, or a forgotten line of an image."""
    own = [table.get("samples") for _, table in toml.facts(document)]
    used = [each.get("use") if isinstance(each, dict) else each for each in own]
    for name, _ in toml.items(document.get("samples")):
        if name not in used:
            message = f'no image uses these samples; write `samples = "{name}"`, or remove them'
            yield Problem(path=("samples", name), message=message)


def _images(
    tables: dict[str, object], named: Samples, problems: list[Problem]
) -> tuple[Images, Images]:
    """Each image, typed; then those without valid `versions`."""
    images, unversioned = [], []
    for name, table in tables.items():
        validation.validated(values.Name, name, ("image", name), problems)
        image = validation.validated(schema.Image, table, ("image", name), problems, named)
        if image is not None:
            images.append((name, image))
        elif (rest := _unversioned(table, named)) is not None:
            unversioned.append((name, rest))
    return tuple(images), tuple(unversioned)


def _unversioned(table: object, named: Samples) -> schema.Image | None:
    """An image with a version that stands for its unusable `versions`, and without its rules."""
    if not isinstance(table, dict):
        return None
    rest = {key: value for key, value in table.items() if key not in ("versions", *RULES)}
    rest["versions"] = [ANY_VERSION]
    image: schema.Image | None = validation.validated(schema.Image, rest, (), [], named)
    return image


def _bad_substitutes(substitutes: dict[str, str]) -> Iterator[Problem]:
    for source, replacement in substitutes.items():
        try:
            substitution.check(source, replacement)
        except ValueError as error:
            yield Problem(path=("substitutes", source), message=str(error))
