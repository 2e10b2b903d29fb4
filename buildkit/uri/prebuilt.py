"""`buildkit uri FRAMEWORK --prebuilt`: one image of AWS, from the data of this tool."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from buildkit.prebuilt import choose, facts, instances, naming
from buildkit.prebuilt.lookup import look_up
from buildkit.prebuilt.question import Query
from buildkit.support.errors import BuildkitError, UsageError
from buildkit.support.suggest import listed
from buildkit.system import console
from buildkit.uri import region
from buildkit.uri.asked import or_the_newest

if TYPE_CHECKING:
    from buildkit.uri.asked import Asked

UNTAGGED = "latest"
"""The tag that a registry assumes for an image without one."""

SUCCESSORS = {"pytorch": "pytorch-amzn2023"}
"""The name that AWS's data has for the newer images of a framework."""


def answer(asked: Asked) -> None:
    assert asked.target is not None
    there = asked.region
    if there is None:
        there, by = region.of(os.environ)
        console.say(f"using region {there}, from {by}")
    # Each of the other fields has the name of its option.
    options = {name: getattr(asked, name) for name in Query._fields[2:]}
    query = Query(asked.target, there, **options).lowered()
    chosen = _with_version(query, latest=asked.latest)
    found = look_up(chosen)
    if asked.latest and chosen.version:
        console.say(f"the newest match in {facts.source()} is {chosen.version}")
        _say_where_newer_ones_are(query)
    elif chosen.version != query.version:
        console.say(f"{query.version} is {chosen.version}")
    document, uri = found._asdict(), found.uri
    _say_what_is_unknown(asked, query.instance_type, found.device)
    if asked.verify:
        from buildkit.uri import served  # noqa: PLC0415 - it loads what talks to AWS

        digest = served.digest(asked, found.host, found.repository, found.tag or UNTAGGED)
        uri = f"{found.host}/{found.repository}@{digest}"
        document |= {"digest": digest, "digest_uri": uri}
    if asked.as_json:
        import json  # noqa: PLC0415 - it takes long to load, too

        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(uri)


def _say_what_is_unknown(asked: Asked, machine: str | None, device: str | None) -> None:
    if asked.container_version is not None and not asked.verify:
        console.say(
            f"not verified: {facts.source()} does not have the tag suffix "
            f"`{asked.container_version}`; `--verify` asks ECR for the tag"
        )
    if machine is not None and not instances.is_known(machine):
        console.say(
            f"not verified: `{machine}` is an unknown instance type; check that it runs images for "
            f"{device or 'any device'}"
        )


def _with_version(query: Query, *, latest: bool) -> Query:
    """With the full version for a part of one, or for `--latest`; otherwise unchanged.

    Raises UsageError if a part matches several versions, unless `--latest` is set.
    """
    part = query.version
    is_whole = part is not None and choose.has_version(query)
    if not latest and (part is None or is_whole):
        return query
    if part == "latest" and not is_whole:
        raise UsageError(
            f"`latest` is not a version of `{query.framework}`", hint="`--latest` takes the newest"
        )
    # For an unknown region, the error of the lookup says more than a missing version.
    known: tuple[str, ...] = ()
    if query.region in facts.regions():
        known = choose.versions(query._replace(version=None))
    fits = [each for each in known if part is None or naming.begins(each, part)]
    if not fits and known and part is not None and not is_whole:
        raise or_the_newest(choose.no_version(query, part))
    if not fits:
        return query
    if len(fits) > 1 and not latest:
        raise UsageError(
            f"{len(fits)} versions of `{query.framework}` begin with {part}: choose one",
            hint=f"{listed('--version', fits)}; `--latest` takes the newest",
        )
    return query._replace(version=fits[0] or None)


def _say_where_newer_ones_are(query: Query) -> None:
    successor = SUCCESSORS.get(naming.framework(query.framework))
    if successor is None or query.version is not None:
        return
    with suppress(BuildkitError):  # none for this purpose, device or region
        newer = choose.versions(query._replace(framework=successor, python=None))
        console.say(f"AWS releases newer versions as `{successor}`, up to {newer[0]}")
