"""Hand-written stand-ins for the outside world, as small as the protocols they fit."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from buildkit.model import DOCKER_MANIFEST, Built, ClauseResult, Level, Report, Status, Verified
from buildkit.registry import DOCKER_CONFIG, DOCKER_LAYER, Manifest
from tests import projects

if TYPE_CHECKING:
    from buildkit.model import Target

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
        "config": {"mediaType": DOCKER_CONFIG, "digest": config_digest},
        "layers": [{"mediaType": DOCKER_LAYER, "digest": DIGEST}],
        **changes,
    }
    digest = hashlib.sha256(json.dumps(document).encode()).hexdigest()
    media_type = document["mediaType"]
    return Manifest(media_type=media_type, digest=f"sha256:{digest}", document=document)


@dataclass
class FakeRegistry:
    """A registry in a dict; what is pushed comes back as `serves`."""

    serves: Manifest
    tags: dict[str, Manifest] = field(default_factory=dict)
    platform: tuple[str, str] = ("linux", "amd64")
    pushed: list[str] = field(default_factory=list)
    host: str = "registry.example"

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        return self.tags.get(f"{repository}:{reference}")

    def config(self, repository: str, digest: str) -> dict[str, str]:
        return {"os": self.platform[0], "architecture": self.platform[1]}

    def push(self, image_id: str, repository: str, tag: str) -> None:
        self.pushed.append(image_id)
        self.tags[f"{repository}:{tag}"] = self.serves
