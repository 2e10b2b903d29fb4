"""The images that `buildkit uri` lists and completes: this project's and AWS's, in one shape."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from buildkit.prebuilt import facts, naming
from buildkit.prebuilt.naming import python_word
from buildkit.support.suggest import no_version, nothing
from buildkit.uri import published

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from buildkit.prebuilt.facts import Entry
    from buildkit.uri.asked import Asked
    from buildkit.uri.published import Place

    Condition = tuple[str, str | None, Callable[["Row"], Iterable[str]], Callable[[str, str], bool]]

ANY = "any"
NUMBERED = ("has version", "has Python")
"""Conditions on numbers: an error lists the newest first."""
OWN, AWS = "own", "aws"


class Row(NamedTuple):
    """An image: of this project in one registry, of AWS in all of its `regions`.

    `names` are the ways to say the version, the full one first. `device` and `python` are None for
    any, `tag` is None for an image without one, `uri` for one of AWS without a region in the
    question.
    """

    whose: str
    id: str | None
    framework: str
    version: str | None
    names: tuple[str, ...]
    purposes: tuple[str, ...]
    device: str | None
    python: str | None
    base_frameworks: tuple[str, ...]
    repository: str
    tag: str | None
    regions: tuple[str, ...]
    uri: str | None


def own(places: Iterable[Place]) -> Iterator[Row]:
    """Each image once in each registry, even if several records name it."""
    for place in {each.uri: each for each in places}.values():
        image = place.image
        yield Row(
            whose=OWN,
            id=image.target,
            framework=image.name,
            version=image.version,
            names=(image.version,),
            purposes=published.purposes(image),
            device=image.device,
            python=image.python,
            base_frameworks=(),
            repository=image.repository,
            tag=image.tag,
            regions=() if place.region is None else (place.region,),
            uri=place.uri,
        )


def prebuilt(region: str | None = None) -> Iterator[Row]:
    """Each image once, with all of its purposes, in the order of the data."""
    purposes: dict[Entry, list[str]] = {}
    for framework in facts.frameworks():
        for entry in facts.entries(framework):
            purposes.setdefault(entry._replace(purpose=""), []).append(entry.purpose)
    for entry, of in purposes.items():
        repository, tag = naming.named(entry)
        yield Row(
            whose=AWS,
            id=None,
            framework=entry.framework,
            version=entry.names[0] or None,
            names=tuple(filter(None, entry.names)),
            purposes=tuple(of),
            device=entry.device,
            python=entry.python,
            base_frameworks=entry.bases,
            repository=repository,
            tag=tag or None,
            regions=tuple(sorted(entry.regions)),
            uri=_uri(entry, region, repository, tag),
        )


def _uri(entry: Entry, region: str | None, repository: str, tag: str) -> str | None:
    if region is None or region not in entry.regions:
        return None
    there = facts.regions()[region]
    host = there.host(there.accounts[entry.family])
    return f"{host}/{repository}:{tag}" if tag else f"{host}/{repository}"


def narrow(rows: Sequence[Row], asked: Asked) -> Sequence[Row]:
    """The rows that match; `framework` may be a pattern.

    Raises NothingSelectedError with the values that exist.
    """
    python = asked.python and python_word(asked.python)
    conditions: tuple[Condition, ...] = (
        ("is called", *_called(rows, asked.framework), _is_like),
        ("has version", asked.version, _versions, naming.begins),
        ("is for the purpose", asked.purpose, _purposes, _is_for),
        ("is for the device", asked.device, lambda row: (row.device or ANY,), _runs_on),
        ("has Python", python, _pythons, lambda each, value: each in (value, ANY)),
        ("is in the region", asked.region, lambda row: row.regions, str.__eq__),
    )
    for what, value, of, fits in conditions:
        if value is not None:
            found = [row for row in rows if any(fits(each, value) for each in of(row))]
            if not found:
                known = dict.fromkeys(each for row in rows for each in of(row))
                raise (no_version if of is _versions else nothing)(
                    f"no image {what} `{value}`",
                    value,
                    naming.newest_first(known) if what in NUMBERED else known,
                )
            rows = found
    return rows


def _called(
    rows: Sequence[Row], name: str | None
) -> tuple[str | None, Callable[[Row], Iterable[str]]]:
    """A framework, also by its other names; a repository where the pattern matches no framework."""
    if name is None or any(_is_like(row.framework, name) for row in rows):
        return name, lambda row: (row.framework,)
    if any(_is_like(row.repository, name) for row in rows):
        return name, lambda row: (row.repository,)
    return naming.framework(name), lambda row: (row.framework,)


def _is_like(each: str, pattern: str) -> bool:
    return fnmatchcase(each.lower(), pattern.lower())


def _versions(row: Row) -> tuple[str, ...]:
    return row.names


def _pythons(row: Row) -> tuple[str, ...]:
    return (ANY if row.python is None else python_word(row.python),)


def _purposes(row: Row) -> tuple[str, ...]:
    """An image of this project for `both` also matches `both` itself."""
    return (*row.purposes, "both") if row.purposes == published.BOTH else row.purposes


def _is_for(each: str, value: str) -> bool:
    return each == value or (each == facts.ANY and value in facts.purposes())


def _runs_on(each: str, value: str) -> bool:
    return each == value or (each == ANY and value in ("cpu", "gpu"))
