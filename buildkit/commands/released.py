"""After a run: what it published goes into the ledger, and beside the images in registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.registry import referrers
from buildkit.registry.manifests import DOCKER_MANIFEST
from buildkit.releases import attach, history, ledger, make, trails
from buildkit.releases.commit import commit
from buildkit.releases.record import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from buildkit.delivery import Delivery
    from buildkit.errors import Exit
    from buildkit.moving import Known
    from buildkit.pipeline import Outcome
    from buildkit.project import Project
    from buildkit.registry.referrers import Descriptor
    from buildkit.releases.record import Move
    from buildkit.shipped import Published


def check(project: Project) -> None:
    """Raise ToolError for a ledger that cannot be read or written: before anything is sent."""
    book = ledger.beside(project.config.path)
    book.read()
    book.check()


def known(project: Project) -> Known:
    """What publications have to know of aliases, by the ledger as it is when they ask."""
    book = ledger.beside(project.config.path)
    return lambda host, repository: trails.past(book.read(), host, repository)


def end(
    project: Project,
    outcomes: Sequence[Outcome],
    there: Delivery,
    moves: Sequence[Move],
    tell: Callable[[], Exit],
) -> Exit:
    """Record a run, then tell how it ended: whoever reads that may be gone. Returns its exit code.

    It is told also where it cannot be recorded. Raises the error of that, then.
    """
    try:
        note(project, outcomes, there, moves)
    except Exception:
        tell()
        raise
    return tell()


def note(
    project: Project, outcomes: Sequence[Outcome], there: Delivery, moves: Sequence[Move] = ()
) -> None:
    """Record what was published and moved; nothing is recorded twice.

    An image that the registries had already is recorded if the ledger does not know that: the run
    that sent it was cut off. Raises ToolError if the ledger cannot be read or written.
    """
    book = ledger.beside(project.config.path)
    records = book.read()
    published = [
        each.published
        for each in outcomes
        if each.published is not None
        and (each.published.pushed or not history.knows(records, each.published))
    ]
    if published or moves:
        _note(book, published, moves, there)


def _note(
    book: ledger.Ledger,
    published: Sequence[Published],
    moves: Sequence[Move],
    there: Delivery,
) -> None:
    release = make.release(
        Action.PUBLISH,
        commit(book.path.parent, book.path.name),
        images=[make.image(each) for each in published],
        moves=moves,
    )
    reports = {each.verified.built.target.id: each.verified.report for each in published}
    # First: what the ledger does not know of is made up for by the next run, this with it.
    attach.attach(release, reports, there.registries, dict(map(_subject, published)))
    book.append(release)


def _subject(published: Published) -> tuple[str, Descriptor]:
    digest = published.digest
    return digest, referrers.descriptor(DOCKER_MANIFEST, digest, published.manifest_size)
