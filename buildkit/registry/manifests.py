"""What a registry serves under a tag, and whether SageMaker would take it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
"""The one kind of manifest that all of SageMaker takes (contract IMG-02)."""
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
EVERY_TYPE = (
    DOCKER_MANIFEST,
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
"""Asked for all of them, a registry answers with what it has, unconverted."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The bytes of a manifest and the type they were served as.

    Nothing is trusted: the digest is computed from the bytes that came.
    """

    media_type: str
    content: bytes

    @cached_property
    def digest(self) -> str:
        return digest_of(self.content)

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """The manifest as JSON. Raises ValueError if it is cut off, or none."""
        document = json.loads(self.content)
        if not isinstance(document, dict):
            raise ValueError("a manifest that is no JSON object")  # noqa: TRY004 - as json's own
        return document

    @property
    def layers_size(self) -> int:
        """Bytes of all layers as they are sent."""
        return sum(layer["size"] for layer in self.document["layers"])

    @property
    def config_digest(self) -> str | None:
        digest: str | None = self.document.get("config", {}).get("digest")
        return digest


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def refusals(manifest: Manifest) -> list[str]:
    """Why SageMaker would refuse this manifest (contract IMG-02); nothing, if it would not."""
    found = []
    if manifest.media_type != DOCKER_MANIFEST:
        found.append(f"the manifest is `{manifest.media_type}`, not `{DOCKER_MANIFEST}`")
    if manifest.document.get("mediaType", manifest.media_type) != manifest.media_type:
        found.append(f"the manifest calls itself `{manifest.document['mediaType']}`")
    config = manifest.document.get("config", {}).get("mediaType")
    if config != DOCKER_CONFIG:
        found.append(f"its configuration is `{config}`, not `{DOCKER_CONFIG}`")
    found += [
        f"a layer is `{layer.get('mediaType')}`, not `{DOCKER_LAYER}`"
        for layer in manifest.document.get("layers", ())
        if layer.get("mediaType") != DOCKER_LAYER
    ]
    return found
