"""`buildkit uri --explain URI`: whose image, which one, and which are newer."""

from __future__ import annotations

import json
import re
from functools import cmp_to_key
from typing import TYPE_CHECKING, Any

import click

from buildkit.amis import fit
from buildkit.amis.facts import ENDPOINT, TRANSFORM, of_reference
from buildkit.model import versions
from buildkit.prebuilt import facts, reverse
from buildkit.prebuilt.naming import begins, full_version
from buildkit.support import tables
from buildkit.support.errors import BuildkitError
from buildkit.system import console
from buildkit.uri import explain_notes, guess, published
from buildkit.uri.guess import Facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from buildkit.ledger.record import Release
    from buildkit.prebuilt.facts import Entry
    from buildkit.prebuilt.reverse import Known, Parts
    from buildkit.uri.asked import Asked
    from buildkit.uri.published import Place

OWN, AWS, UNKNOWN = "own", "aws", "unknown"
FOR_A_PYTHON = re.compile(r"-py[0-9]+$")
"""The end of `1.4-2-py312`: version 1.4-2, for another Python."""

LABELS = {
    "whose": "owner",
    "tag_goes_on": "tag suffix",
    "cuda": "CUDA",
    "inference_ami": fit.OPTIONS[ENDPOINT],
    "transform_ami": fit.OPTIONS[TRANSFORM],
    "cuda_compat_on": "cuda-compat on",
}
"""Words for keys of the JSON; for other keys, the key itself."""


def answer(asked: Asked) -> None:
    assert asked.explain is not None
    parts = reverse.parse(asked.explain)
    whose, found, notes = _found(_releases(asked, parts), parts)
    document: dict[str, Any] = {
        "uri": parts.uri,
        "whose": whose,
        "host": parts.host,
        "account": parts.account,
        "accounts": reverse.families(parts),
        "region": parts.region,
        "partition": reverse.partition(parts),
        "repository": parts.repository,
        "tag": parts.tag,
        "digest": parts.digest,
        **found,
        **_hosts(parts, found, compat=whose == AWS),
        "notes": notes,
    }
    if asked.as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo("\n".join(_lines(document)))


def _found(
    releases: Sequence[Release] | None, parts: Parts
) -> tuple[str, Mapping[str, Any], Sequence[str]]:
    """Whose image it is, the facts, and the notes."""
    own = published.about(releases or (), parts)
    if own is not None:
        if own.place is None:
            return OWN, _guessed(parts, ())._asdict(), own.notes
        return OWN, _own(own.place, own.newer_of), own.notes
    if not reverse.is_of_aws(parts):  # a name like one of AWS's proves nothing
        guessed = _guessed(parts, ()) if parts.account else Facts()
        return (
            UNKNOWN,
            guessed._asdict(),
            [*explain_notes.on_others(parts, is_read=releases is not None)],
        )
    inside = parts._replace(repository=reverse.gallery_name(parts) or parts.repository)
    entries = reverse.images(parts)
    known = tuple(each for each in reverse.known(inside) if each.entry in entries)
    guessed = _guessed(parts, entries) if entries or parts.account else Facts()
    found = _known(known, inside) if known else guessed
    return AWS, found._asdict(), [*explain_notes.on_aws(parts, known, entries)]


def _hosts(parts: Parts, found: Mapping[str, Any], *, compat: bool) -> Mapping[str, Any]:
    """The hosts that an image for GPUs fits, if its tag or its base shows its CUDA version.

    `compat`: it has cuda-compat, as AWS's images do; of others, nothing shows that.
    """
    names = (parts.tag or "", found["base_framework"] or "")
    cuda = next(filter(None, map(of_reference, names)), None)
    serves = not found["purposes"] or "inference" in found["purposes"]
    needs = fit.Needs(cuda, compat=compat) if cuda and serves else None
    return {"cuda": cuda and str(cuda), **fit.document(needs)}


def _releases(asked: Asked, parts: Parts) -> tuple[Release, ...] | None:
    """The records about a repository; None, with a warning, for a broken ledger."""
    try:
        return published.releases(asked, parts.repository)
    except BuildkitError as error:
        console.say(f"warning: this project's images are ignored: {error.message}", fg="yellow")
        return None


def _own(place: Place, places: Iterable[Place]) -> dict[str, Any]:
    image = place.image
    found = Facts(
        framework=image.name,
        version=image.version,
        purposes=published.purposes(image),
        devices=[image.device],
        pythons=[image.python],
        base_framework=None if image.origin is None else image.origin.base,
        newer=_newer(image.version, (each.image.version for each in places)),
    )
    record = {"target": image.target, "record": place.record, "published_digest": image.digest}
    return found._asdict() | record


def _known(known: tuple[Known, ...], parts: Parts) -> Facts:
    first = known[0].entry
    version = full_version(first, known[0].version)
    purposes = dict.fromkeys(each.entry.purpose for each in known)
    devices = dict.fromkeys(each.entry.device for each in known)
    pythons = dict.fromkeys(each.entry.python for each in known)
    others = [
        entry
        for entry in facts.entries(first.framework)
        if entry.purpose in purposes and any(_succeeds(entry.device, each) for each in devices)
    ]
    return Facts(
        framework=first.framework,
        version=version or None,
        purposes=[*purposes],
        devices=[*filter(None, devices)],
        pythons=[*filter(None, pythons)],
        base_framework=next(iter(first.bases), None),
        tag_goes_on=known[0].rest,
        newer=_newer_of_aws(version, others, parts.region),
    )


def _succeeds(device: str | None, of: str | None) -> bool:
    """Whether an image for a device may follow one for another; images for None run on both."""
    return device == of or (None in {device, of} and {device, of} <= {None, "cpu", "gpu"})


def _guessed(parts: Parts, entries: tuple[Entry, ...]) -> Facts:
    """From the words of an unknown tag, the way AWS composes tags."""
    found = guess.image(parts.tag, entries)
    if found.framework is None or found.version is None:
        return found
    return found._replace(newer=_newer_of_aws(found.version, entries, parts.region))


def _newer_of_aws(version: str, others: Iterable[Entry], region: str | None) -> list[str]:
    """The newer versions of AWS's images in the region of a URI, or in any without one.

    A number without a dot is newer than no version: it is a tag for all versions that begin with
    it (`2` of vLLM), or counts the revisions of an algorithm (`1` of XGBoost). In the same way, a
    version that no image has in full, `2.5`, may be any that begins with it.
    """
    entries = tuple(others)
    full = "." in version and any(version == each.names[0] for each in entries)
    names = (each.names[0] for each in entries if region is None or region in each.regions)
    return _newer(
        version,
        (
            name
            for name in names
            if (full or not begins(name, version)) and ("." in name or "." not in version)
        ),
    )


def _newer(version: str, others: Iterable[str]) -> list[str]:
    """The newer versions, the newest last; without those that have no order, such as `latest`."""
    found = [other for other in dict.fromkeys(others) if _compared(other, version) > 0]
    return sorted(found, key=cmp_to_key(_compared))


def _compared(one: str, other: str) -> int:
    one, other = (FOR_A_PYTHON.sub("", each) for each in (one, other))
    if one == other:
        return 0
    first, second = (versions.candidate(text, text) for text in (one, other))
    newest = versions.newest([first, second])
    return 0 if newest is None else 1 if newest is first else -1


def _lines(document: dict[str, Any]) -> list[str]:
    rows = []
    for key, value in document.items():
        if key not in ("uri", "notes", "hosts") and value:
            text = value if isinstance(value, str) else ", ".join(value)
            rows.append((LABELS.get(key, key.replace("_", " ")), text))
    return [*tables.aligned(rows), *document["notes"]]
