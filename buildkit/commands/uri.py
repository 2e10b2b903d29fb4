"""`buildkit uri`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from buildkit import options, records
from buildkit.errors import NothingSelectedError, UsageError
from buildkit.project import read as read_project
from buildkit.releases import history, ledger

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.project import Project


@click.command(
    epilog="\b\nExamples:\n  buildkit uri sklearn-1.7.2-cpu-py311\n"
    "  docker pull \"$(buildkit uri 'sklearn-*-py313' --digest)\""
)
@click.argument("target", shell_complete=options.complete_targets)
@options.PROJECT
@click.option("--digest", is_flag=True, help="Name the image by its digest, not by its tag.")
def command(
    *,
    target: str,
    file: Path,
    dist: Path | None,
    as_json: bool,
    digest: bool,
) -> None:
    """Print the URI of a published TARGET, and nothing else.

    TARGET is an id, or a pattern that matches one target. A target that is not published is an
    error: its URI would lead nowhere.
    """
    project = read_project(file, dist)
    found = project.select((target,))
    if len(found) > 1:
        raise UsageError(
            f"`{target}` matches {len(found)} targets: {', '.join(each.id for each in found)}",
            hint="name one of them",
        )
    uri, digest_of_it, digest_uri = _published(project, found[0].id)
    if as_json:
        document = {
            "id": found[0].id,
            "uri": uri,
            "digest": digest_of_it,
            "digest_uri": digest_uri,
        }
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(digest_uri if digest else uri)


def _published(project: Project, target_id: str) -> tuple[str, str, str]:
    """URI by tag, digest and URI by digest: what `dist/` has, else the ledger."""
    published = project.records.find(records.PUBLISHED, target_id)
    if published is not None:
        return published.uri, published.digest, published.digest_uri
    image = history.latest(ledger.beside(project.config.path).read(), target_id)
    if image is None:
        raise NothingSelectedError(
            f"{target_id} is not published", hint=f"`buildkit build {target_id} --push`"
        )
    return image.locations[0], image.digest, image.digest_uri
