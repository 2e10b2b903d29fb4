"""Manifests, and whether SageMaker would take them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from buildkit.registry import shapes
from buildkit.registry.shapes import Document

if TYPE_CHECKING:
    from buildkit.registry.shapes import Configuration

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
"""The only type of manifest that all of SageMaker takes (contract IMG-02)."""
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
EVERY_TYPE = (
    DOCKER_MANIFEST,
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
"""If a request accepts all of them, a registry does not convert the manifest."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The bytes of a manifest, and the media type they were served as.

    The digest is computed from these bytes, never taken from the registry.
    """

    media_type: str
    content: bytes

    @cached_property
    def digest(self) -> str:
        return digest_of(self.content)

    @cached_property
    def document(self) -> Document:
        """Raises NotJsonError if the manifest is cut off, ValueError for another shape."""
        return shapes.read(Document, self.content)

    @property
    def layers_size(self) -> int:
        """Bytes of all layers, compressed."""
        return sum(layer.size for layer in self.document.layers or ())

    @property
    def config_digest(self) -> str | None:
        config = self.document.config
        return config.digest if config else None


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def refusals(manifest: Manifest) -> list[str]:
    """Why SageMaker would refuse this manifest (contract IMG-02); empty if it would not."""
    found = []
    if manifest.media_type != DOCKER_MANIFEST:
        found.append(f"the manifest is `{manifest.media_type}`, not `{DOCKER_MANIFEST}`")
    document = manifest.document
    if document.media_type not in (None, manifest.media_type):
        found.append(f"the manifest calls itself `{document.media_type}`")
    config = document.config.media_type if document.config else None
    if config != DOCKER_CONFIG:
        found.append(f"the configuration is `{config}`, not `{DOCKER_CONFIG}`")
    if document.layers is None:
        found.append("the manifest has no list of layers")
    found += [
        f"a layer is `{layer.media_type}`, not `{DOCKER_LAYER}`"
        for layer in document.layers or ()
        if layer.media_type != DOCKER_LAYER
    ]
    return found


class Tagged(Protocol):
    """The manifests and tags of one registry; fits `registry.client.Registry`.

    Each call raises ToolError if the registry does not answer, or refuses.
    """

    @property
    def host(self) -> str: ...

    def manifest(self, repository: str, reference: str) -> Manifest | None: ...

    def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> None: ...

    def config(self, repository: str, digest: str) -> Configuration: ...

    def tags(self, repository: str) -> tuple[str, ...]: ...
