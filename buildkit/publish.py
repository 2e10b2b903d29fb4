"""Verified -> Published: the tested image into every registry, and under its tag.

Takes `Verified` and nothing else, so an untested image cannot be pushed. Half-way an image is
`Staged`: the registries hold it without a tag, and somebody else may give it that.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from buildkit import destination
from buildkit.errors import BuildkitError, ToolError, UnavailableError, ending, together
from buildkit.shipped import Location, Published, Staged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from buildkit.destination import Destination
    from buildkit.export import Packed
    from buildkit.model import Built, Verified
    from buildkit.registry.manifests import Manifest

    Send = Callable[[Destination, Packed, Built], Manifest]


class Packer(Protocol):
    """Has an image's bytes at hand while a context lasts."""

    def packed(self, built: Built) -> AbstractContextManager[Packed]: ...


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """`absent` are registries that did not answer when the run began, by host, and why.

    Without a packer there are only images that are staged.
    """

    destinations: Sequence[Destination]
    packer: Packer | None
    absent: Mapping[str, BuildkitError] = field(default_factory=dict)

    def publish(self, verified: Verified) -> Published:
        """Have the image in every registry under its tag, sending only what is missing.

        Raises ToolError: another image has the tag somewhere, and then nothing is sent anywhere; or
        some registries failed, which are named, while the others have the image.
        """
        manifest, lacking = self._have(verified.built, destination.push)
        return self._published(verified, manifest, lacking)

    def stage(self, verified: Verified) -> Staged:
        """Have the image in every registry by its digest. Raises the errors of `publish`.

        It gets no tag: whoever has all images of a release together gives them theirs.
        """
        manifest, _ = self._have(verified.built, destination.send)
        return Staged(
            verified=verified,
            digest=manifest.digest,
            hosts=tuple(each.registry.host for each in self.destinations),
        )

    def check(self, staged: Staged) -> Staged:
        """The same image. Raises ToolError if it could not have its tag in every registry now."""
        built = staged.verified.built
        found, failed = _everywhere(self.destinations, lambda each: destination.look(each, built))
        lacking = [each for each, manifest in found.items() if manifest is None]
        _, more = _everywhere(lacking, lambda each: destination.held(each, staged))
        if failed := {**self.absent, **failed, **more}:
            raise self._partly(failed, "no tag was given anywhere")
        return staged

    def release(self, staged: Staged) -> Published:
        """Give an image its tag in every registry. Raises ToolError, as `publish` does."""
        built = staged.verified.built
        found, failed = self._look(built)
        lacking = [each for each, manifest in found.items() if manifest is None]
        tagged, more = _everywhere(
            lacking, lambda each: destination.tag(each, destination.held(each, staged), built)
        )
        there = [each for each in (*found.values(), *tagged.values()) if each is not None]
        self._refuse_partly(found, {**failed, **more})
        return self._published(staged.verified, there[0], lacking)

    def _have(self, built: Built, send: Send) -> tuple[Manifest, Sequence[Destination]]:
        """Do `send` where the tag is not there yet; return the image, and where that was."""
        found, failed = self._look(built)
        lacking = [each for each, manifest in found.items() if manifest is None]
        there = [manifest for manifest in found.values() if manifest is not None]
        if lacking:
            assert self.packer is not None
            with self.packer.packed(built) as packed:
                if differing := {each.digest for each in there} - {packed.manifest.digest}:
                    raise ToolError(
                        f"{built.target.image} would be {packed.manifest.digest} in one registry "
                        f"and {', '.join(differing)} in another: another engine has compressed it",
                        hint="publish from where it was published before, or raise the revision",
                    )
                _, more = _everywhere(lacking, lambda each: send(each, packed, built))
            failed = {**failed, **more}
            there = [packed.manifest]
        self._refuse_partly(found, failed)
        return there[0], lacking

    def _look(
        self, built: Built
    ) -> tuple[dict[Destination, Manifest | None], dict[str, BuildkitError]]:
        """What has the tag in each registry, and which do not answer.

        Raises ToolError if it is another image somewhere.
        """
        found, failed = _everywhere(self.destinations, lambda each: destination.look(each, built))
        if not all(isinstance(error, UnavailableError) for error in failed.values()):
            raise self._partly(failed, "nothing was sent anywhere")
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
        """Some registries failed, of several: which and why, and how it is in the others."""
        of = len(self.destinations) + len(self.absent)
        if of == 1:
            return next(iter(failed.values()))
        named = [
            ToolError(f"{host}: {error.message}", hint=error.hint) for host, error in failed.items()
        ]
        return together(named, of, others)


def _everywhere(
    destinations: Sequence[Destination], work: Callable[[Destination], Manifest | None]
) -> tuple[dict[Destination, Manifest | None], dict[str, BuildkitError]]:
    """Work in all registries side by side: what came of it, and by host what failed.

    One that fails does not stop the others.
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
