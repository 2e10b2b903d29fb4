"""images.toml -> Config. Nothing is executed; every problem is reported at once, with its line."""

from __future__ import annotations

import difflib
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import tomli
from pydantic import BaseModel, TypeAdapter, ValidationError

from buildkit import bases, locate, manual, schema
from buildkit.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MOST = 50
"""Problems that are shown with their line; to find a thousand lines takes a minute."""
PARTS = {name: field.annotation for name, field in schema.File.model_fields.items()}


@dataclass(frozen=True, kw_only=True)
class Config:
    """images.toml, read and typed. Relative paths in it start at `folder`.

    `region` is the AWS region that the file says, else that of the environment if it may count.
    `problems` are those found while reading: `matrix` adds its own and raises them together.
    """

    path: Path
    text: str
    defaults: schema.Axes
    registry: schema.Registry
    region: str | None
    substitutes: tuple[tuple[str, str], ...]
    images: tuple[tuple[str, schema.Image], ...]
    problems: tuple[Problem, ...]

    @property
    def folder(self) -> Path:
        return self.path.parent


def read(path: Path, *, alone: bool = False) -> Config:
    """Read images.toml; `alone`, the environment has no say in what its images are.

    Raises ConfigError if it cannot be read or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows editors begin with a mark
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path} does not exist",
            hint=f"name another file with `--file`, or write one: {manual.page('images-toml')}",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    around = None if alone else os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return parse(text, path.absolute(), around)


def parse(text: str, path: Path, region: str | None = None) -> Config:
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise ConfigError(
            f"{path.name}:{error.lineno}: not TOML: {error.msg} (column {error.colno})",
            hint="strings need quotes, tables `[...]`; https://toml.io shows the grammar",
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path.name}: not TOML that can be read: {error}", hint="is it nested too deep?"
        ) from error
    problems = [*_unknown(document)]
    parts: dict[str, Any] = {}
    for name, annotation in PARTS.items():
        if name != "image":
            default = schema.File.model_fields[name].default
            part = _validate(annotation, document.get(name, default), (name,), problems)
            parts[name] = default if part is None else part
    images = document.get("image", {})
    if not isinstance(images, dict) or not images:
        problems.append(Problem(path=("image",), message="no image: write `[image.<name>]`"))
        images = {}
    typed = [(name, _image(name, table, problems)) for name, table in images.items()]
    problems += _bad_substitutes(parts["substitutes"])
    return Config(
        path=path,
        text=text,
        defaults=parts["defaults"],
        registry=parts["registry"],
        region=parts["registry"].region or region,
        substitutes=tuple(parts["substitutes"].items()),
        images=tuple((name, image) for name, image in typed if image is not None),
        problems=tuple(problems),
    )


def fail(config: Config, problems: Iterable[Problem]) -> None:
    """Raise ConfigError with one line per problem, in the order of the file; none: return."""
    told = _by_cause(problems)
    found: dict[tuple[int, str], str] = {}  # one line for the same words about the same line
    for problem, others in told[:MOST]:
        line = locate.line_of(config.text, problem.path) or 1
        where = ".".join(str(key) for key in problem.path)
        also = f" (and {others} more target{'s' if others > 1 else ''})" if others else ""
        found.setdefault(
            (line, problem.message), f"{config.path.name}:{line}: {where}: {problem.message}{also}"
        )
    if found:
        more = max(0, len(told) - MOST)
        count = len(found) + more
        lines = [text for _, text in sorted(found.items())]
        raise ConfigError(
            f"{count} problem{'s' if count > 1 else ''} in {config.path.name}",
            details="\n".join([*lines, *([f"... and {more} more"] if more else [])]),
            hint=f"edit {config.path.name}, then `buildkit list`; each key: "
            f"{manual.page('images-toml')}",
        )


def _by_cause(problems: Iterable[Problem]) -> list[tuple[Problem, int]]:
    """The first problem of each cause, and how many more there are of it."""
    found: dict[object, list[Problem]] = {}
    for problem in problems:
        found.setdefault(problem.cause or problem, []).append(problem)
    return [(first, len(others)) for first, *others in found.values()]


def _image(name: str, table: object, problems: list[Problem]) -> schema.Image | None:
    _validate(schema.Name, name, ("image", name), problems)
    image = _validate(schema.Image, table, ("image", name), problems)
    return image if isinstance(image, schema.Image) else None


def _validate(
    annotation: Any, value: object, at: tuple[str, ...], problems: list[Problem]
) -> object | None:
    """The typed value; None if even what is left without its wrong keys is none.

    What is left is used to look for further problems, never to build.
    """
    adapter: TypeAdapter[object] = TypeAdapter(annotation)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        wrong = [
            details
            for details in error.errors(include_url=False)
            # A list whose values are all wrong is not also too short.
            if not (details["type"] == "too_short" and details["input"])
        ]
    problems += [
        Problem(
            path=(*at, *_written(value, details["loc"])), message=_sentence(annotation, details)
        )
        for details in wrong
    ]
    if isinstance(value, dict):
        names = {details["loc"][0] for details in wrong if details["loc"]}
        with suppress(ValidationError):
            return adapter.validate_python({k: v for k, v in value.items() if k not in names})
    return None


def _written(value: Any, loc: tuple[str | int, ...]) -> Iterator[str | int]:
    """Where that is in the file: some shapes of the schema are not spelt out there."""
    for number, key in enumerate(loc, 1):
        inside = isinstance(key, int) if isinstance(value, list) else (
            isinstance(value, dict) and (key in value or number == len(loc))
        )  # fmt: skip
        if inside:
            yield key
            value = value.get(key) if isinstance(value, dict) else value[key]


def _sentence(model: Any, error: Any) -> str:  # noqa: PLR0911 - one per kind
    """Say in our words what pydantic found."""
    match error["type"]:
        case "missing":
            return "this key is missing"
        case "extra_forbidden":
            return _nearest(str(error["loc"][-1]), _keys(model, error["loc"][:-1]))
        case "enum" | "literal_error":
            return f"{error['input']!r} is not one of {error['ctx']['expected']}".replace("'", "`")
        case "value_error":
            return str(error["ctx"]["error"])
        case "string_type":
            return f"a string is wanted, not {error['input']!r}; put it in quotes"
        case "model_type" | "dict_type":
            return f"a table `{{ … }}` is wanted, not {error['input']!r}"
        case "too_short":
            return "at least one value is wanted"
        case _:
            return f"{error['msg'][0].lower()}{error['msg'][1:]}, not {error['input']!r}"


def _unknown(document: dict[str, object]) -> Iterator[Problem]:
    for key in document:
        if key not in PARTS:
            yield Problem(path=(key,), message=_nearest(key, list(PARTS)))


def _nearest(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"unknown key; did you mean `{near[0]}`?" if near else (
        f"unknown key; known are {', '.join(f'`{name}`' for name in known)}"
    )  # fmt: skip


def _keys(annotation: Any, path: tuple[str | int, ...]) -> list[str]:
    """The keys that the table at `path` below a schema may have."""
    model = next((part for part in _flatten(annotation)), None)
    if model is None:
        return []
    for number, key in enumerate(path, 1):
        if field := model.model_fields.get(str(key).replace("-", "_")):
            return _keys(field.annotation, path[number:])
    return [field.alias or name for name, field in model.model_fields.items()]


def _flatten(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _flatten(part)


def _bad_substitutes(substitutes: dict[str, str]) -> Iterator[Problem]:
    for source, replacement in substitutes.items():
        try:
            bases.check(source, replacement)
        except ValueError as error:
            yield Problem(path=("substitutes", source), message=str(error))
