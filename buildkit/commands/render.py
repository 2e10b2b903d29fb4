"""`buildkit render`."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildkit import console, files, options, records, render
from buildkit.errors import TemplateError
from buildkit.project import read as read_project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.model import Rendered


@click.command(
    epilog="\b\nExamples:\n  buildkit render\n  buildkit render --check\n"
    "  buildkit render 'sklearn*' --output /tmp/dockerfiles"
)
@options.SELECT
@options.PROJECT
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write <target id>/Dockerfile.  [default: dockerfiles/ beside the file]",
)
@click.option("--check", is_flag=True, help="Write nothing; fail with a diff if output differs.")
def command(
    *,
    select: tuple[str, ...],
    file: Path,
    dist: Path | None,
    as_json: bool,
    output: Path | None,
    check: bool,
) -> None:
    """Write each target's Dockerfile, of all targets or of those that match SELECT.

    Commit the output, and let CI run `render --check`: a change of a template or of images.toml
    then shows what it does to every image.
    """
    project = read_project(file, dist, alone=True)
    targets = project.select(select or ("*",))
    rendered = render.render_all(targets, render.templates(project.config.folder))
    folder = output or project.config.folder / "dockerfiles"
    paths = {each.target.id: folder / each.target.id / "Dockerfile" for each in rendered}
    if check:
        known = {target.id for target in project.targets}
        _check(rendered, paths, [] if select else _strangers(folder, known))
    else:
        for each in rendered:
            files.write_text(paths[each.target.id], each.dockerfile)
            project.records.write(records.RENDERED, each.target.id, each)
    if as_json:
        document = [{"id": key, "dockerfile": str(path)} for key, path in paths.items()]
        click.echo(json.dumps(document, indent=2))
    elif not check:
        click.echo("\n".join(map(str, paths.values())))
    else:
        console.say(f"{len(paths)} Dockerfiles are as rendered")


def _strangers(folder: Path, known: set[str]) -> list[Path]:
    """Dockerfiles of targets that are not in images.toml any more."""
    return [path for path in sorted(folder.glob("*/Dockerfile")) if path.parent.name not in known]


def _check(rendered: Sequence[Rendered], paths: dict[str, Path], strangers: Sequence[Path]) -> None:
    differences: list[str] = []
    for each in rendered:
        path = paths[each.target.id]
        found = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        differences += difflib.unified_diff(
            found.splitlines(),
            each.dockerfile.splitlines(),
            str(path),
            f"{each.target.id} as rendered",
            lineterm="",
        )
    differences += [f"{path}: its target is not in images.toml any more" for path in strangers]
    if differences:
        raise TemplateError(
            "the written Dockerfiles are not what the templates render",
            details="\n".join(differences),
            hint="`buildkit render`, look at the change, commit it; remove what has no target",
        )
