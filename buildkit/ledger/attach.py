"""Attaches records and test reports to the images in their registries.

This is an extra: a failure is only said, and changes nothing else.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from buildkit.ledger import ledger
from buildkit.registry import referrers
from buildkit.registry.referrers import Artifact
from buildkit.support.errors import BuildkitError
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from buildkit.ledger.record import Image, Release
    from buildkit.model.image import Report
    from buildkit.registry.client import Registry
    from buildkit.registry.referrers import Descriptor

RELEASE = "application/vnd.buildkit.release.v1+json"
REPORT = "application/vnd.buildkit.test-report.v1+json"
SIDE_BY_SIDE = 8
"""Images at a time."""


def attach(
    release: Release,
    reports: Mapping[str, Report],
    registries: Sequence[Registry],
    subjects: Mapping[str, Descriptor],
) -> None:
    """Attach to each image its part of a record, and the report of its target.

    Only in these registries. `subjects` describe manifests, by their digest.
    """
    by_host = {each.host: each for each in registries}
    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
        work = [
            pool.submit(_attach, by_host[host], image, subjects[image.digest], artifacts)
            for image in release.images
            for artifacts in [tuple(_artifacts(release, image, reports))]
            for host in image.hosts
            if host in by_host
        ]
    for each in work:
        each.result()


def _attach(
    registry: Registry, image: Image, subject: Descriptor, artifacts: Sequence[Artifact]
) -> None:
    try:
        referrers.attach(registry, image.repository, subject, artifacts)
    except BuildkitError as error:
        where = f"{registry.host}/{image.repository}"
        console.step(
            image.target,
            f"published, but the record could not be attached in {where}: {error.message}",
            fg="yellow",
        )


def _artifacts(release: Release, image: Image, reports: Mapping[str, Report]) -> Iterator[Artifact]:
    alone = replace(release, images=(image,), moves=())
    yield Artifact(kind=RELEASE, content=ledger.text(alone).encode(), created=release.time)
    if (report := reports.get(image.target)) is not None:
        content = json.dumps(asdict(report)).encode()
        yield Artifact(kind=REPORT, content=content, created=release.time)
