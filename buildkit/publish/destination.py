"""One registry to publish to: upload an image, check it, tag it.

The order: blobs, untagged manifest, check of what the registry serves, tag, check again. A tag
that points to another image is never moved, unless the repositories are mutable.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from buildkit.model import names
from buildkit.registry.manifests import refusals
from buildkit.support.errors import BuildkitError, ToolError
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from buildkit.model.image import Built, Staged
    from buildkit.model.target import Target
    from buildkit.publish.packing import Packed
    from buildkit.registry.client import Blob, Registry
    from buildkit.registry.manifests import Manifest

Found = TypeVar("Found")
RERUN = "run `buildkit push` again; if the error remains, check the registry and any proxy"


@dataclass(frozen=True, kw_only=True, eq=False)
class Destination:
    """A registry that images go to.

    `upload` puts the blobs of a target into a repository. `have_repository` creates a missing one.
    `mutable`: tags may move from one image to another.
    """

    registry: Registry
    upload: Callable[[str, Iterable[Blob], str], None]
    have_repository: Callable[[str], None]
    mutable: bool = False

    def look(self, built: Built) -> Manifest | None:
        """The image under its tag, None if the tag is free. Raises ToolError for another image."""
        target = built.target
        found = self.registry.manifest(target.repository, target.tag)
        if found is None:
            return None
        if self.mutable and not _is(found, built):
            moving = f"moving mutable tag `{self._uri(target)}`; it pointed to {found.digest}"
            console.step(target.id, moving, fg="yellow")
            return None
        self._refuse_another(built, found)
        self._refuse_unfit(target, found)
        return found

    def send(self, packed: Packed, built: Built) -> Manifest:
        """Upload an image, without tagging it."""
        target, manifest = built.target, packed.manifest
        self._refuse_unfit(target, manifest)
        console.step(target.id, f"pushing to {self.registry.host}", dim=True)
        self.have_repository(target.repository)
        self.upload(target.repository, packed.blobs, target.id)
        self.registry.put_manifest(target.repository, manifest.digest, manifest)
        self._check(built, manifest)
        return manifest

    def held(self, staged: Staged) -> Manifest:
        """The manifest of a staged image. Raises ToolError if the registry does not hold it."""
        target = staged.verified.built.target
        found = self.registry.manifest(target.repository, staged.digest)
        if found is None:
            raise ToolError(
                f"the staged image `{self._uri(target, staged.digest)}` is not found",
                hint=f"upload it again: `buildkit build {target.id} --stage`",
            )
        self._refuse_unfit(target, found)
        return found

    def tag(self, built: Built, manifest: Manifest) -> None:
        """Tag an image that the registry holds, and read the tag back."""
        target, registry = built.target, self.registry
        # Checked again: not all registries have immutable tags, and a large upload takes long.
        now = registry.manifest(target.repository, target.tag)
        if now is not None and not self.mutable:
            self._refuse_another(built, now)
            return
        try:
            registry.put_manifest(target.repository, target.tag, manifest)
        except ToolError:
            # Immutable tags: another publisher was quicker, with this image or with another one.
            now = registry.manifest(target.repository, target.tag)
            if now is None:
                raise
            self._refuse_another(built, now)
        self._refuse_another(built, self._served(target))

    def _check(self, built: Built, manifest: Manifest) -> None:
        """Check that the registry serves what was uploaded, for the platform of the target."""
        target, uri = built.target, self._uri(built.target, manifest.digest)
        served = self._served(target, manifest.digest)
        self._refuse_unfit(target, served)
        if served.content != manifest.content:
            message = f"`{uri}` was pushed, but the registry serves {served.digest}"
            raise ToolError(message, hint=RERUN)
        config = self.registry.config(target.repository, built.config_digest)
        found = f"{config.os}/{config.architecture}"
        if found != target.platform:
            raise ToolError(
                f"`{uri}` is for {found}, but the target's platform is {target.platform}",
                hint=f"rebuild the image: `buildkit build {target.id}`",
            )

    def _served(self, target: Target, digest: str = "") -> Manifest:
        """What the registry serves after a push, under a digest or else under the tag."""
        found = self.registry.manifest(target.repository, digest or target.tag)
        if found is None:
            uri = self._uri(target, digest)
            raise ToolError(f"`{uri}` was pushed, but the registry does not serve it", hint=RERUN)
        return found

    def _refuse_another(self, built: Built, found: Manifest) -> None:
        """Raise ToolError unless a manifest is that of the built image."""
        if _is(found, built):
            return
        target = built.target
        raise ToolError(
            f"`{self._uri(target)}` already exists with another image: {found.digest}"
            f"{self._made(target, found)}, not {built.manifest_digest or built.config_digest}",
            hint=bump(target),
        )

    def _made(self, target: Target, found: Manifest) -> str:
        """When and by what an image was built, as far as its configuration says so."""
        try:
            config = self.registry.config(target.repository, found.config_digest or "")
        except ToolError:
            return ""
        by = next((step.comment for step in reversed(config.history or ())), None) or ""
        # buildx's builder is also named buildkit
        by = "buildx" if by.startswith("buildkit.") else by
        facts = (f"built {config.created}" if config.created else "", f"by {by}" if by else "")
        return f" ({' '.join(filter(None, facts))})" if any(facts) else ""

    def _refuse_unfit(self, target: Target, manifest: Manifest) -> None:
        if wrong := refusals(manifest):
            raise ToolError(
                f"SageMaker would refuse `{self._uri(target)}` (contract IMG-02): "
                + "; ".join(wrong),
                hint="rebuild the image with `buildkit build`, which makes the right kind of "
                "manifest",
            )

    def _uri(self, target: Target, digest: str = "") -> str:
        image = f"{target.repository}@{digest}" if digest else target.image
        return f"{self.registry.host}/{image}"


def bump(target: Target) -> str:
    """The hint for a target whose tag another image has."""
    return (
        "tags are never overwritten: bump the revision in images.toml to "
        f"`{names.next_revision(target.version)}`, or allow tags to move with "
        '`mutability = "mutable"` in `[registry.repositories]`'
    )


def everywhere(
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


def _is(found: Manifest, built: Built) -> bool:
    """Whether a manifest is that of the built image.

    The digests of the configurations are compared if the engine's classic store does not know the
    manifest's before the push.
    """
    if built.manifest_digest is not None:
        return found.digest == built.manifest_digest
    return found.config_digest == built.config_digest
