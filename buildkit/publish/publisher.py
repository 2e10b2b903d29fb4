"""Verified -> Published: upload the tested image to every registry, and tag it.

Takes `Verified` and nothing else, so an untested image cannot be pushed. In between, an image is
`Staged`: the registries hold it untagged, and a later run may tag it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from buildkit.model.image import Layer, Location, Published, Staged
from buildkit.publish.destination import everywhere
from buildkit.support.errors import BuildkitError, ToolError, UnavailableError, ending, together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkit.model.image import Built, Verified
    from buildkit.publish.destination import Destination
    from buildkit.publish.packing import Packer
    from buildkit.registry.client import Registry
    from buildkit.registry.manifests import Manifest


@dataclass(frozen=True, kw_only=True)
class Held:
    """An image in registries: with its tag, without it, and the errors by host."""

    tagged: Mapping[Destination, Manifest]
    untagged: Mapping[Destination, Manifest]
    failed: Mapping[str, BuildkitError]

    @property
    def manifest(self) -> Manifest:
        """The same in all registries."""
        return next(iter({**self.tagged, **self.untagged}.values()))


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """`absent` are registries that did not answer when the run began: errors by host.

    Without a packer, only staged images can be published.
    """

    destinations: Sequence[Destination]
    packer: Packer | None = None
    absent: Mapping[str, BuildkitError] = field(default_factory=dict)

    @property
    def registries(self) -> list[Registry]:
        return [each.registry for each in self.destinations]

    def publish(self, verified: Verified) -> Published:
        """Upload the image to every registry that lacks it, and tag it.

        Raises ToolError if another image has the tag somewhere (then nothing is uploaded), or if
        some registries failed: the error names them, and the others have the image.
        """
        return self._published(verified, self._send(verified.built))

    def stage(self, verified: Verified) -> Staged:
        """Upload the image to every registry, untagged. Raises the errors of `publish`.

        `release` tags it, once all images of a release are uploaded.
        """
        sent = self._send(verified.built)
        self._refuse(sent.failed)
        return Staged(
            verified=verified,
            digest=sent.manifest.digest,
            hosts=tuple(each.host for each in self.registries),
        )

    def check(self, staged: Staged) -> Staged:
        """Return the image. Raises ToolError if some registry could not tag it now."""
        built = staged.verified.built
        _, failed = everywhere(
            self.destinations, lambda each: each.look(built) or each.held(staged)
        )
        if failed := {**self.absent, **failed}:
            raise self._partly(failed, "nothing was tagged")
        return staged

    def release(self, staged: Staged) -> Published:
        """Tag a staged image in every registry. Raises the errors of `publish`."""
        tagged, lacking, failed = self._look(staged.verified.built)
        held, more = everywhere(lacking, lambda each: each.held(staged))
        there = Held(tagged=tagged, untagged=held, failed={**failed, **more})
        return self._published(staged.verified, there)

    def _send(self, built: Built) -> Held:
        """Upload the image to the registries that lack its tag."""
        tagged, lacking, failed = self._look(built)
        if not lacking:
            return Held(tagged=tagged, untagged={}, failed=failed)
        assert self.packer is not None
        with self.packer.packed(built) as packed:
            if differing := {each.digest for each in tagged.values()} - {packed.manifest.digest}:
                raise ToolError(
                    f"{built.target.image} has digest {', '.join(differing)} in one registry and "
                    f"would get {packed.manifest.digest} in another: another engine compressed its "
                    "layers",
                    hint="push from the machine that published the image, or bump the revision",
                )
            sent, more = everywhere(lacking, lambda each: each.send(packed, built))
        return Held(tagged=tagged, untagged=sent, failed={**failed, **more})

    def _look(
        self, built: Built
    ) -> tuple[dict[Destination, Manifest], list[Destination], dict[str, BuildkitError]]:
        """The registries that have the tag, those that lack it, and those that do not answer.

        Raises ToolError if it points to another image somewhere.
        """
        found, failed = everywhere(self.destinations, lambda each: each.look(built))
        if not all(isinstance(error, UnavailableError) for error in failed.values()):
            raise self._partly(failed, "nothing was uploaded")
        tagged = {each: manifest for each, manifest in found.items() if manifest is not None}
        lacking = [each for each in found if each not in tagged]
        return tagged, lacking, {**self.absent, **failed}

    def _published(self, verified: Verified, held: Held) -> Published:
        """Tag the image where it has no tag yet."""
        self._refuse({**held.failed, **_tag(held.untagged, verified.built)})
        image, manifest = verified.built.target.image, held.manifest
        return Published(
            verified=verified,
            digest=manifest.digest,
            size=manifest.layers_size,
            manifest_size=len(manifest.content),
            layers=tuple(
                Layer(digest=each.digest, size=each.size) for each in manifest.document.layers or ()
            ),
            locations=tuple(
                Location(uri=f"{each.registry.host}/{image}", pushed=each in held.untagged)
                for each in self.destinations
            ),
        )

    def _refuse(self, failed: Mapping[str, BuildkitError]) -> None:
        """Raise an error that names the registries that failed, and those that are done."""
        if failed:
            done = (each.host for each in self.registries if each.host not in failed)
            raise self._partly(failed, ending(done))

    def _partly(self, failed: Mapping[str, BuildkitError], others: str) -> BuildkitError:
        """The error of some registries: which failed and why, and the state of the `others`."""
        of = len(self.destinations) + len(self.absent)
        if of == 1:
            return next(iter(failed.values()))
        named = [
            ToolError(f"{host}: {error.message}", hint=error.hint) for host, error in failed.items()
        ]
        return together(named, of, others)


def _tag(untagged: Mapping[Destination, Manifest], built: Built) -> dict[str, BuildkitError]:
    """Tag the image in one registry, then in the others; return the errors by host.

    If two publishers want the same tag, the first registry by name decides. If it does not tag the
    image, for whatever reason, the others are not asked: one tag would point to two images.
    """
    if not untagged:
        return {}
    first, *others = sorted(untagged, key=lambda each: each.registry.host)
    _, failed = everywhere([first], lambda each: each.tag(built, untagged[each]))
    if failed:
        waits = ToolError(f"not tagged, because {first.registry.host} has to tag the image first")
        return {**failed, **{each.registry.host: waits for each in others}}
    _, failed = everywhere(others, lambda each: each.tag(built, untagged[each]))
    return failed
