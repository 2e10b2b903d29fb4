"""`buildkit render`."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildkit import records
from buildkit.commands import options
from buildkit.config import boundary
from buildkit.project import read as read_project
from buildkit.project import written
from buildkit.render import render
from buildkit.support.errors import TemplateError, ToolError, UsageError
from buildkit.system import console, files, reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkit.model.target import Rendered

HEAD = 2
"""Lines of a unified diff that name its files."""
MOST = 20
"""Lines of a change that a summary shows."""


@click.command(
    epilog="\b\nExamples:\n  buildkit render\n  buildkit render --check\n"
    "  buildkit render --check --stat\n"
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
@click.option(
    "--stat", is_flag=True, help="With --check: show each change once, with its targets counted."
)
def command(
    *,
    select: tuple[str, ...],
    file: Path,
    allow_outside: bool,
    dist: Path | None,
    as_json: bool,
    output: Path | None,
    check: bool,
    stat: bool,
) -> None:
    """Write each target's Dockerfile, of all targets or of those that match SELECT.

    Commit the output, and let CI run `render --check`: a change of a template or of images.toml
    then shows what it does to every image.
    """
    if stat and not check:
        raise UsageError("`--stat` is a way to show what `--check` finds", hint="add `--check`")
    project = read_project(
        file, dist, use_environment=False, renders=True, allow_outside=allow_outside
    )
    targets = project.select(select or ("*",))
    rendered = render.render_all(targets, project.templates)
    folder = output or written(project.config, "dockerfiles")
    limits = boundary.named(folder, project.config.boundary)
    paths = {
        id_: records.inside(folder, f"{id_}/{records.DOCKERFILE}", limits)
        for id_ in (each.target.id for each in rendered)
    }
    if check:
        known = {target.id for target in project.targets}
        strangers = [] if select else _strangers(folder, known)
        if differences := _differences(rendered, paths):
            shown = _summed(differences, len(rendered)) if stat else _whole(differences)
        else:
            shown = []
        _refuse(shown, strangers)
    else:
        for each in rendered:
            project.records.check(each.target.id)
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


def _differences(
    rendered: Sequence[Rendered], paths: Mapping[str, Path]
) -> dict[str, tuple[str, ...]]:
    """The unified diff of each target whose file is not as rendered."""
    found = {}
    for each in rendered:
        path = paths[each.target.id]
        lines = tuple(
            difflib.unified_diff(
                _there(path).splitlines(),
                each.dockerfile.splitlines(),
                str(path),
                f"{each.target.id} as rendered",
                lineterm="",
            )
        )
        if lines:
            found[each.target.id] = lines
    return found


def _there(path: Path) -> str:
    """What is written now, nothing without a file. Raises ToolError."""
    try:
        return reading.content(path, reading.LARGEST_TEXT).decode(errors="replace")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise ToolError(
            f"{path} cannot be read: {error}", hint="remove it, then `buildkit render`"
        ) from error


def _whole(differences: Mapping[str, Sequence[str]]) -> list[str]:
    return [line for lines in differences.values() for line in lines]


def _summed(differences: Mapping[str, Sequence[str]], of: int) -> list[str]:
    """Each change once: the lines that go and come, and the targets in which they do."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for target_id, lines in differences.items():
        changed = tuple(line for line in lines[HEAD:] if line[:1] in ("-", "+"))
        groups.setdefault(changed, []).append(target_id)
    shown = [f"{len(differences)} of {of} differ, by {len(groups)} changes"]
    if len(groups) == 1:
        shown = [f"{len(differences)} of {of} differ, all by the same change"]
    for changed, ids in sorted(groups.items(), key=lambda group: -len(group[1])):
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        shown.append(f"this change in {len(ids)}: {ids[0]}{more}")
        shown += [f"  {line}" for line in changed[:MOST]]
        if len(changed) > MOST:
            shown.append(f"  ... and {len(changed) - MOST} more lines")
    return shown


def _refuse(shown: Sequence[str], strangers: Sequence[Path]) -> None:
    """Raise TemplateError if anything differs, or has no target any more."""
    lines = [*shown, *(f"{path}: its target is not in images.toml any more" for path in strangers)]
    if lines:
        raise TemplateError(
            "the written Dockerfiles are not what the templates render",
            details="\n".join(lines),
            hint="`buildkit render`, look at the change, commit it; remove what has no target",
        )
