"""`buildkit uri --explain URI`: whose image it is, which, and what is newer."""

from __future__ import annotations

import json
import re
from functools import cmp_to_key
from typing import TYPE_CHECKING, Any

import click

from buildkit import aliases, console, tables
from buildkit.errors import ToolError
from buildkit.hosts import has_registry
from buildkit.near import listed, near_names, near_to
from buildkit.prebuilt import facts, reverse
from buildkit.prebuilt.naming import full_version, named
from buildkit.releases import ledger, published
from buildkit.uri import ours

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from buildkit.prebuilt.facts import Entry, Region
    from buildkit.prebuilt.reverse import Known, Parts
    from buildkit.releases.published import Place
    from buildkit.releases.record import Release
    from buildkit.uri.asked import Asked

OWN, AWS, UNKNOWN = "own", "aws", "unknown"
PYTHON = re.compile(r"py[23][0-9]*")
DEVICES = ("cpu", "gpu", "neuron", "neuronx")


def answer(asked: Asked) -> None:
    assert asked.explain is not None
    parts = reverse.parse(asked.explain)
    own = ours.told(_releases(asked.file), parts)
    document: dict[str, Any] = {
        "uri": parts.uri,
        "whose": AWS if reverse.is_of_aws(parts) else UNKNOWN,
        "host": parts.host,
        "account": parts.account,
        "accounts": list(reverse.families(parts)),
        "region": parts.region,
        "partition": reverse.partition(parts),
        "repository": parts.repository,
        "tag": parts.tag,
        "digest": parts.digest,
    }
    if own is not None:
        about = _guessed(parts, ()) if own.place is None else _own(own.place, own.newer_of)
        document |= {"whose": OWN, **about, "notes": own.notes}
    elif reverse.is_of_aws(parts):
        inside = parts._replace(repository=reverse.gallery_name(parts) or parts.repository)
        known, entries = reverse.known(inside), reverse.of_repository(inside.repository)
        document |= _known(known, inside) if known else _guessed(inside, entries)
        document["notes"] = [*_notes_on_host(parts, known), *_notes_on_image(known, inside)]
    else:  # an image of others: a name that is like one of AWS's says nothing
        document |= _guessed(parts, ()) if parts.account else _untold()
        document["notes"] = list(_notes_on_host(parts, ()))
    if asked.as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo("\n".join(_lines(document)))


def _releases(file: str) -> tuple[Release, ...]:
    """What the ledger has. One that is broken is told, and AWS's images are known without it."""
    try:
        return ledger.read_file(ledger.file_beside(file))
    except ToolError as error:
        console.say(f"warning: own images are not known: {error.message}", fg="yellow")
        return ()


def _own(place: Place, places: Iterable[Place]) -> dict[str, Any]:
    image = place.image
    return {
        "framework": image.name,
        "version": image.version,
        "purposes": list(published.purposes(image)),
        "devices": [image.device],
        "pythons": [image.python],
        "base_framework": image.origin and image.origin.base,
        "tag_goes_on": None,
        "newer": _newer(image.version, (each.image.version for each in places)),
        "target": image.target,
        "record": place.record,
        "published_digest": image.digest,
    }


def _known(known: tuple[Known, ...], parts: Parts) -> dict[str, Any]:
    first = known[0].entry
    version = full_version(first, known[0].version)
    purposes = dict.fromkeys(each.entry.purpose for each in known)
    devices = dict.fromkeys(each.entry.device for each in known)
    pythons = dict.fromkeys(each.entry.python for each in known)
    others = [
        name
        for entry in facts.entries(first.framework)
        if entry.purpose in purposes
        and entry.device in devices
        and (parts.region in facts.regions_of(entry.accounts) or parts.region is None)
        for name in entry.names[:1]
    ]
    return {
        "framework": first.framework,
        "version": version or None,
        "purposes": list(purposes),
        "devices": list(filter(None, devices)),
        "pythons": list(filter(None, pythons)),
        "base_framework": next(iter(first.bases), None),
        "tag_goes_on": known[0].rest,
        "newer": _newer(version, others),
    }


def _untold() -> dict[str, Any]:
    """Of a registry that is not ECR's not even the tag is read: its words mean anything."""
    single = dict.fromkeys(("framework", "version", "base_framework", "tag_goes_on"))
    return {**single, "purposes": [], "devices": [], "pythons": [], "newer": []}


def _guessed(parts: Parts, entries: tuple[Entry, ...]) -> dict[str, Any]:
    """By the words of a tag that nobody knows, as AWS puts tags together."""
    words = (parts.tag or "").split("-")
    version = words[0] if words[0][:1].isdigit() else None
    frameworks = {each.framework for each in entries}
    return {
        "framework": next(iter(frameworks)) if len(frameworks) == 1 else None,
        "version": version,
        "purposes": list(dict.fromkeys(each.purpose for each in entries)),
        "devices": [word for word in words if word in DEVICES],
        "pythons": [word for word in words if PYTHON.fullmatch(word)],
        "base_framework": None,
        "tag_goes_on": None,
        "newer": _newer(version or "", (each.names[0] for each in entries if len(frameworks) == 1)),
    }


def _newer(version: str, others: Iterable[str]) -> list[str]:
    """Those that are newer, the newest last. What cannot be ordered, such as `latest`, is not."""
    found = [other for other in dict.fromkeys(others) if _compared(other, version) > 0]
    return sorted(found, key=cmp_to_key(_compared))


def _compared(one: str, other: str) -> int:
    if one == other:
        return 0
    first, second = (aliases.candidate(text, text) for text in (one, other))
    newest = aliases.newest([first, second])
    return 0 if newest is None else 1 if newest is first else -1


def _notes_on_host(parts: Parts, known: tuple[Known, ...]) -> Iterator[str]:
    if parts.account is None:
        if name := reverse.gallery_name(parts):
            yield (
                f"AWS's gallery in ECR Public; SageMaker pulls the repository `{name}` of AWS's "
                "private registries"
            )
        elif parts.host == reverse.PUBLIC:
            yield f"{parts.host} is ECR Public; whose image it is cannot be told"
        else:
            yield f"{parts.host} is not a registry of ECR; nothing is known of its images"
            if not has_registry(parts.uri):
                yield (
                    "the name has no registry: Docker looks for it on this machine, then on "
                    "Docker Hub; SageMaker takes the URI of a registry of ECR, such as "
                    "`buildkit uri TARGET` prints"
                )
        return
    there = facts.regions().get(parts.region or "")
    if there is None:
        yield f"{facts.source()} has no SageMaker images in {parts.region}"
    elif parts.domain != (domain := reverse.domain(there, dual_stack=parts.dual_stack)):
        yield f"there is no such host: in {there.name} it ends with {domain}"
    homes = reverse.homes(parts.account)
    if not homes:
        yield "the account is none of AWS's for SageMaker, and the ledger has no such image"
    elif parts.region not in homes:
        right = there and _accounts(there, known)
        yield listed(
            f"in {parts.region} AWS has another account{f', {right}' if right else ''}; "
            "this one is in",
            homes,
        )


def _accounts(there: Region, known: tuple[Known, ...]) -> str:
    """The accounts that have an image in a region; empty if it is not there."""
    families = dict.fromkeys(facts.family(each.entry.accounts) for each in known)
    return " or ".join(there.accounts[each] for each in families if each in there.accounts)


def _notes_on_image(known: tuple[Known, ...], parts: Parts) -> Iterator[str]:
    entries = reverse.of_repository(parts.repository)
    if not known and entries:
        tags = dict.fromkeys(named(each)[1] for each in entries)
        if parts.tag is not None:
            yield f"the data has no tag `{parts.tag}` of it; {near_to(parts.tag, tuple(tags))}"
    elif not known:
        near = near_names(parts.repository, reverse.repositories())
        end = f"; {listed('near are', near)}" if near else ""
        yield f"{facts.source()} has no repository `{parts.repository}`, which AWS may have{end}"
    elif parts.account is None:
        pass
    elif not any(parts.region in facts.regions_of(each.entry.accounts) for each in known):
        yield f"{facts.source()} has no such image in {parts.region}"
    elif not any(facts.family(each.entry.accounts) in reverse.families(parts) for each in known):
        yield f"{facts.source()} has an image that is called so in another account"
    frameworks = dict.fromkeys(each.framework for each in entries)
    if len(frameworks) > 1:
        yield listed("the repository is of several frameworks", tuple(frameworks))


def _lines(document: dict[str, Any]) -> list[str]:
    rows = []
    for key, value in document.items():
        if key not in ("uri", "notes") and value not in (None, []):
            text = ", ".join(value) if isinstance(value, list) else value
            rows.append((key.replace("_", " "), text))
    return [*tables.aligned(rows), *document["notes"]]
