"""Read manifests back from a registry, over the distribution API (OCI distribution spec).

Nothing is trusted: digests are computed from the bytes that came.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from buildkit import names
from buildkit.errors import ToolError
from buildkit.model import DOCKER_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit.model import Login

DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
EVERY_TYPE = (
    DOCKER_MANIFEST,
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
"""Asked for all of them, a registry answers with what it has, unconverted."""
SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a tag points at: its type, digest and text."""

    media_type: str
    digest: str
    document: Mapping[str, Any]

    @property
    def config_digest(self) -> str | None:
        digest: str | None = self.document.get("config", {}).get("digest")
        return digest


@dataclass(frozen=True, kw_only=True)
class Registry:
    host: str
    login: Login

    def check(self) -> None:
        """Raise ToolError if it does not answer, or not to this login."""
        self._get("", {})

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """The manifest under a tag or digest, None if there is none. Raises ToolError."""
        answer = self._get(f"{repository}/manifests/{reference}", {"Accept": ", ".join(EVERY_TYPE)})
        if answer is None:
            return None
        try:
            document = json.loads(answer.content)
        except ValueError as error:
            raise ToolError(
                f"{self.host} sent a manifest of {repository}:{reference} that is not JSON"
            ) from error
        return Manifest(
            media_type=answer.headers.get("Content-Type", "").partition(";")[0],
            digest=f"sha256:{hashlib.sha256(answer.content).hexdigest()}",
            document=document,
        )

    def config(self, repository: str, digest: str) -> Mapping[str, Any]:
        """The configuration of an image, checked against its digest. Raises ToolError."""
        answer = self._get(f"{repository}/blobs/{digest}", {})
        if answer is None or f"sha256:{hashlib.sha256(answer.content).hexdigest()}" != digest:
            raise ToolError(f"{self.host} does not hold the configuration {digest}")
        document: Mapping[str, Any] = json.loads(answer.content)
        return document

    def _get(self, path: str, headers: Mapping[str, str]) -> requests.Response | None:
        scheme = "http" if names.is_loopback(self.host) else "https"
        try:
            answer = requests.get(
                f"{scheme}://{self.host}/v2/{path}",
                headers=headers,
                auth=(self.login.user, self.login.password),
                timeout=SECONDS,
            )
        except requests.exceptions.SSLError as error:
            raise ToolError(
                f"the certificate of the registry {self.host} is not trusted: {_reason(error)}",
                hint="name your network's certificates in REQUESTS_CA_BUNDLE, and give them to "
                "Docker too",
            ) from error
        except requests.RequestException as error:
            raise ToolError(
                f"the registry {self.host} does not answer: {_reason(error)}",
                hint="check the registry's name and the network",
            ) from error
        match answer.status_code:
            case 200:
                return answer
            case 404:
                return None
            case 401 | 403:
                raise ToolError(
                    f"the registry {self.host} refuses the login ({answer.status_code})",
                    hint="the login has expired or belongs to another registry; run it again",
                )
            case status:
                raise ToolError(
                    f"the registry {self.host} answered {status}: {answer.text[:200]}",
                    hint="run it again; what is in the registry already is kept",
                )


def _reason(error: requests.RequestException) -> str:
    """What happened on the network, without what urllib3 wraps around it."""
    return str(getattr(error.args[0], "reason", error) if error.args else error)


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
