"""Hand-written stand-ins for the outside world, as small as the protocols they fit."""

from __future__ import annotations

import io
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from buildkit.model.image import Built, ClauseResult, Level, Report, Status, Verified
from buildkit.publish.packing import Packed
from buildkit.registry.client import Blob
from buildkit.registry.manifests import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, Manifest
from buildkit.registry.shapes import Configuration
from tests.support import projects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from buildkit.contract.checks import Unseen
    from buildkit.model.target import Target

DIGEST = f"sha256:{'a' * 64}"


def built(target: Target | None = None, *, manifest_digest: str | None = DIGEST) -> Built:
    return Built(
        target=target or projects.target(),
        image_id=manifest_digest or DIGEST,
        config_digest=f"sha256:{'c' * 64}",
        manifest_digest=manifest_digest,
    )


def clause(status: Status = Status.PASS, **changes: Any) -> ClauseResult:
    facts = {
        "id": "RUN-01",
        "level": Level.REQUIRED,
        "status": status,
        "title": "starts",
        "message": "",
        "hint": "make it start",
        "seconds": 0.0,
    }
    return ClauseResult(**{**facts, **changes})


def skipped(why: Unseen, **changes: Any) -> ClauseResult:
    return clause(Status.SKIP, message=str(why), skip=why.skip, **changes)


def report(*clauses: ClauseResult, digest: str = DIGEST) -> Report:
    return Report(
        image="demo", digest=digest, profile="smoke", suite="s", clauses=clauses, seconds=1.0
    )


def verified(image: Built | None = None) -> Verified:
    image = image or built()
    return Verified(built=image, report=report(clause(), digest=image.image_id))


def manifest(config_digest: str = f"sha256:{'c' * 64}", **changes: Any) -> Manifest:
    """A manifest that SageMaker takes, unless `changes` spoil it."""
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": {"mediaType": DOCKER_CONFIG, "digest": config_digest, "size": 2},
        "layers": [{"mediaType": DOCKER_LAYER, "digest": DIGEST, "size": 1}],
        **changes,
    }
    return Manifest(media_type=str(document["mediaType"]), content=json.dumps(document).encode())


@dataclass
class FakeRegistry:
    """A registry in a dict, where blobs are uploaded and repositories created.

    `distorts` is what it does to a manifest that it stores.
    """

    manifests: dict[str, Manifest] = field(default_factory=dict)
    platform: tuple[str, str] = ("linux", "amd64")
    host: str = "registry.example"
    distorts: Callable[[Manifest], Manifest] = lambda manifest: manifest
    done: list[str] = field(default_factory=list)

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        return self.manifests.get(f"{repository}:{reference}")

    def tags(self, repository: str) -> tuple[str, ...]:
        found = (name.partition(":") for name in self.manifests)
        return tuple(tag for name, _, tag in found if name == repository and ":" not in tag)

    def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> None:
        self.done.append(f"put {repository}:{reference}")
        self.manifests[f"{repository}:{reference}"] = self.distorts(manifest)

    def config(self, repository: str, digest: str) -> Configuration:
        return Configuration(os=self.platform[0], architecture=self.platform[1])

    def upload(self, repository: str, blobs: Iterable[Blob], subject: str) -> None:
        self.done.append(f"upload {len(list(blobs))}")

    def have_repository(self, name: str) -> None:
        self.done.append(f"have {name}")


@dataclass
class FakePacker:
    """Packs one image."""

    manifest: Manifest
    asked: int = 0

    @contextmanager
    def packed(self, built: Built) -> Iterator[Packed]:
        self.asked += 1
        blob = Blob(digest=built.config_digest, size=1, open=lambda: io.BytesIO(b"x"))
        yield Packed(manifest=self.manifest, config=blob, layers=())
