"""Verified -> Published: push the tested image, and check what the registry then serves.

Takes `Verified` and nothing else, so an untested image cannot be pushed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from buildkit import registry as registry_module
from buildkit.errors import ToolError
from buildkit.model import Published

if TYPE_CHECKING:
    from buildkit.model import Built, Verified
    from buildkit.registry import Manifest


class Registry(Protocol):
    """Reads from one registry."""

    @property
    def host(self) -> str: ...

    def manifest(self, repository: str, reference: str) -> Manifest | None: ...

    def config(self, repository: str, digest: str) -> object: ...


class Pusher(Protocol):
    """Pushes an image of the engine to that registry, as `<host>/<repository>:<tag>`."""

    def push(self, image_id: str, repository: str, tag: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Publisher:
    registry: Registry
    pusher: Pusher

    def publish(self, verified: Verified) -> Published:
        """Push, unless the very image is there already. Never overwrites a tag.

        Raises ToolError: another image has the tag; the push fails; the registry then serves
        something else, or something that SageMaker refuses.
        """
        built, target = verified.built, verified.built.target
        there = self.registry.manifest(target.repository, target.tag)
        if there is not None and not _same(there, built):
            raise ToolError(
                f"`{self._uri(verified)}` is there already, with another image: {there.digest}, "
                f"not {built.manifest_digest or built.config_digest}",
                hint="tags are never overwritten: raise the revision in images.toml "
                f"(`{_next_revision(target.version)}`)",
            )
        if there is None:
            self.pusher.push(built.image_id, target.repository, target.tag)
        manifest = there or self.registry.manifest(target.repository, target.tag)
        self._check(verified, manifest)
        assert manifest is not None
        return Published(
            verified=verified,
            uri=self._uri(verified),
            digest=manifest.digest,
            pushed=there is None,
        )

    def _check(self, verified: Verified, manifest: Manifest | None) -> None:
        """What the registry serves is one Docker schema 2 manifest of the tested image."""
        built, target = verified.built, verified.built.target
        uri = self._uri(verified)
        if manifest is None:
            raise ToolError(f"`{uri}` was pushed, but the registry does not serve it")
        if wrong := registry_module.refusals(manifest):
            raise ToolError(
                f"SageMaker would refuse `{uri}` (contract IMG-02): {'; '.join(wrong)}",
                hint="build it with `buildkit build`, which makes a manifest that it takes",
            )
        if not _same(manifest, built):
            raise ToolError(
                f"`{uri}` was pushed as {built.manifest_digest or built.config_digest}, but the "
                f"registry serves {manifest.digest}",
                hint="somebody else pushed the same tag; raise the revision in images.toml",
            )
        config = self.registry.config(target.repository, built.config_digest)
        assert isinstance(config, dict)
        found = f"{config.get('os')}/{config.get('architecture')}"
        if found != target.platform:
            raise ToolError(f"`{uri}` is for {found}, wanted is {target.platform}")

    def _uri(self, verified: Verified) -> str:
        return f"{self.registry.host}/{verified.built.target.image}"


def _same(manifest: Manifest, built: Built) -> bool:
    """Whether a manifest is the built image.

    By its digest; where the engine does not know that before the push, by its configuration's.
    """
    if built.manifest_digest is not None:
        return manifest.digest == built.manifest_digest
    return manifest.config_digest == built.config_digest


def _next_revision(version: str) -> str:
    stem, _, revision = version.rpartition("-")
    return f"{stem}-{int(revision) + 1}" if stem and revision.isdigit() else f"{version}-1"
