"""`buildkit uri TARGET`: one published image of this project, from its ledger.

If several images match, the question must say more. Part of a version, `1.7`, is enough if only
one version begins so; the newest of several must be asked for.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import click

from buildkit.ledger import ledger
from buildkit.model import hosts
from buildkit.prebuilt import naming
from buildkit.support.errors import NothingSelectedError, UsageError
from buildkit.support.suggest import listed, no_version, nothing
from buildkit.system import console
from buildkit.uri.asked import or_the_newest
from buildkit.uri.published import places, purposes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from buildkit.uri.asked import Asked
    from buildkit.uri.published import Place

    Condition = tuple[str, str | None, Callable[[Place], Sequence[str]]]


def answer(asked: Asked) -> None:
    book = ledger.file_beside(asked.file, allow_outside=asked.allow_outside)
    place, older = _found(asked, book)
    image = place.image
    where = "" if asked.region is None else f" in {asked.region}"
    if asked.latest:
        others = f"; {listed('older', older)}" if older else ""
        console.say(f"the newest match{where} is {image.version}{others}")
    elif asked.version not in (None, image.version):
        console.say(f"{asked.version} is {image.version}{where}")
    if asked.verify:
        from buildkit.uri import served  # noqa: PLC0415 - it loads what talks to AWS

        served.digest(asked, place.host, image.repository, image.tag, image.digest)
    if asked.as_json:
        click.echo(json.dumps(_document(place, verified=asked.verify), indent=2))
    else:
        click.echo(place.digest_uri if asked.digest or asked.verify else place.uri)


def _found(asked: Asked, book: str) -> tuple[Place, Sequence[str]]:
    """As `find`, in few of the records of a long ledger: those that mention name and version.

    An error lists what all of them have.
    """
    words = [*re.split(r"[*?]|\[.*\]", asked.target or ""), asked.version or ""]
    with suppress(NothingSelectedError, UsageError):
        return find(places(ledger.read_file(book, words)), asked, book)
    return find(places(ledger.read_file(book)), asked, book)


def find(known: Sequence[Place], asked: Asked, book: str) -> tuple[Place, Sequence[str]]:
    """The image that matches, in the first registry that does, and the older versions that match.

    `book` is the path of the ledger. Raises NothingSelectedError with similar names if none
    matches, UsageError if several do.
    """
    name = asked.target or ""
    named = _by_name(known, name, book)
    fits = _without_spare(_by_rest(_by_version(named, asked), asked), asked.purpose)
    _refuse_several(fits, latest=asked.latest)
    versions = naming.newest_first(each.image.version for each in fits)
    if len(versions) > 1 and not asked.latest:
        raise UsageError(
            f"`{name}` is published in {len(versions)} versions"
            + (f" that begin with {asked.version}" if asked.version else "")
            + ": choose one",
            hint=f"{listed('--version', versions)}; `--latest` chooses the newest",
        )
    newest = _newest(fits, asked.version) if len(versions) > 1 else versions[0]
    return _last(fits, newest), [each for each in versions if each != newest]


def _by_name(known: Sequence[Place], name: str, book: str) -> Sequence[Place]:
    if not known:
        raise NothingSelectedError(
            f"no published images: {book} is missing or empty",
            hint="name images.toml with `--file`, publish with `buildkit build --all --push`, or "
            "use `--prebuilt` for AWS's own images",
        )
    word = name.lower()  # as names are; ids may have capitals, in their versions
    fits = [each for each in known if each.image.name == word]
    fits = fits or [each for each in known if fnmatchcase(each.image.target, name)]
    fits = fits or [each for each in known if fnmatchcase(each.image.target.lower(), word)]
    if not fits:
        names = sorted({each.image.name for each in known})
        message = f"`{name}` is not published: {book} has no image or target with that name"
        error = nothing(message, name, _ids(known) if "-" in name else names)
        raise NothingSelectedError(
            message, hint=f"{error.hint}; for AWS's own images, add `--prebuilt`"
        )
    return fits


def _by_version(fits: Sequence[Place], asked: Asked) -> Sequence[Place]:
    version = asked.version
    if version is None:
        return fits
    exact = [each for each in fits if each.image.version == version]
    found = exact or [each for each in fits if naming.begins(each.image.version, version)]
    if not found:
        raise _unpublished(fits, asked, version)
    return found


def _unpublished(fits: Sequence[Place], asked: Asked, version: str) -> NothingSelectedError:
    """The error with the versions that match the rest of the question, or with all."""
    with suppress(NothingSelectedError):
        fits = _by_rest(fits, asked)
    versions = naming.newest_first(each.image.version for each in fits)
    message = f"`{asked.target}` {version} is not published"
    return or_the_newest(no_version(message, version, versions))


def _by_rest(fits: Sequence[Place], asked: Asked) -> Sequence[Place]:
    """Those that match the rest of the question. Raises NothingSelectedError."""
    python = None if asked.python is None else _dotted(asked.python)
    conditions: tuple[Condition, ...] = (
        ("device", asked.device, lambda each: (each.image.device,)),
        ("Python", python, lambda each: (each.image.python,)),
        ("purpose", asked.purpose, lambda each: (each.image.purpose, *purposes(each.image))),
        ("account", asked.account, lambda each: (each.account or each.host,)),
        ("region", asked.region, lambda each: (each.region or each.host,)),
    )
    for what, value, of in conditions:
        if value is not None:
            found = [each for each in fits if value in of(each)]
            if not found:
                message = f"`{asked.target}` is not published for the {what} `{value}`"
                if what == "account" and value.isdigit() and len(value) != hosts.ACCOUNT_DIGITS:
                    message += f", which has {len(value)} digits and not {hosts.ACCOUNT_DIGITS}"
                there = dict.fromkeys(word for each in fits for word in of(each))
                raise nothing(
                    message, value, naming.newest_first(there) if what == "Python" else there
                )
            fits = found
    return fits


def _dotted(python: str) -> str:
    """`3.11`, as in images.toml, for `py311` and `py3.11`."""
    word = naming.python_word(python)
    return f"{word[2:3]}.{word[3:]}" if word[2:].isdigit() else python


def _without_spare(fits: Sequence[Place], purpose: str | None) -> Sequence[Place]:
    """If images for `training` and for `both` match `--purpose training`, choose the former."""
    made = {_but_for_purpose(each) for each in fits if each.image.purpose == purpose}
    return [
        each for each in fits if each.image.purpose == purpose or _but_for_purpose(each) not in made
    ]


def _but_for_purpose(place: Place) -> tuple[str, ...]:
    image = place.image
    return image.name, image.version, image.device, image.python


def _refuse_several(fits: Sequence[Place], *, latest: bool) -> None:
    """Raise UsageError if the places differ in more than version and registry.

    The hint has all options that the question lacks, or TARGET alone: the others depend on it.
    """
    words = {
        "TARGET": sorted({each.image.name for each in fits}),
        "--device": sorted({each.image.device for each in fits}),
        "--python": naming.newest_first(each.image.python for each in fits),
        "--purpose": sorted({each.image.purpose for each in fits}),
    }
    lacking = {option: values for option, values in words.items() if len(values) > 1}
    if not lacking:
        return
    versions = naming.newest_first(each.image.version for each in fits)
    if "TARGET" in lacking:
        lacking = {"TARGET": words["TARGET"]}
    elif len(versions) > 1 and not latest:
        lacking["--version"] = versions
    ids = _ids(fits)
    raise UsageError(
        f"{len(ids)} targets match: {listed('choose one of', ids)}",
        hint="; ".join(listed(option, values) for option, values in lacking.items()),
    )


def _ids(places: Sequence[Place]) -> Sequence[str]:
    """The ids of targets, by name, and the newest versions first."""
    versions = naming.newest_first(each.image.version for each in places)
    rank = {version: number for number, version in enumerate(versions)}
    images = {each.image.target: each.image for each in places}
    return sorted(images, key=lambda id_: (images[id_].name, rank[images[id_].version], id_))


def _newest(fits: Sequence[Place], part: str | None) -> str:
    from buildkit.model import versions  # noqa: PLC0415 - takes long to load, is rarely needed

    by_tag = {each.image.tag: each.image.version for each in fits}
    newest = versions.newest([versions.candidate(tag, version) for tag, version in by_tag.items()])
    if newest is None:
        found = f"the newest of the versions {part}" if part else "the newest version"
        raise UsageError(
            f"{found} is unclear: not all have the same form",
            hint=listed("--version", tuple(by_tag.values())),
        )
    return by_tag[newest.tag]


def _last(fits: Sequence[Place], version: str) -> Place:
    """The last place where this version was published, in the first registry."""
    found = [each for each in fits if each.image.version == version]
    return next(each for each in found if each.record == found[-1].record)


def _document(place: Place, *, verified: bool) -> dict[str, Any]:
    image = place.image
    return {
        "id": image.target,
        "uri": place.uri,
        "digest": image.digest,
        "digest_uri": place.digest_uri,
        "verified": verified,
        "host": place.host,
        "account": place.account,
        "region": place.region,
        "repository": image.repository,
        "tag": image.tag,
        "name": image.name,
        "version": image.version,
        "device": image.device,
        "python": image.python,
        "purpose": image.purpose,
        "record": place.record,
    }
