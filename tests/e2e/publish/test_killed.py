"""`kill -9` at any moment of a publish: what the registries then hold, and one more run.

BUILDKIT_KILLS and BUILDKIT_KILLED_TARGETS set how many moments and targets are tried: `make kills`
tries 40 and 12.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from buildkit.ledger.attach import RELEASE, REPORT
from tests.e2e.support import tested as once
from tests.e2e.support.fault_relay import FaultRelay
from tests.support.registry_server import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.support.real import Local, Project

KILLS = int(os.environ.get("BUILDKIT_KILLS", "2"))
VERSIONS = int(os.environ.get("BUILDKIT_KILLED_TARGETS", "2"))
EXACT = tuple(f"1.{number}-cpu-py311" for number in range(VERSIONS))
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def tested(local: Local, tested_once: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Images that have been built and tested. Each moves two aliases."""
    project = once.copy(tested_once, tmp_path_factory.mktemp("killed") / "project")
    versions = [f"1.{number}" for number in range(VERSIONS)]
    text = once.IMAGES.replace('["1.0", "1.1"]', str(versions))
    project.write(text.replace("aliases = [", 'aliases = ["{major}-{device}-{py}", '))
    done = local.buildkit("build", "--all", folder=project.folder, seconds=1500)
    assert done.code == 0, done.stderr
    return project


@pytest.fixture(scope="module")
def whole(local: Local, tested: Project) -> int:
    """How many requests a publish makes that nobody disturbs."""
    with two_regions(local) as registries:
        done = local.buildkit(*push(registries), folder=tested.folder)
        assert done.code == 0, done.stderr
        return requested(registries)


@pytest.fixture
def regions(local: Local) -> Iterator[tuple[FaultRelay, FaultRelay]]:
    with two_regions(local) as found:
        yield found


@contextmanager
def two_regions(local: Local) -> Iterator[tuple[FaultRelay, FaultRelay]]:
    """Two registries, with nothing in them but what is published now."""
    number = next(NUMBERS)
    first, second = (
        FaultRelay(target=f"http://{local.registry}", prefix=f"kill-{number}-{region}/")
        for region in ("one", "two")
    )
    with running(first), running(second):
        yield first, second


def push(registries: tuple[FaultRelay, ...]) -> tuple[str, ...]:
    return ("push", "--all", *(word for each in registries for word in ("--registry", each.host)))


def tags(registry: FaultRelay) -> dict[str, str]:
    """What was given each tag last, in the order in which tags were given first.

    Without `sha256-…`: such a tag is the list of what lies beside an image.
    """
    return {name: digest for name, digest in registry.given if not name.startswith("sha256")}


def on_record(project: Project, registry: FaultRelay) -> dict[str, str]:
    """Exact tags and digests that the ledger knows to be in a registry."""
    lines = (project.folder / "releases.jsonl").read_text().splitlines()
    images = [image for line in lines for image in json.loads(line)["images"]]
    return {
        image["tag"]: image["digest"]
        for image in images
        if f"{registry.host}/{project.repository}:{image['tag']}" in image["locations"]
    }


def beside(local: Local, repository: str, digest: str) -> set[str]:
    """The types of the artifacts that are listed beside an image."""
    found = local.manifest(repository, digest.replace(":", "-"))
    return {each["artifactType"] for each in found[2]["manifests"]} if found else set()


def requested(registries: tuple[FaultRelay, ...]) -> int:
    return sum(len(each.requests) for each in registries)


def told(registries: tuple[FaultRelay, ...]) -> str:
    return " and ".join(f"{len(tags(each))} of {VERSIONS + 2} tags" for each in registries)


def built(project: Project) -> dict[str, str]:
    """Exact tags and the digests of the tested images."""
    found = {}
    for tag in EXACT:
        path = project.folder / "dist" / f"{project.name}-{tag}" / "verified.json"
        record = json.loads(path.read_text())
        found[tag] = record["verified"]["built"]["manifest_digest"]
    return found


@pytest.mark.parametrize("moment", range(KILLS))
def test_killed_at_any_moment(  # noqa: PLR0917 - pytest's own way
    local: Local,
    tested: Project,
    regions: tuple[FaultRelay, FaultRelay],
    scratch: Path,
    whole: int,
    record_property: Callable[[str, object], None],
    moment: int,
) -> None:
    ours = built(tested)
    requests = random.Random(moment).randrange(whole)
    begun = local.start(*push(regions), folder=tested.folder)
    begun.until(lambda: begun.has_ended() or requested(regions) >= requests)
    begun.process.send_signal(signal.SIGKILL)
    begun.end()
    record_property("killed after", f"{requests} of {whole} requests, {told(regions)}")

    done = local.buildkit(*push(regions), folder=tested.folder)
    assert done.code == 0, done.stderr
    for registry in regions:
        given = tags(registry)
        # No tag was ever given to anything but the tested image, and none of them twice.
        exact = [(name, digest) for name, digest in registry.given if name in EXACT]
        assert dict(exact) == ours
        assert len(exact) == VERSIONS
        assert on_record(tested, registry) == ours
        assert [tag in EXACT for tag in given] == [True] * VERSIONS + [False] * 2
        assert given["latest-cpu-py311"] == given["1-cpu-py311"] == ours[EXACT[-1]]
        for tag, digest in given.items():
            served = local.manifest(f"{registry.prefix}{tested.repository}", tag)
            assert served is not None
            assert served[1] == digest
        for digest in ours.values():
            assert beside(local, f"{registry.prefix}{tested.repository}", digest) == {
                RELEASE,
                REPORT,
            }
    assert list(scratch.iterdir()) == []  # what the killed run left went with the next
