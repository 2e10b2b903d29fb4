"""`buildkit lock`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from buildkit.build.images import base_logins
from buildkit.commands import complete, options
from buildkit.config import substitution
from buildkit.lock import bases, changes, check, lockfile, make
from buildkit.lock.lockfile import Lock
from buildkit.support import suggest
from buildkit.support.errors import NothingSelectedError, UsageError
from buildkit.system import console, files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.commands.scope import Scope
    from buildkit.config.network import Network
    from buildkit.lock.make import Update
    from buildkit.model.login import Login
    from buildkit.model.target import Target

HINT = "make images.lock and its folder writable"


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
    shell_complete=complete.targets,
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
    if bases_only and packages_only:
        raise UsageError(
            "`--bases-only` and `--packages-only` exclude each other", hint="leave one out"
        )
    if only_check and (updated or upgrade):
        raise UsageError("`--check` changes nothing", hint="leave out `--update` and `--upgrade`")
    project = scope.project(renders=True)
    targets, old = scope.targets_or_all(project), project.lock or Lock()
    of_packages = () if bases_only else targets
    of_bases = () if packages_only else targets
    wanted = check.requests(of_packages, project.templates)
    whole = not scope.select and not bases_only
    if only_check:
        lines = check.gaps(old, of_bases, wanted)
        check.raise_for((*lines, *(check.surplus(old, targets, wanted) if whole else ())))
        new = old
    else:
        network = build_network.with_rules(project.config.substitutes)
        update = _update(updated, targets, old, everything=upgrade)
        new = make.with_bases(old, of_bases, network, _logins(of_bases, network), update)
        new = make.with_packages(new, wanted, network, update)
        ids = wanted if whole else [each.id for each in project.targets]
        new = make.without_surplus(new, project.targets, ids)
        path = lockfile.beside(project.config.path, project.config.boundary)
        files.write_text(path.resolve(), lockfile.text(new), hint=HINT)
    found = changes.between(old, new)
    if as_json:
        click.echo(json.dumps({"bases": new.bases, "changes": found}, indent=2))
    else:
        click.echo("\n".join(found) or f"{lockfile.NAME} is up to date")


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
