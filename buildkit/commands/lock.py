"""`buildkit lock`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from buildkit.commands import complete, options
from buildkit.config import substitution
from buildkit.ecr.logins import base_logins
from buildkit.lock import bases, changes, check, lockfile, make
from buildkit.lock.lockfile import Lock
from buildkit.support import suggest
from buildkit.support.errors import NothingSelectedError, UsageError
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.commands.scope import Scope
    from buildkit.config.network import Network
    from buildkit.lock.make import Update
    from buildkit.lock.request import Request
    from buildkit.model.login import Login
    from buildkit.model.target import Target
    from buildkit.project import Project


@click.command(
    epilog="\b\nExamples:\n  buildkit lock\n  buildkit lock --check\n"
    "  buildkit lock --update numpy --update python:3.11-slim-bookworm\n"
    "  buildkit lock 'sklearn*' --upgrade"
)
@options.SELECT
@options.READ
@options.flag("--check", "Write nothing; fail if images.lock is out of date.", "only_check")
@click.option(
    "--update",
    "updated",
    metavar="NAME",
    multiple=True,
    shell_complete=complete.locked,
    help="Look up this again: a package, a base image, an image of images.toml or a target. "
    "Repeatable.",
)
@options.flag("--upgrade", "Look up everything again.")
@options.flag("--bases-only", "Lock only base images.")
@options.flag("--packages-only", "Lock only packages.")
@options.BUILD
@options.JSON
def command(
    *,
    scope: Scope,
    only_check: bool,
    updated: tuple[str, ...],
    upgrade: bool,
    bases_only: bool,
    packages_only: bool,
    build_network: Network,
    as_json: bool,
) -> None:
    """Write images.lock: the digest of each base image, and each target's packages with hashes.

    What the file pins already is kept while it fits images.toml. Builds then install exactly these
    packages, on these bases. SELECT limits the change to the targets that match.
    """
    if only_check and (updated or upgrade):
        raise UsageError("`--check` changes nothing", hint="leave out `--update` and `--upgrade`")
    if bases_only and packages_only:
        raise UsageError("that leaves nothing to lock", hint="leave out one of the two `--…-only`")
    project = scope.project(renders=True)
    old = new = project.lock or Lock()
    part = _Part(
        project=project,
        targets=scope.targets_or_all(project),
        whole=not scope.select,
        bases=not packages_only,
        packages=not bases_only,
    )
    if only_check:
        part.check(old)
    else:
        network = build_network.with_rules(project.config.substitutes)
        new = part.next(old, network, _update(updated, part.targets, old, everything=upgrade))
        lockfile.write(lockfile.beside(project.config.path, project.config.boundary), new)
    found = [str(each) for each in changes.between(old, new)]
    if as_json:
        click.echo(json.dumps({"bases": new.bases, "changes": found}, indent=2))
    else:
        click.echo("\n".join(found) or f"{lockfile.NAME} is up to date")


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The part of the lock that a run is about. `whole`: it is about all targets."""

    project: Project
    targets: tuple[Target, ...]
    whole: bool
    bases: bool
    packages: bool

    @property
    def of_bases(self) -> tuple[Target, ...]:
        return self.targets if self.bases else ()

    def wanted(self) -> dict[str, Request]:
        return check.requests(self.targets if self.packages else (), self.project.templates)

    def check(self, lock: Lock) -> None:
        """Raise LockError if `next` would change the lock."""
        wanted = self.wanted()
        surplus = check.surplus(lock, self.targets, wanted) if self.whole and self.packages else ()
        check.raise_for((*check.gaps(lock, self.of_bases, wanted), *surplus))

    def next(self, lock: Lock, network: Network, update: Update) -> Lock:
        """The lock with all that this part lacks. Raises ToolError."""
        wanted = self.wanted()
        logins = _logins(self.of_bases, network)
        lock = make.with_bases(lock, self.of_bases, network, logins, update)
        lock = make.with_packages(lock, wanted, network, update)
        every = (target.id for target in self.project.targets)
        ids = wanted if self.whole and self.packages else every
        return make.without_surplus(lock, self.project.targets, ids)


def _logins(targets: Sequence[Target], network: Network) -> dict[str, Login]:
    """New logins to the registries of ECR that docker has no login for."""
    rules = network.substitutes
    logins, refused = base_logins(substitution.registry(base, rules) for base in bases.of(targets))
    for host, error in refused.items():
        console.say(f"login to {host} failed: {error.message}", fg="yellow")
    return logins


def _update(
    names: Sequence[str], targets: Sequence[Target], lock: Lock, *, everything: bool
) -> Update:
    """What each NAME of `--update` means. Raises NothingSelectedError."""
    found = make.Update(all=everything)
    packages = {lockfile.name_of(pin) for each in lock.targets.values() for pin in each.packages}
    for name in names:
        own = {each.id for each in targets if name in (each.name, each.id)}
        if own:
            of = {each.base for each in targets if each.id in own}
            found = replace(found, targets=found.targets | own, bases=found.bases | of)
        elif name in bases.of(targets):
            found = replace(found, bases=found.bases | {name})
        elif (package := lockfile.name_of(name)) in packages:
            found = replace(found, packages=found.packages | {package})
        else:
            raise NothingSelectedError(
                f"`--update {suggest.shown(name)}`: no package, base image, image or target that "
                "is locked has this name",
                hint=f"look for the name in {lockfile.NAME} and images.toml",
            )
    return found
