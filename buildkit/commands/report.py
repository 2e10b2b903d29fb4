"""`buildkit report`."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from buildkit.catalogue import gather
from buildkit.catalogue.values import LARGE
from buildkit.commands import options
from buildkit.support.amounts import count
from buildkit.support.errors import UsageError
from buildkit.system import console, files, git

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.catalogue.values import Catalogue
    from buildkit.commands.scope import Scope
    from buildkit.project import Project

NAME = "catalogue.html"
HINT = "free disk space, or name another file: `--output FILE`"


@click.command(
    "report",
    epilog="\b\nExamples:\n  buildkit report\n  buildkit report 'sklearn*' -o sklearn.html\n"
    '  buildkit report --markdown >> "$GITHUB_STEP_SUMMARY"\n'
    "  buildkit report --json -o catalogue.json",
)
@options.SELECT
@options.PROJECT
@click.option(
    "--output",
    "-o",
    type=options.PathType(dir_okay=False),
    help=f"Write this file.  [default: {NAME} in dist/; Markdown and JSON on stdout]",
)
@options.flag("--markdown", "Write Markdown, for the summary of a CI job.")
def command(*, scope: Scope, as_json: bool, output: Path | None, markdown: bool) -> None:
    """Make a catalogue of all images: one HTML page with verdicts, URIs, digests, sizes and layers.

    SELECT limits it to images and targets, as for `list`. The facts come from images.toml,
    images.lock, the ledger (releases.jsonl) and dist/. No registry is asked: what these do not have
    is shown as unknown. The page needs no other file and no network.
    """
    if markdown and as_json:
        raise UsageError("`--markdown` and `--json` exclude each other", hint="leave one out")
    project = scope.project(use_environment=False)
    if len(project.targets) > LARGE:
        console.say(f"making the catalogue: images.toml has {len(project.targets)} targets …")
    found = gather.catalogue(
        project, scope.ledger().read(), scope.select, datetime.now(timezone.utc)
    )
    text = _text(found, markdown=markdown, as_json=as_json)
    if output is None and (markdown or as_json):
        click.echo(text, nl=False)
        return
    path = output or _beside_records(project)
    files.write_text(path, text, HINT)
    console.say(f"catalogue of {count(len(found.entries), 'image')}:")
    click.echo(path)


def _text(found: Catalogue, *, markdown: bool, as_json: bool) -> str:
    if as_json:
        return json.dumps(asdict(found), indent=2) + "\n"
    if markdown:
        from buildkit.catalogue import markdown as form  # noqa: PLC0415 - only if asked for

        return form.document(found)
    from buildkit.catalogue import page  # noqa: PLC0415 - Jinja is slow to load

    return page.document(found)


def _beside_records(project: Project) -> Path:
    """The file in dist/. Raises UsageError for a link that leads out of the project."""
    git.advise_to_ignore(project.records.folder)
    return project.records.limits.inside(project.records.folder, NAME)
