"""The registry in memory, with images in it, and with or without a list of referrers."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildkit.registry import referrers
from buildkit.registry.client import Registry, pull
from buildkit.registry.manifests import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, Manifest
from buildkit.registry.wire import Wire
from tests.support.registry_server import RegistryServer, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.registry_server import Reply

REFERRERS = re.compile(r"/v2/(?P<name>.+)/referrers/(?P<digest>sha256:[0-9a-f]{64})")


@dataclass
class Distribution(RegistryServer):
    """`refers`: it lists referrers by itself; `on_put` is told of each manifest that was stored."""

    refers: bool = False
    on_put: Callable[[str], None] = lambda _key: None

    @property
    def registry(self) -> Registry:
        return Registry(wire=Wire(host=self.host, login=lambda: None))

    def digest(self, key: str) -> str | None:
        """Of the manifest under `repository:tag`."""
        found = self.manifests.get(key)
        return None if found is None else digest(found[1])

    def image(
        self,
        repository: str,
        *tags: str,
        layers: list[bytes],
        config: Mapping[str, Any] | None = None,
    ) -> Manifest:
        """Put an image there."""
        blob = json.dumps({"os": "linux", "architecture": "amd64", **(config or {})}).encode()
        document = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": _descriptor(DOCKER_CONFIG, blob),
            "layers": [_descriptor(DOCKER_LAYER, each) for each in layers],
        }
        content = json.dumps(document).encode()
        held = self.blobs.setdefault(repository, {})
        held.update({digest(each): each for each in (blob, *layers)})
        for reference in (digest(content), *tags):
            self.manifests[f"{repository}:{reference}"] = (DOCKER_MANIFEST, content)
        return Manifest(media_type=DOCKER_MANIFEST, content=content)

    def reply(self, method: str, url: str, headers: Any, body: bytes) -> Reply:
        if (match := REFERRERS.fullmatch(url)) is None:
            return super().reply(method, url, headers, body)
        if not self.refers:
            return 404, {}, b"404 page not found"
        found = [
            _descriptor(kind, content) | {"artifactType": json.loads(content)["artifactType"]}
            for key, (kind, content) in self.manifests.items()
            if key.startswith(f"{match['name']}:sha256:")
            and (json.loads(content).get("subject") or {}).get("digest") == match["digest"]
        ]
        return 200, {}, json.dumps({"manifests": found}).encode()

    def _put(self, name: str, reference: str, kind: str, body: bytes) -> Reply:
        status, headers, content = super()._put(name, reference, kind, body)
        self.on_put(f"{name}:{reference}")
        subject = json.loads(body).get("subject")
        listed = {"OCI-Subject": subject["digest"]} if subject and self.refers else {}
        return status, {**headers, **listed}, content


def layer(files: Mapping[str, str | None]) -> bytes:
    """A layer of files with these texts; None is an empty one, such as a whiteout."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, text in files.items():
            content = (text or "").encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


def listed(registry: Registry, repository: str, digest: str) -> tuple[Mapping[str, Any], ...]:
    """The descriptors of what lies beside an image, from whichever list the registry has."""
    path = f"{repository}/referrers/{digest}"
    answer = registry.ask("GET", path, scope=pull(repository), absent=(404,), most=1 << 20)
    if answer is not None:
        return tuple(json.loads(answer.content)["manifests"])
    index = registry.manifest(repository, referrers.tag_of(digest))
    return tuple(json.loads(index.content)["manifests"]) if index else ()
