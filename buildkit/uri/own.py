"""`buildkit uri TARGET`: one published image of this project, from its ledger."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from buildkit.ledger import ledger
from buildkit.prebuilt.naming import lowered
from buildkit.support.suggest import listed
from buildkit.system import console
from buildkit.uri import published

if TYPE_CHECKING:
    from buildkit.uri.asked import Asked
    from buildkit.uri.published import Place


def answer(asked: Asked) -> None:
    assert asked.target is not None
    wanted = published.Wanted(
        name=asked.target,
        version=asked.version,
        device=lowered(asked.device),
        python=asked.python,
        purpose=lowered(asked.purpose),
        account=asked.account,
        region=lowered(asked.region),
        latest=asked.latest,
    )
    book = ledger.file_beside(asked.file, allow_outside=asked.allow_outside)
    found = published.find(published.places(ledger.read_file(book)), wanted, book)
    place = found.place
    where = "" if wanted.region is None else f" in {wanted.region}"
    if asked.latest:
        older = f"; {listed('older', found.others)}" if found.others else ""
        console.say(f"the newest match{where} is {place.image.version}{older}")
    elif asked.version not in (None, place.image.version):
        console.say(f"{asked.version} is {place.image.version}{where}")
    if asked.verify:
        from buildkit.uri import served  # noqa: PLC0415 - it loads what talks to AWS

        served.digest(
            asked,
            place.host,
            place.image.repository,
            place.image.tag,
            place.image.digest,
        )
    if asked.as_json:
        click.echo(json.dumps(_document(place, verified=asked.verify), indent=2))
    else:
        click.echo(place.digest_uri if asked.digest or asked.verify else place.uri)


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
