"""A project -> all that is outdated, and what is unknown, with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.lock import check
from buildkit.lock.lockfile import Lock
from buildkit.outdated import aws, bases, frameworks, packages
from buildkit.outdated.finding import merged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.config.network import Network
    from buildkit.ledger.record import Release
    from buildkit.model.target import Target
    from buildkit.outdated.finding import Finding
    from buildkit.project import Project


def find(
    project: Project, targets: Sequence[Target], releases: Sequence[Release], network: Network
) -> tuple[Finding, ...]:
    """What is outdated in `targets`, by kind. Raises TemplateError."""
    lock = project.lock or Lock()
    return merged(
        (
            *bases.find(targets, releases, network),
            *packages.find(lock, check.requests(targets, project.templates), network),
            *frameworks.find(targets, project.targets, network),
            *aws.find(targets),
        )
    )
