"""One registry to publish to: an image into it, checked, and under its tag.

The order is: blobs, manifest without a tag, check of what is served, tag, check again. A tag that
has another image is never moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

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


class Carrier(Protocol):
    """Brings blobs into that registry."""

    def bring(self, repository: str, blobs: Iterable[Blob], subject: str) -> None: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Destination:
    """A registry to publish to. `have_repository` makes one that is missing.

    `mutable`: its owner lets tags go from one image to another.
    """

    registry: Tagged
    carrier: Carrier
    have_repository: Callable[[str], None]
    mutable: bool = False


def look(there: Destination, built: Built) -> Manifest | None:
    """The image under its tag, None if nothing is. Raises ToolError if it is another image."""
    target = built.target
    found = there.registry.manifest(target.repository, target.tag)
    if found is None:
        return None
    if there.mutable and not _is(found, built):
        console.step(target.id, f"`{_uri(there, target)}` goes on from {found.digest}", fg="yellow")
        return None
    _refuse_another(there, built, found)
    _refuse_unfit(there, target, found)
    return found


def send(there: Destination, packed: Packed, built: Built) -> Manifest:
    """Have the image in a registry without a tag."""
    target, manifest, registry = built.target, packed.manifest, there.registry
    _refuse_unfit(there, target, manifest)
    console.step(target.id, f"pushing to {registry.host}", dim=True)
    there.have_repository(target.repository)
    there.carrier.bring(target.repository, packed.blobs, target.id)
    registry.put_manifest(target.repository, manifest.digest, manifest)
    _check(there, built, manifest)
    return manifest


def tag(there: Destination, manifest: Manifest, built: Built) -> Manifest:
    """Give an image that a registry holds its tag, and read that back."""
    target, registry = built.target, there.registry
    # Again: not all registries keep tags, and a large image is long on its way.
    if (now := registry.manifest(target.repository, target.tag)) and not there.mutable:
        _refuse_another(there, built, now)
        return now
    try:
        registry.put_manifest(target.repository, target.tag, manifest)
    except ToolError:
        # Immutable tags: another publisher was quicker, with this image or another one.
        now = registry.manifest(target.repository, target.tag)
        if now is None:
            raise
        _refuse_another(there, built, now)
    served = registry.manifest(target.repository, target.tag)
    if served is None:
        raise ToolError(f"`{_uri(there, target)}` was pushed, but the registry does not serve it")
    _refuse_another(there, built, served)
    return served


def held(there: Destination, staged: Staged) -> Manifest:
    """A staged image as a registry holds it. Raises ToolError if it does not."""
    target, registry = staged.verified.built.target, there.registry
    found = registry.manifest(target.repository, staged.digest)
    if found is None:
        raise ToolError(
            f"{registry.host} does not hold {target.repository}@{staged.digest}, which was staged",
            hint=f"`buildkit build {target.id} --stage` sends it again",
        )
    _refuse_unfit(there, target, found)
    return found


def _check(there: Destination, built: Built, manifest: Manifest) -> None:
    """What the registry serves is what was sent, for the platform that is wanted."""
    target, registry = built.target, there.registry
    served = registry.manifest(target.repository, manifest.digest)
    uri = f"{registry.host}/{target.repository}@{manifest.digest}"
    if served is None:
        raise ToolError(f"`{uri}` was pushed, but the registry does not serve it")
    _refuse_unfit(there, target, served)
    if served.content != manifest.content:
        raise ToolError(f"`{uri}` was pushed, but the registry serves {served.digest}")
    config = registry.config(target.repository, built.config_digest)
    found = f"{config.os}/{config.architecture}"
    if found != target.platform:
        raise ToolError(f"`{uri}` is for {found}, wanted is {target.platform}")


def _refuse_another(there: Destination, built: Built, found: Manifest) -> None:
    """Raise ToolError unless a manifest is the built image.

    Told by its digest; where the engine does not know that before the push, by its configuration's.
    """
    if _is(found, built):
        return
    target = built.target
    raise ToolError(
        f"`{_uri(there, target)}` is there already, with another image: {found.digest}"
        f"{_made(there, target, found)}, not {built.manifest_digest or built.config_digest}",
        hint="tags are never overwritten: raise the revision in images.toml "
        f"(`{names.next_revision(target.version)}`), or let tags move with "
        '`mutability = "mutable"` below `[registry.repositories]`',
    )


def _is(found: Manifest, built: Built) -> bool:
    if built.manifest_digest is not None:
        return found.digest == built.manifest_digest
    return found.config_digest == built.config_digest


def _made(there: Destination, target: Target, found: Manifest) -> str:
    """When and by what an image was built, as far as it tells."""
    try:
        config = there.registry.config(target.repository, found.config_digest or "")
    except ToolError:
        return ""
    by = next((step.comment for step in reversed(config.history or ())), None)
    by = "buildx" if by and by.startswith("buildkit.") else by  # its builder has our name
    facts = (
        f"built {config.created}" if config.created else "",
        f"by {by}" if by else "",
    )
    return f" ({' '.join(filter(None, facts))})" if any(facts) else ""


def _refuse_unfit(there: Destination, target: Target, manifest: Manifest) -> None:
    if wrong := refusals(manifest):
        raise ToolError(
            f"SageMaker would refuse `{_uri(there, target)}` (contract IMG-02): {'; '.join(wrong)}",
            hint="build it with `buildkit build`, which makes a manifest that it takes",
        )


def _uri(there: Destination, target: Target) -> str:
    return f"{there.registry.host}/{target.image}"
