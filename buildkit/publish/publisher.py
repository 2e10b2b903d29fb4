"""Verified -> Published: upload the tested image to every registry, and tag it.

Takes `Verified` and nothing else, so an untested image cannot be pushed. In between, an image is
`Staged`: the registries hold it untagged, and a later run may tag it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from buildkit.model.image import Location, Published, Staged
from buildkit.publish import destination
from buildkit.support.errors import BuildkitError, ToolError, UnavailableError, ending, together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from buildkit.model.image import Built, Verified
    from buildkit.publish.destination import Destination
    from buildkit.publish.image_archive import Packed
    from buildkit.registry.manifests import Manifest


Found = TypeVar("Found")


class Packer(Protocol):
    """Makes an image's bytes readable inside a `with` block."""

    def packed(self, built: Built) -> AbstractContextManager[Packed]: ...


@dataclass(frozen=True, kw_only=True)
class Sent:
    """An uploaded image: the registries it went to, those that were asked, and errors by host."""

    manifest: Manifest
    to: Sequence[Destination]
    found: Mapping[Destination, Manifest | None]
    failed: Mapping[str, BuildkitError]


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """`absent` are registries that did not answer when the run began: errors by host.

    Without a packer, only staged images can be published.
    """

    destinations: Sequence[Destination]
    packer: Packer | None
    absent: Mapping[str, BuildkitError] = field(default_factory=dict)

    def publish(self, verified: Verified) -> Published:
        """Upload the image to every registry that lacks it, and tag it.

        Raises ToolError if another image has the tag somewhere (then nothing is uploaded), or if
        some registries failed: the error names them, and the others have the image.
        """
        built = verified.built
        sent = self._send(built)
        failed = _tag(sent.to, built, lambda _: sent.manifest)
        self._refuse_partly(sent.found, {**sent.failed, **failed})
        return self._published(verified, sent.manifest, sent.to)

    def stage(self, verified: Verified) -> Staged:
        """Upload the image to every registry, untagged. Raises the errors of `publish`.

        `release` tags it, once all images of a release are uploaded.
        """
        sent = self._send(verified.built)
        self._refuse_partly(sent.found, sent.failed)
        return Staged(
            verified=verified,
            digest=sent.manifest.digest,
            hosts=tuple(each.registry.host for each in self.destinations),
        )

    def check(self, staged: Staged) -> Staged:
        """Return the image. Raises ToolError if some registry could not tag it now."""
        built = staged.verified.built
        found, failed = _everywhere(self.destinations, lambda each: destination.look(each, built))
        lacking = [each for each, manifest in found.items() if manifest is None]
        _, more = _everywhere(lacking, lambda each: destination.held(each, staged))
        if failed := {**self.absent, **failed, **more}:
            raise self._partly(failed, "nothing was tagged")
        return staged

    def release(self, staged: Staged) -> Published:
        """Tag a staged image in every registry. Raises the errors of `publish`."""
        built = staged.verified.built
        found, failed = self._look(built)
        lacking = [each for each, manifest in found.items() if manifest is None]
        held, more = _everywhere(lacking, lambda each: destination.held(each, staged))
        manifests = {**found, **held}
        failed |= more
        failed |= _tag(list(held), built, lambda each: held[each])
        self._refuse_partly(found, failed)
        manifest = next(each for each in manifests.values() if each is not None)
        return self._published(staged.verified, manifest, lacking)

    def _send(self, built: Built) -> Sent:
        """Upload the image to the registries that lack its tag."""
        found, failed = self._look(built)
        lacking = [each for each, manifest in found.items() if manifest is None]
        there = [manifest for manifest in found.values() if manifest is not None]
        if not lacking:
            self._refuse_partly(found, failed)
            return Sent(manifest=there[0], to=(), found=found, failed=failed)
        assert self.packer is not None
        with self.packer.packed(built) as packed:
            if differing := {each.digest for each in there} - {packed.manifest.digest}:
                raise ToolError(
                    f"{built.target.image} is {', '.join(differing)} in one registry and would be "
                    f"{packed.manifest.digest} in another: another engine compressed its layers",
                    hint="push from the machine that published the image, or bump the revision",
                )
            sent, more = _everywhere(lacking, lambda each: destination.send(each, packed, built))
        return Sent(
            manifest=packed.manifest, to=tuple(sent), found=found, failed={**failed, **more}
        )

    def _look(
        self, built: Built
    ) -> tuple[dict[Destination, Manifest | None], dict[str, BuildkitError]]:
        """What the tag points to in each registry, and the registries that do not answer.

        Raises ToolError if it points to another image somewhere.
        """
        found, failed = _everywhere(self.destinations, lambda each: destination.look(each, built))
        if not all(isinstance(error, UnavailableError) for error in failed.values()):
            raise self._partly(failed, "nothing was uploaded")
        return found, {**self.absent, **failed}

    def _refuse_partly(
        self, found: Iterable[Destination], failed: Mapping[str, BuildkitError]
    ) -> None:
        if failed:
            hosts = (each.registry.host for each in found)
            raise self._partly(failed, ending(host for host in hosts if host not in failed))

    def _published(
        self, verified: Verified, manifest: Manifest, lacking: Sequence[Destination]
    ) -> Published:
        image = verified.built.target.image
        return Published(
            verified=verified,
            digest=manifest.digest,
            size=manifest.layers_size,
            manifest_size=len(manifest.content),
            locations=tuple(
                Location(uri=f"{each.registry.host}/{image}", pushed=each in lacking)
                for each in self.destinations
            ),
        )

    def _partly(self, failed: Mapping[str, BuildkitError], others: str) -> BuildkitError:
        """The error of some registries: which failed and why, and the state of the `others`."""
        of = len(self.destinations) + len(self.absent)
        if of == 1:
            return next(iter(failed.values()))
        named = [
            ToolError(f"{host}: {error.message}", hint=error.hint) for host, error in failed.items()
        ]
        return together(named, of, others)


def _tag(
    destinations: Sequence[Destination],
    built: Built,
    manifest: Callable[[Destination], Manifest],
) -> dict[str, BuildkitError]:
    """Tag the image in one registry, then in the others; return the errors by host.

    If two publishers want the same tag, the first registry by name decides. If it does not tag the
    image, for whatever reason, the others are not asked: one tag would point to two images.
    """
    if not destinations:
        return {}
    first, *others = sorted(destinations, key=lambda each: each.registry.host)
    _, failed = _everywhere([first], lambda each: destination.tag(each, manifest(each), built))
    if failed:
        waits = ToolError(f"not tagged, because {first.registry.host} has to tag the image first")
        return {**failed, **{each.registry.host: waits for each in others}}
    _, more = _everywhere(others, lambda each: destination.tag(each, manifest(each), built))
    return more


def _everywhere(
    destinations: Sequence[Destination], work: Callable[[Destination], Found]
) -> tuple[dict[Destination, Found], dict[str, BuildkitError]]:
    """Work in all registries in parallel; return the results, and the errors by host.

    A registry that fails does not stop the others.
    """
    with ThreadPoolExecutor(max_workers=max(1, len(destinations))) as pool:
        begun = {each: pool.submit(work, each) for each in destinations}
    found, failed = {}, {}
    for each, future in begun.items():
        try:
            found[each] = future.result()
        except BuildkitError as error:
            failed[each.registry.host] = error
    return found, failed
