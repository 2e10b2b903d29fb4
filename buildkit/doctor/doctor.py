"""All checks, in the order in which their findings are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.doctor import aws, command, engine, images, machine, network

if TYPE_CHECKING:
    from buildkit.doctor.facts import Facts
    from buildkit.doctor.finding import Finding

CHECKS = (
    command.command,
    command.config,
    engine.engine,
    command.buildx,
    machine.disk,
    machine.clock,
    images.images,
    network.files,
    network.proxies,
    network.registries,
    network.bases,
    engine.pulls,
    aws.identities,
    aws.permissions,
)


def examine(facts: Facts) -> tuple[Finding, ...]:
    """Judge what was observed."""
    return tuple(finding for check in CHECKS for finding in check(facts))
