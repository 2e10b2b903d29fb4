"""A question for a published image -> its place, by the ledger alone. Pure.

If several images match, the question must say more. Part of a version, `1.7`, is enough if only
one version begins so; the newest of several must be asked for.
"""

from __future__ import annotations

from contextlib import suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from buildkit.ledger.record import Action
from buildkit.model.hosts import ECR_HOST
from buildkit.prebuilt import naming
from buildkit.prebuilt.naming import python_word
from buildkit.support.errors import NothingSelectedError, UsageError
from buildkit.support.suggest import listed, nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from buildkit.ledger.record import Image, Release

BOTH = ("training", "inference")
"""The purposes of an image for `both`."""


class Wanted(NamedTuple):
    """A question. `name` is the name of an image, the id of a target, or a pattern for ids."""

    name: str
    version: str | None = None
    device: str | None = None
    python: str | None = None
    purpose: str | None = None
    account: str | None = None
    region: str | None = None
    latest: bool = False


class Place(NamedTuple):
    """An image in one registry. `account` and `region` are those of ECR, None elsewhere."""

    image: Image
    record: str
    uri: str
    account: str | None
    region: str | None

    @property
    def host(self) -> str:
        return self.image.host_of(self.uri)

    @property
    def digest_uri(self) -> str:
        return self.image.digest_uri_at(self.host)


class Found(NamedTuple):
    """An answer. `others` are the older versions that match, if the newest was asked for."""

    place: Place
    others: tuple[str, ...] = ()


def places(releases: Iterable[Release], action: Action = Action.PUBLISH) -> tuple[Place, ...]:
    """All places of all images that were published, or copied, the oldest record first."""
    found = []
    for release in releases:
        for image in release.images if release.action is action else ():
            for uri in image.locations:
                host = ECR_HOST.fullmatch(uri.partition("/")[0].partition(":")[0])
                account, region = (host["account"], host["region"]) if host else (None, None)
                found.append(Place(image, release.id, uri, account, region))
    return tuple(found)


def find(known: Sequence[Place], wanted: Wanted, book: str = "the ledger") -> Found:
    """The image that matches, in the first registry that does.

    Raises NothingSelectedError with similar names if none matches, UsageError if several do.
    """
    named = _by_name(known, wanted.name, book)
    fits = _by_rest(_by_version(named, wanted), wanted)
    fits = _without_spare(fits, wanted.purpose)
    _refuse_several(fits)
    versions = naming.newest_first(each.image.version for each in fits)
    if len(versions) == 1:
        return Found(_last(fits, versions[0]))
    if not wanted.latest:
        raise UsageError(
            f"`{wanted.name}` is published in {len(versions)} versions"
            + (f" that begin with {wanted.version}" if wanted.version else "")
            + ": choose one",
            hint=f"{listed('--version', versions)}; `--latest` chooses the newest",
        )
    newest = _newest(fits, wanted.version)
    return Found(_last(fits, newest), tuple(each for each in versions if each != newest))


def _by_rest(fits: Sequence[Place], wanted: Wanted) -> Sequence[Place]:
    """Those that match the rest of the question. Raises NothingSelectedError."""
    python = None if wanted.python is None else _dotted(wanted.python)
    for what, value, of in (
        ("device", wanted.device, lambda each: (each.image.device,)),
        ("Python", python, lambda each: (each.image.python,)),
        ("purpose", wanted.purpose, lambda each: (each.image.purpose, *purposes(each.image))),
        ("account", wanted.account, lambda each: (each.account or each.host,)),
        ("region", wanted.region, lambda each: (each.region or each.host,)),
    ):
        if value is not None:
            fits = _narrow(fits, f"`{wanted.name}` is not published for the {what}", value, of)
    return fits


def _dotted(python: str) -> str:
    """`3.11`, as in images.toml, for `py311` and `py3.11`."""
    word = python_word(python)
    return f"{word[2:3]}.{word[3:]}" if word[2:].isdigit() else python


def _last(fits: Sequence[Place], version: str) -> Place:
    """The last place where this version was published, in the first registry."""
    found = [each for each in fits if each.image.version == version]
    return next(each for each in found if each.record == found[-1].record)


def purposes(image: Image) -> tuple[str, ...]:
    return BOTH if image.purpose == "both" else (image.purpose,)


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
        ids = sorted({each.image.target for each in known})
        message = f"`{name}` is not published: {book} has no image or target with that name"
        error = nothing(message, name, ids if "-" in name else names)
        raise NothingSelectedError(
            message, hint=f"{error.hint}; for AWS's own images, add `--prebuilt`"
        )
    return fits


def _by_version(fits: Sequence[Place], wanted: Wanted) -> Sequence[Place]:
    version = wanted.version
    if version is None:
        return fits
    exact = [each for each in fits if each.image.version == version]
    found = exact or [each for each in fits if naming.begins(each.image.version, version)]
    if not found:
        raise _no_version(fits, wanted, version)
    return found


def _no_version(fits: Sequence[Place], wanted: Wanted, version: str) -> NothingSelectedError:
    """The error with the versions that match the rest of the question, or with all."""
    with suppress(NothingSelectedError):
        fits = _by_rest(fits, wanted)
    versions = naming.newest_first(each.image.version for each in fits)
    error = nothing(f"`{wanted.name}` {version} is not published", version, versions)
    hint = "`--latest` chooses the newest" if version == "latest" else error.hint
    return NothingSelectedError(error.message, hint=hint)


def _narrow(
    fits: Sequence[Place], message: str, value: str, of: Callable[[Place], Sequence[str]]
) -> Sequence[Place]:
    found = [each for each in fits if value in of(each)]
    if not found:
        known = dict.fromkeys(word for each in fits for word in of(each))
        raise nothing(f"{message} `{value}`", value, known)
    return found


def _without_spare(fits: Sequence[Place], purpose: str | None) -> Sequence[Place]:
    """If images for `training` and for `both` match `--purpose training`, choose the former."""
    made = {_but_for_purpose(each.image) for each in fits if each.image.purpose == purpose}
    return [
        each
        for each in fits
        if each.image.purpose == purpose or _but_for_purpose(each.image) not in made
    ]


def _but_for_purpose(image: Image) -> tuple[str, ...]:
    return image.name, image.version, image.device, image.python


def _refuse_several(fits: Sequence[Place]) -> None:
    """Raise UsageError if the places differ in more than version and registry."""
    for option, values in (
        ("TARGET", {each.image.name for each in fits}),
        ("--device", {each.image.device for each in fits}),
        ("--python", {each.image.python for each in fits}),
        ("--purpose", {each.image.purpose for each in fits}),
    ):
        if len(values) > 1:
            ids = sorted({each.image.target for each in fits})
            raise UsageError(
                f"{len(ids)} targets match: {listed('choose one of', ids)}",
                hint=listed(option, sorted(values)),
            )


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
