"""After a run: what it published goes into the ledger, and beside the images in registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.ledger import attach, history, ledger, make, trails
from buildkit.ledger.commit import commit
from buildkit.ledger.record import Action
from buildkit.registry import referrers
from buildkit.registry.manifests import DOCKER_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from buildkit.aliases.follow import Known
    from buildkit.ledger.record import Move
    from buildkit.model.image import Published
    from buildkit.pipeline import Outcome
    from buildkit.project import Project
    from buildkit.publish.connect import Delivery
    from buildkit.registry.referrers import Descriptor
    from buildkit.support.errors import Exit


def check(project: Project) -> frozenset[str]:
    """The ids of all records, before anything is sent: others may add to them meanwhile.

    Raises ToolError for a ledger that cannot be read or written.
    """
    book = ledger.beside(project.config.path)
    found = frozenset(each.id for each in book.read())
    book.check()
    return found


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
    *,
    since: frozenset[str],
) -> Exit:
    """Record a run, then tell how it ended: whoever reads that may be gone. Returns its exit code.

    `since` is what `check` has found when it began.

    It is told also where it cannot be recorded. Raises the error of that, then.
    """
    try:
        note(project, outcomes, there, moves, since=since)
    except Exception:
        tell()
        raise
    return tell()


def note(
    project: Project,
    outcomes: Sequence[Outcome],
    there: Delivery,
    moves: Sequence[Move] = (),
    *,
    since: frozenset[str],
) -> None:
    """Record what was published and moved; nothing is recorded twice, by runs side by side neither.

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
    if not published and not moves:
        return
    release = history.news(
        make.release(
            Action.PUBLISH,
            commit(book.path.parent, book.path.name),
            images=[make.image(each) for each in published],
            moves=moves,
        ),
        [each for each in records if each.id not in since],
    )
    if release is None:
        return
    reports = {each.verified.built.target.id: each.verified.report for each in published}
    # First: what the ledger does not know of is made up for by the next run, this with it.
    attach.attach(release, reports, there.registries, dict(map(_subject, published)))
    book.append(release, since)


def _subject(published: Published) -> tuple[str, Descriptor]:
    digest = published.digest
    return digest, referrers.descriptor(DOCKER_MANIFEST, digest, published.manifest_size)
