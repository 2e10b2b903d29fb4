"""Selects the targets of a CI run: those that differ from a commit, or from what was released."""

from __future__ import annotations

import json
import tarfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit import project
from buildkit.config import boundary
from buildkit.ledger import history
from buildkit.model import names
from buildkit.render import inputs, render
from buildkit.support.errors import BuildkitError, ToolError, UsageError
from buildkit.system import console, git, tempdirs
from buildkit.verify import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from buildkit.ledger.record import Release
    from buildkit.model.target import Target
    from buildkit.project import Project


def inputs_of(found: Project, targets: Iterable[Target]) -> dict[str, str]:
    """The digest of everything that each target would be built from now, by target id."""
    source = found.templates
    rendered = render.render_all(tuple(targets), source)
    return inputs.Inputs(runtime=source.runtime).digests(rendered)


def since(found: Project, targets: Sequence[Target], reference: str) -> tuple[Target, ...]:
    """Targets whose build or test inputs changed since the branch forked from `reference`.

    Raises UsageError if git does not know that commit.
    """
    now = _essence(found, targets)
    with tempdirs.folder() as folder:
        before = _before(found, folder, reference)
    return tuple(each for each in targets if before.get(each.id) != now[each.id])


def unreleased(
    found: Project, targets: Sequence[Target], releases: Sequence[Release]
) -> tuple[Target, ...]:
    """Targets that have not been released yet.

    Raises ToolError for a released target whose files have changed: its image could not be
    published after the build. In a mutable repository, such a target is to be built again.
    """
    taken = stale(found, targets, releases)
    if taken and found.config.registry.repositories.mutability != "mutable":
        raise ToolError(
            f"{len(taken)} of {len(targets)} targets have changed since their release: "
            + ", ".join(each.id for each in taken),
            hint="tags are never overwritten: bump the revision in images.toml (`"
            f"{names.next_revision(taken[0].version)}`) with `buildkit revise`",
        )
    return tuple(
        each
        for each in targets
        if each in taken or history.tagged(releases, each.repository, each.tag) is None
    )


def stale(
    found: Project, targets: Sequence[Target], releases: Sequence[Release]
) -> tuple[Target, ...]:
    """Released targets whose files have changed since."""
    made_from = inputs_of(found, targets)
    there = {each: history.tagged(releases, each.repository, each.tag) for each in targets}
    return tuple(
        target
        for target, image in there.items()
        if image is not None
        and image.origin is not None
        and image.origin.inputs not in (None, made_from[target.id])
    )


def _essence(found: Project, targets: Sequence[Target]) -> dict[str, str]:
    """All that an image and its test depend on, by target id; the same in every checkout."""
    made_from = inputs_of(found, targets)
    return {
        each.id: json.dumps(
            (asdict(each.recipe), made_from[each.id], fingerprint.of_target(each)), default=str
        )
        for each in targets
    }


def _before(found: Project, folder: Path, reference: str) -> Mapping[str, str]:
    """What `_essence` finds at the fork; nothing if images.toml was not usable there."""
    here = found.config.folder.resolve()
    top = Path(_git(here, "rev-parse", "--show-toplevel"))
    named = f"{reference}^{{commit}}"
    commit = "" if named.startswith("-") else _says(here, "rev-parse", "--verify", "--quiet", named)
    if not commit:
        raise UsageError(
            f"commit `{reference}` not found",
            hint="fetch the commit with `git fetch`; a shallow CI checkout needs `fetch-depth: 0`",
        )
    base = _says(here, "merge-base", commit, "HEAD") or commit
    archive, checkout = folder / "base.tar", folder / "base"
    _git(top, "archive", "--format=tar", f"--output={archive}", base)
    with suppress(tarfile.ReadError), tarfile.open(archive) as file:  # a commit without files
        # Links may point anywhere, as in the checkout: no path of a commit goes through a link.
        # Pythons before 3.11.4 have no filters.
        file.extraction_filter = getattr(tarfile, "tar_filter", None)
        file.extractall(checkout)  # noqa: S202 - of our own git, with a filter
    archive.unlink()
    then = checkout / here.relative_to(top) / found.config.path.name
    try:
        limits = boundary.Boundary(root=checkout.resolve(), open=found.config.boundary.open)
        old = project.read(then, None, within=limits)
        return _essence(old, old.targets)
    except BuildkitError as error:
        console.say(
            f"all targets count as changed, because of an error at commit {base[:12]}: "
            f"{error.message}",
            fg="yellow",
        )
        return {}


def _says(folder: Path, *words: str) -> str:
    """The output of git, empty if git fails."""
    done = git.run(folder, *words)
    return done.output.strip() if done.code == 0 else ""


def _git(folder: Path, *words: str) -> str:
    done = git.run(folder, *words)
    if done.code != 0:
        raise ToolError(
            f"`git {words[0]}` failed: {done.output.strip()}",
            hint=f"check that {folder} is in a git checkout with its history",
        )
    return done.output.strip()
