"""Artifacts attached to an image: manifests of their own that name the image as their subject.

The image's manifest and tags do not change. OCI image specification 1.1, "Guidelines for
Artifact Usage"; distribution specification 1.1, "Pushing Manifests with Subject", "Listing
Referrers" and "Referrers Tag Schema".
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from buildkit.registry import shapes
from buildkit.registry.client import Blob, push
from buildkit.registry.manifests import Manifest, digest_of
from buildkit.support.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkit.registry.client import Registry

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
NOTHING = b"{}"
"""The configuration that a manifest must have, but an artifact does not need."""
ATTEMPTS = 5
"""Others may write the same list: what they overwrite is added again."""

Descriptor = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One file to attach. `kind` is a media type, `created` a time in ISO 8601."""

    kind: str
    content: bytes
    created: str


def attach(
    registry: Registry, repository: str, subject: Descriptor, artifacts: Sequence[Artifact]
) -> tuple[str, ...]:
    """Attach artifacts to an image and list them; return their digests. Raises ToolError."""
    if not registry.has(repository, digest_of(NOTHING)):
        _send(registry, repository, NOTHING)
    digests, unlisted = [], []
    for artifact in artifacts:
        manifest = _manifest(subject, artifact)
        _send(registry, repository, artifact.content)
        answer = registry.ask(
            "PUT",
            f"{repository}/manifests/{manifest.digest}",
            scope=push(repository),
            headers={"Content-Type": manifest.media_type},
            body=manifest.content,
        )
        if answer is not None and "OCI-Subject" not in answer.headers:
            unlisted.append(_entry(artifact, manifest))
        digests.append(manifest.digest)
    if unlisted:
        _list(registry, repository, subject["digest"], unlisted)
    return tuple(digests)


def descriptor(media_type: str, digest: str, size: int) -> Descriptor:
    """How a manifest refers to another one, or to a blob of `size` bytes."""
    return {"mediaType": media_type, "digest": digest, "size": size}


def of(manifest: Manifest) -> Descriptor:
    """The descriptor of a manifest."""
    return _of(manifest.media_type, manifest.content)


def tag_of(digest: str) -> str:
    """The tag of the list, in a registry without the referrers API."""
    return digest.replace(":", "-")


def _list(registry: Registry, repository: str, subject: str, entries: Sequence[Descriptor]) -> None:
    """Add entries to the list under `tag_of`, unless they are in it."""
    for _ in range(ATTEMPTS):
        index = _index(registry, repository, subject)
        listed = index.get("manifests") or ()
        known = {each["digest"] for each in listed}
        lacking = [each for each in entries if each["digest"] not in known]
        if not lacking:
            return
        document = {**index, "schemaVersion": 2, "mediaType": INDEX}
        document["manifests"] = [*listed, *lacking]
        manifest = Manifest(media_type=INDEX, content=json.dumps(document).encode())
        registry.put_manifest(repository, tag_of(subject), manifest)
    raise ToolError(
        f"other processes keep changing the list {registry.host}/{repository}:{tag_of(subject)}",
        hint="rerun the command once they have finished",
    )


def _index(registry: Registry, repository: str, subject: str) -> Mapping[str, Any]:
    """The list as the registry has it, with the entries of others. Raises ToolError."""
    found = registry.manifest(repository, tag_of(subject))
    if found is None:
        return {}
    if found.media_type != INDEX:
        raise ToolError(
            f"{registry.host}/{repository}:{tag_of(subject)} should be the list of artifacts of "
            f"{subject}, but is `{found.media_type}`",
            hint="remove that tag from the registry; another tool made it",
        )
    return cast("Mapping[str, Any]", shapes.parsed(found.content))


def _manifest(subject: Descriptor, artifact: Artifact) -> Manifest:
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact.kind,
        "config": _of(EMPTY, NOTHING),
        "layers": [_of(artifact.kind, artifact.content)],
        "subject": subject,
        "annotations": _annotations(artifact),
    }
    return Manifest(media_type=MANIFEST, content=json.dumps(document).encode())


def _entry(artifact: Artifact, manifest: Manifest) -> Descriptor:
    """The list entry of an artifact."""
    return of(manifest) | {"artifactType": artifact.kind, "annotations": _annotations(artifact)}


def _annotations(artifact: Artifact) -> dict[str, str]:
    return {"org.opencontainers.image.created": artifact.created}


def _of(media_type: str, content: bytes) -> Descriptor:
    return descriptor(media_type, digest_of(content), len(content))


def _send(registry: Registry, repository: str, content: bytes) -> None:
    digest = digest_of(content)
    blob = Blob(digest=digest, size=len(content), open=lambda: io.BytesIO(content))
    registry.upload(repository, blob)
