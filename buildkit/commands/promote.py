"""`buildkit promote`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from buildkit.aliases import by_hand, moves
from buildkit.commands import complete, options
from buildkit.ledger import attach, find, history, ledger, make
from buildkit.ledger.record import Action
from buildkit.model import names
from buildkit.publish import connect, copying
from buildkit.registry import referrers
from buildkit.support import suggest
from buildkit.support.errors import (
    BuildkitError,
    NothingSelectedError,
    ToolError,
    UsageError,
    ending,
    together,
)
from buildkit.system import console, git

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from contextlib import AbstractContextManager

    from buildkit.aliases.moves import Alias
    from buildkit.commands.scope import Scope
    from buildkit.ledger.record import Image, Release
    from buildkit.project import Project
    from buildkit.publish.destination import Destination
    from buildkit.registry.manifests import Manifest
    from buildkit.registry.referrers import Descriptor


@click.command(
    "promote",
    epilog="\b\nExamples:\n  buildkit promote sha256:16e4af5aaf43 --to sklearn:stable\n"
    "  buildkit promote sklearn-1.7.2-cpu-py311 --to sklearn:stable\n"
    "  buildkit promote 16e4af5aaf43 --to production/sklearn",
)
@click.argument("digest", metavar="DIGEST|TARGET", shell_complete=complete.digests)
@click.option(
    "--to",
    required=True,
    metavar="ALIAS|REPOSITORY",
    help="Move this alias (`REPOSITORY:ALIAS`), or copy the image to this repository.",
)
@options.READ
@options.JSON
@options.LOOK_IN
def command(
    *, scope: Scope, digest: str, to: str, as_json: bool, registries: tuple[str, ...]
) -> None:
    """Move an alias to a released image, or copy the image to another repository.

    No image is built. Name the image by a DIGEST of the ledger (12 digits are enough), by TARGET
    for its newest release, or by TARGET@RECORD for an earlier one. Each registry that holds the
    image moves the alias, or copies the image under its exact tag, which never moves. In --to,
    ALIAS alone is enough if the ledger has one repository; a name without `:` is a repository if it
    has a `/` or the project knows it.
    """
    project = scope.project()
    book = scope.ledger()
    promotion = Promotion(project=project, book=book, releases=book.read(), given=registries)
    book.check()
    images = find.images(promotion.releases, digest)
    repository = promotion.repository(to, images)
    if repository is None:
        alias = by_hand.alias(to, promotion.releases, project)
        release = promotion.move(images, alias)
    else:
        release = promotion.copy(images, repository)
    by_hand.show(release, as_json=as_json)


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """What a promotion starts with. `given` are the registries of the command line."""

    project: Project
    book: ledger.Ledger
    releases: Sequence[Release]
    given: Sequence[str]

    def repository(self, to: str, images: Sequence[Image]) -> str | None:
        """The repository that `to` names; None if `to` is an alias."""
        name, colon, tag = to.rpartition(":")
        if colon:
            return name if any(tag == i.tag and name != i.repository for i in images) else None
        known = history.repositories(self.releases)
        known |= {target.repository for target in self.project.targets}
        if "/" not in to and to not in known:
            return None
        try:
            return names.repository(to)
        except ValueError as error:
            raise UsageError(
                f"`{suggest.shown(to)}`: {error}", hint="pass `REPOSITORY` without a host"
            ) from error

    def move(self, images: Sequence[Image], alias: Alias) -> Release:
        """Move an alias in every registry that holds the image."""
        here = [each for each in images if each.repository == alias.repository]
        if not here:
            raise NothingSelectedError(
                f"the ledger has the image {images[0].digest} in `{images[0].repository}`, but not "
                f"in `{alias.repository}`",
                hint="copy the image first: `buildkit promote "
                f"{images[0].digest[: names.SHORT_DIGEST]} --to "
                f"{alias.repository}:{images[0].tag}`",
            )
        aims = []
        with self._reach(here) as reached:
            for each in reached:
                found = moves.aim(each.registry, alias, here[0].digest, here[0].tag)
                if found is None:
                    host = each.registry.host
                    console.say(
                        f"`{alias}` not moved in {host}, which does not hold the image", fg="yellow"
                    )
                else:
                    aims.append(found)
            if not aims:
                raise _nowhere(here[0], reached)
            return by_hand.record(self.book, self.releases, Action.PROMOTE, aims)

    def copy(self, images: Sequence[Image], to: str) -> Release:
        """Copy an image to another repository of its registries, unless it is already there."""
        sources = [each for each in images if each.repository != to]
        if not sources:
            raise UsageError(
                f"the image {images[0].digest} is already in `{to}`, as `{to}:{images[0].tag}`",
                hint=f"name an alias, `--to {to}:ALIAS`, or another repository",
            )
        known = {uri for each in images if each.repository == to for uri in each.locations}
        with self._reach(sources) as reached:
            return self._copy(sources, to, reached, known)

    def _reach(self, images: Sequence[Image]) -> AbstractContextManager[tuple[Destination, ...]]:
        hosts = by_hand.hosts(self.given, (host for each in images for host in each.hosts))
        return connect.reach(self.project.config, hosts, self.project.targets)

    def _copy(
        self,
        sources: Sequence[Image],
        to: str,
        reached: Sequence[Destination],
        known: Collection[str],
    ) -> Release:
        done, news, errors = [], [], []
        subjects: dict[str, Descriptor] = {}
        for each in reached:
            host = each.registry.host
            source = next((image for image in sources if host in image.hosts), sources[0])
            try:
                uri, manifest, copied = _copied(source, to, each)
            except BuildkitError as error:
                errors.append(error)
                continue
            done.append(uri)
            subjects[manifest.digest] = referrers.of(manifest)
            if copied or uri not in known:
                news.append(each.registry)
        copy = replace(sources[0], repository=to, locations=tuple(done))
        release = make.release(
            Action.PROMOTE,
            git.commit(self.book.path),
            images=[copy] if done else [],
        )
        if news:
            attach.attach(release, {}, news, subjects)
            self.book.append(release)
        if errors:
            raise together(errors, len(reached), ending(done))
        return release


def _copied(image: Image, to: str, there: Destination) -> tuple[str, Manifest, bool]:
    """Copy an image within a registry: its URI there, its manifest, whether the copy is new."""
    registry = there.registry
    manifest = registry.manifest(image.repository, image.digest)
    if manifest is None:
        raise _nowhere(image, [there])
    uri = f"{registry.host}/{to}:{image.tag}"
    copied = copying.copy(registry, image, manifest, to, there.have_repository)
    if copied:
        console.say(f"copied to {uri}", fg="green")
    else:
        console.say(f"{uri} already exists")
    return uri, manifest, copied


def _nowhere(image: Image, reached: Sequence[Destination]) -> ToolError:
    hosts = ", ".join(each.registry.host for each in reached)
    return ToolError(
        f"the ledger has `{image.repository}@{image.digest}`, but {hosts} does not hold the image",
        hint=f"push the image again: `buildkit push {image.target}`; or name a registry that holds "
        "the image with `--registry HOST`",
    )
