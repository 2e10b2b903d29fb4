"""One registry to publish to: upload an image, check it, tag it.

The order: blobs, untagged manifest, check of what the registry serves, tag, check again. A tag
that points to another image is never moved, unless the repositories are mutable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.model import names
from buildkit.registry.manifests import refusals
from buildkit.support.errors import ToolError
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from buildkit.model.image import Built, Staged
    from buildkit.model.target import Target
    from buildkit.publish.image_archive import Packed
    from buildkit.registry.client import Blob
    from buildkit.registry.manifests import Manifest, Tagged


RERUN = "run `buildkit push` again; if the error remains, check the registry and any proxy"


@dataclass(frozen=True, kw_only=True, eq=False)
class Destination:
    """A registry to publish to, and what it is to hold.

    `upload` puts the blobs of a target into a repository. `have_repository` creates a missing one.
    `mutable`: tags may move from one image to another.
    """

    registry: Tagged
    upload: Callable[[str, Iterable[Blob], str], None]
    have_repository: Callable[[str], None]
    mutable: bool = False


def look(there: Destination, built: Built) -> Manifest | None:
    """The image under its tag, None if the tag is free. Raises ToolError for another image."""
    target = built.target
    found = there.registry.manifest(target.repository, target.tag)
    if found is None:
        return None
    if there.mutable and not _is(found, built):
        uri = _uri(there, target)
        console.step(
            target.id, f"moving mutable tag `{uri}`; it pointed to {found.digest}", fg="yellow"
        )
        return None
    _refuse_another(there, built, found)
    _refuse_unfit(there, target, found)
    return found


def send(there: Destination, packed: Packed, built: Built) -> Manifest:
    """Upload an image to a registry, without tagging it."""
    target, manifest, registry = built.target, packed.manifest, there.registry
    _refuse_unfit(there, target, manifest)
    console.step(target.id, f"pushing to {registry.host}", dim=True)
    there.have_repository(target.repository)
    there.upload(target.repository, packed.blobs, target.id)
    registry.put_manifest(target.repository, manifest.digest, manifest)
    _check(there, built, manifest)
    return manifest


def tag(there: Destination, manifest: Manifest, built: Built) -> Manifest:
    """Tag an image that a registry holds, and read the tag back."""
    target, registry = built.target, there.registry
    # Checked again: not all registries have immutable tags, and a large upload takes long.
    if (now := registry.manifest(target.repository, target.tag)) and not there.mutable:
        _refuse_another(there, built, now)
        return now
    try:
        registry.put_manifest(target.repository, target.tag, manifest)
    except ToolError:
        # Immutable tags: another publisher was quicker, with this image or with another one.
        now = registry.manifest(target.repository, target.tag)
        if now is None:
            raise
        _refuse_another(there, built, now)
    served = registry.manifest(target.repository, target.tag)
    if served is None:
        raise ToolError(
            f"`{_uri(there, target)}` was pushed, but the registry does not serve it", hint=RERUN
        )
    _refuse_another(there, built, served)
    return served


def held(there: Destination, staged: Staged) -> Manifest:
    """The manifest of a staged image. Raises ToolError if the registry does not hold it."""
    target, registry = staged.verified.built.target, there.registry
    found = registry.manifest(target.repository, staged.digest)
    if found is None:
        raise ToolError(
            f"the staged image `{registry.host}/{target.repository}@{staged.digest}` is not found",
            hint=f"upload it again: `buildkit build {target.id} --stage`",
        )
    _refuse_unfit(there, target, found)
    return found


def _check(there: Destination, built: Built, manifest: Manifest) -> None:
    """Check that the registry serves what was uploaded, for the platform of the target."""
    target, registry = built.target, there.registry
    served = registry.manifest(target.repository, manifest.digest)
    uri = f"{registry.host}/{target.repository}@{manifest.digest}"
    if served is None:
        raise ToolError(f"`{uri}` was pushed, but the registry does not serve it", hint=RERUN)
    _refuse_unfit(there, target, served)
    if served.content != manifest.content:
        raise ToolError(f"`{uri}` was pushed, but the registry serves {served.digest}", hint=RERUN)
    config = registry.config(target.repository, built.config_digest)
    found = f"{config.os}/{config.architecture}"
    if found != target.platform:
        raise ToolError(
            f"`{uri}` is for {found}, but the target's platform is {target.platform}",
            hint=f"rebuild the image: `buildkit build {target.id}`",
        )


def _refuse_another(there: Destination, built: Built, found: Manifest) -> None:
    """Raise ToolError unless a manifest is that of the built image.

    The digests are compared; those of the configurations if the engine's classic store does not
    know the manifest's before the push.
    """
    if _is(found, built):
        return
    target = built.target
    raise ToolError(
        f"`{_uri(there, target)}` already exists with another image: {found.digest}"
        f"{_made(there, target, found)}, not {built.manifest_digest or built.config_digest}",
        hint="tags are never overwritten: bump the revision in images.toml to "
        f"`{names.next_revision(target.version)}`, or allow tags to move with "
        '`mutability = "mutable"` in `[registry.repositories]`',
    )


def _is(found: Manifest, built: Built) -> bool:
    if built.manifest_digest is not None:
        return found.digest == built.manifest_digest
    return found.config_digest == built.config_digest


def _made(there: Destination, target: Target, found: Manifest) -> str:
    """When and by what an image was built, as far as its configuration says so."""
    try:
        config = there.registry.config(target.repository, found.config_digest or "")
    except ToolError:
        return ""
    by = next((step.comment for step in reversed(config.history or ())), None)
    by = (
        "buildx" if by and by.startswith("buildkit.") else by
    )  # buildx's builder is also named buildkit
    facts = (
        f"built {config.created}" if config.created else "",
        f"by {by}" if by else "",
    )
    return f" ({' '.join(filter(None, facts))})" if any(facts) else ""


def _refuse_unfit(there: Destination, target: Target, manifest: Manifest) -> None:
    if wrong := refusals(manifest):
        raise ToolError(
            f"SageMaker would refuse `{_uri(there, target)}` (contract IMG-02): {'; '.join(wrong)}",
            hint="rebuild the image with `buildkit build`, which makes the right kind of manifest",
        )


def _uri(there: Destination, target: Target) -> str:
    return f"{there.registry.host}/{target.image}"
