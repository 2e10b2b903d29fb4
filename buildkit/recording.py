"""After a run: what it published goes into the ledger, and beside the images in registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.ledger import history, ledger, trails
from buildkit.ledger.record import Action
from buildkit.registry.manifests import DOCKER_MANIFEST
from buildkit.system import git

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from buildkit.aliases.follow import Known
    from buildkit.ledger.record import Move, Release
    from buildkit.model.image import Published
    from buildkit.project import Project
    from buildkit.registry.client import Registry


def check(project: Project) -> tuple[Release, ...]:
    """All records, before anything is sent: others may add to them meanwhile.

    Raises ToolError for a ledger that cannot be read or written.
    """
    book = ledger.beside(project.config.path, project.config.boundary)
    found = book.read()
    book.check()
    return found


def known(project: Project) -> Known:
    """What publications have to know of aliases, by the ledger as it is when they ask."""
    book = ledger.beside(project.config.path, project.config.boundary)
    return lambda host, repository: trails.past(book.read(), host, repository)


def note(
    project: Project,
    published: Sequence[Published],
    registries: Sequence[Registry],
    moves: Sequence[Move] = (),
    *,
    since: frozenset[str],
) -> None:
    """Record what a run published and moved; nothing is recorded twice, also not by parallel runs.

    An image that the registries had already is recorded if the ledger does not know that: the run
    that pushed it was cut off. `since` are the ids of what `check` returned. Raises
    ToolError if the ledger cannot be read or written.
    """
    if not published and not moves:
        return
    book = ledger.beside(project.config.path, project.config.boundary)
    records = book.read()
    lacking = [each for each in published if each.pushed or not history.knows(records, each)]
    if not lacking and not moves:
        return
    from buildkit.ledger import make  # noqa: PLC0415 - only for a run that has published something

    release = history.news(
        make.release(
            Action.PUBLISH,
            git.commit(book.path),
            images=[make.image(each) for each in lacking],
            moves=moves,
        ),
        [each for each in records if each.id not in since],
    )
    if release is None:
        return
    # Attach first: if the run dies before the ledger is written, the next run does both again.
    _attach(release, lacking, registries)
    book.append(release, since)


def _attach(
    release: Release, published: Iterable[Published], registries: Sequence[Registry]
) -> None:
    """Put the record and the reports beside the images in their registries."""
    from buildkit.ledger import attach  # noqa: PLC0415 - HTTP loads slowly
    from buildkit.registry import referrers  # noqa: PLC0415 - as above

    reports, subjects = {}, {}
    for each in published:
        reports[each.verified.built.target.id] = each.verified.report
        subjects[each.digest] = referrers.descriptor(
            DOCKER_MANIFEST, each.digest, each.manifest_size
        )
    attach.attach(release, reports, registries, subjects)
