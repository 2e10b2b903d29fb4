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
from buildkit.project import written
from buildkit.render import render
from buildkit.support.amounts import count
from buildkit.support.errors import TemplateError, ToolError, UsageError
from buildkit.system import console, files, reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkit.commands.scope import Scope
    from buildkit.config.boundary import Boundary
    from buildkit.model.target import Rendered

HEAD = 2
"""Lines of a unified diff that name its files."""
MOST = 20
"""Lines of a change that `--stat` shows."""


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
    help="Write <target id>/Dockerfile into this folder.  [default: dockerfiles/ beside "
    "images.toml]",
)
@options.flag("--check", "Write nothing; fail with a diff if a Dockerfile is out of date.")
@options.flag("--stat", "Show each change of --check once, with the number of affected targets.")
def command(*, scope: Scope, as_json: bool, output: Path | None, check: bool, stat: bool) -> None:
    """Write the Dockerfile of each target that matches SELECT; without SELECT, of every target.

    Commit the Dockerfiles, and run `render --check` in CI: a change of a template or of images.toml
    then shows its effect on every image.
    """
    if stat and not check:
        raise UsageError("`--stat` needs `--check`", hint="add `--check`")
    project = scope.project(renders=True, use_environment=False)
    rendered = render.render_all(scope.targets_or_all(project), project.templates)
    folder = output or written(project.config, "dockerfiles")
    paths = _paths(rendered, folder, boundary.named(folder, project.config.boundary))
    if check:
        orphans = (
            [] if scope.select else _orphans(folder, {target.id for target in project.targets})
        )
        _check(_differences(rendered, paths), orphans, of=len(rendered), stat=stat)
    else:
        _write(rendered, paths, project.records)
    if as_json:
        document = [{"id": key, "dockerfile": str(path)} for key, path in paths.items()]
        click.echo(json.dumps(document, indent=2))
    elif check:
        console.say(f"up to date: {count(len(paths), 'Dockerfile')}")
    else:
        click.echo("\n".join(map(str, paths.values())))


def _paths(rendered: Sequence[Rendered], folder: Path, limits: Boundary) -> dict[str, Path]:
    """The path of each target's Dockerfile. Raises UsageError for one outside of the project."""
    ids = [each.target.id for each in rendered]
    return {id_: limits.inside(folder, f"{id_}/{records.DOCKERFILE}") for id_ in ids}


def _write(rendered: Sequence[Rendered], paths: Mapping[str, Path], where: records.Records) -> None:
    for each in rendered:
        where.check(each.target.id)
    for each in rendered:
        files.write_text(paths[each.target.id], each.dockerfile)
        where.write(records.RENDERED, each.target.id, each)


def _orphans(folder: Path, known: set[str]) -> list[Path]:
    """Dockerfiles of targets that images.toml no longer has."""
    return [path for path in sorted(folder.glob("*/Dockerfile")) if path.parent.name not in known]


def _differences(
    rendered: Sequence[Rendered], paths: Mapping[str, Path]
) -> dict[str, tuple[str, ...]]:
    """The unified diff of each target whose Dockerfile is out of date."""
    found = {}
    for each in rendered:
        path = paths[each.target.id]
        lines = tuple(
            difflib.unified_diff(
                _current(path).splitlines(),
                each.dockerfile.splitlines(),
                str(path),
                f"{each.target.id} as rendered",
                lineterm="",
            )
        )
        if lines:
            found[each.target.id] = lines
    return found


def _current(path: Path) -> str:
    """The Dockerfile on disk, empty if there is none. Raises ToolError."""
    try:
        return reading.content(path, reading.LARGEST_TEXT).decode(errors="replace")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise ToolError(
            f"{path} cannot be read: {error}", hint="remove the file, then run `buildkit render`"
        ) from error


def _check(
    differences: Mapping[str, Sequence[str]], orphans: Sequence[Path], *, of: int, stat: bool
) -> None:
    """Raise TemplateError if a Dockerfile is out of date or has no target."""
    if not differences and not orphans:
        return
    shown = [line for lines in differences.values() for line in lines]
    if differences and stat:
        shown = _summed(differences, of)
    hints = ["`buildkit render`, then review and commit the change"] if differences else []
    hints += ["delete the Dockerfiles without a target"] if orphans else []
    raise TemplateError(
        "the Dockerfiles are out of date",
        details="\n".join(
            [*shown, *(f"{path}: its target is not in images.toml" for path in orphans)]
        ),
        hint="; ".join(hints),
    )


def _summed(differences: Mapping[str, Sequence[str]], of: int) -> list[str]:
    """Each change once: its lines, and the targets that have it."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for target_id, lines in differences.items():
        changed = tuple(line for line in lines[HEAD:] if line[:1] in ("-", "+"))
        groups.setdefault(changed, []).append(target_id)
    changes = count(len(groups), "change")
    shown = [f"out of date: {len(differences)} of {count(of, 'Dockerfile')}, with {changes}"]
    for changed, ids in sorted(groups.items(), key=lambda group: -len(group[1])):
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        shown.append(f"change in {ids[0]}{more}:")
        shown += [f"  {line}" for line in changed[:MOST]]
        if len(changed) > MOST:
            shown.append(f"  ... and {count(len(changed) - MOST, 'more line')}")
    return shown
