"""What the catalogue knows of each image, by images.toml, images.lock, the ledger and dist/."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from buildkit import project as projects_
from buildkit import records
from buildkit.catalogue import gather
from buildkit.catalogue.values import Alias, Location, Result, State
from buildkit.ledger import ledger
from buildkit.ledger.record import Action, Verdict
from buildkit.lock.lockfile import Lock, Locked
from buildkit.model.image import Origin, Status
from buildkit.model.target import PINNED
from buildkit.render import inputs
from buildkit.support.errors import NothingSelectedError, ToolError
from tests.support import cataloguing, fakes, releases
from tests.support.releases import digest, image, move, release

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.catalogue.values import Catalogue, Entry
    from buildkit.ledger.record import Release
    from buildkit.model.image import Report
    from buildkit.project import Project

NOW = datetime(2026, 12, 1, 2, 30, tzinfo=timezone.utc)
ID = "demo-1.0-cpu-py311"
IMAGES = """
[image.demo]
versions = ["1.0"]
base = "python:{python}-slim"
pythons = ["3.11"]
packages = ["numpy"]
"""
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


def project(folder: Path, text: str = IMAGES) -> Project:
    (folder / "images.toml").write_text(text)
    return projects_.read(folder / "images.toml", None, use_environment=False)


def gathered(found: Project, *known: Release, patterns: tuple[str, ...] = ()) -> Catalogue:
    return gather.catalogue(found, known, patterns, NOW)


def only(found: Project, *known: Release) -> Entry:
    entry, *_ = gathered(found, *known).entries
    return entry


def built(found: Project, *clauses: Any, config: str = "c", **changes: Any) -> Report:
    """A build of the target and its test, in dist/."""
    (target,) = found.targets
    made = replace(fakes.built(target), config_digest=digest(config))
    report = replace(fakes.report(*clauses), **changes)
    found.records.write(records.BUILT, target.id, made)
    found.records.write(records.REPORT, target.id, report)
    return report


def test_without_a_release_the_targets_are_not_published(tmp_path: Path) -> None:
    found = gathered(project(tmp_path))
    (entry,) = found.entries
    assert (found.newest, found.records) == (None, 0)
    assert (entry.id, entry.state, entry.release) == (ID, State.NOT_PUBLISHED, None)
    assert (entry.test.result, entry.built, entry.sizes) == (Result.UNTESTED, False, ())


def test_a_published_image_has_its_places_and_its_verdict(tmp_path: Path) -> None:
    hosts = (ECR, "registry.example:5000")
    locations = tuple(f"{host}/demo:1.0-cpu-py311" for host in hosts)
    one = image(locations=locations, size=40)
    entry = only(project(tmp_path), release(one, commit="abc"))
    assert (entry.state, entry.test.result) == (State.PUBLISHED, Result.PASSED)
    assert (entry.test.passed, entry.test.warned, entry.test.broken) == (2, 1, None)
    assert entry.release is not None
    assert (entry.release.digest, entry.release.size) == (one.digest, 40)
    assert entry.release.commit == "abc"
    assert entry.release.locations == (
        Location(region="eu-west-1", uri=locations[0], digest_uri=f"{ECR}/demo@{one.digest}"),
        Location(
            region=None,
            uri=locations[1],
            digest_uri=f"registry.example:5000/demo@{one.digest}",
        ),
    )
    assert entry.release.base == f"python:3.11-slim@{digest('b')[:19]}"


def test_a_copy_in_another_repository_is_a_place_of_the_image(tmp_path: Path) -> None:
    copy = image(repository="prod", tag="1.0-cpu-py311")
    entry = only(project(tmp_path), release(image()), release(copy, action=Action.PROMOTE))
    assert entry.release is not None
    assert {each.uri for each in entry.release.locations} == {
        "registry.example/demo:1.0-cpu-py311", "registry.example/prod:1.0-cpu-py311",
    }  # fmt: skip


def test_a_mutable_tag_that_has_moved_is_no_place_of_the_older_image(tmp_path: Path) -> None:
    older, newer = release(image(letter="1")), release(image(letter="2"))
    entry = only(project(tmp_path), older, newer)
    assert entry.release is not None
    assert entry.release.digest == digest("2")
    moved = image(version="0.9", letter="1", tag="1.0-cpu-py311", target="demo-0.9-cpu-py311")
    _, removed = gathered(project(tmp_path), release(moved), newer).entries
    assert removed.release is not None
    assert removed.release.locations == ()


def test_aliases_are_those_that_point_to_the_image_now(tmp_path: Path) -> None:
    two = tuple(f"{host}/demo:1.0-cpu-py311" for host in ("a.example", "b.example"))
    there = {"version": "1.0"}
    known = release(
        image(locations=two),
        moves=[
            move(None, "1", host="a.example", **there),
            move(None, "1", host="b.example", **there),
            move(None, "1", alias="stable", host="a.example", **there),
            move(None, "1", alias="gone", host="a.example", **there),
        ],
    )
    later = release(moves=[move("1", "2", alias="gone", host="a.example", version="1.1")])
    entry = only(project(tmp_path), known, later)
    assert entry.release is not None
    assert entry.release.aliases == (
        Alias(name="demo:latest", hosts=("a.example", "b.example"), everywhere=True),
        Alias(name="demo:stable", hosts=("a.example",), everywhere=False),
    )


@pytest.mark.parametrize(
    "other",
    ["123456789012.dkr-ecr.eu-west-1.on.aws", ECR.replace("ecr.", "ecr-fips."), f"{ECR}:443"],
)
def test_an_alias_moved_through_another_host_of_its_registry_is_at_one_image(
    tmp_path: Path, other: str
) -> None:
    older = image(letter="1", locations=(f"{ECR}/demo:1.0-cpu-py311",))
    newer = image("1.1", "2", locations=(f"{ECR}/demo:1.1-cpu-py311",))
    made = release(older, newer, moves=[move(None, "1", host=ECR, version="1.0")])
    moved = release(moves=[move("1", "2", host=other, version="1.1")])
    text = IMAGES.replace('["1.0"]', '["1.0", "1.1"]')
    found = {e.version: e.release for e in gathered(project(tmp_path, text), made, moved).entries}
    assert found["1.0"] is not None
    assert found["1.0"].aliases == ()
    assert found["1.1"] is not None
    (alias,) = found["1.1"].aliases
    assert (alias.hosts, alias.everywhere) == ((other,), True)


def test_the_report_of_the_published_image_has_its_clauses(tmp_path: Path) -> None:
    found = project(tmp_path)
    built(found, fakes.clause(), fakes.clause(Status.WARN, id="LOG-01"))
    entry = only(found, release(image(letter="a")))
    assert (entry.test.passed, entry.test.warned, entry.local) == (1, 1, None)
    assert entry.test.broken is not None
    assert [each.id for each in entry.test.broken] == ["LOG-01"]


def test_a_newer_build_does_not_change_the_verdict_of_the_published_image(tmp_path: Path) -> None:
    found = project(tmp_path)
    built(found, fakes.clause(Status.FAIL), config="d")
    entry = only(found, release(image()))
    assert (entry.test.result, entry.test.passed) == (Result.PASSED, 2)
    assert entry.local is not None
    assert (entry.local.result, entry.local.failed) == (Result.FAILED, 1)


def test_the_report_of_another_build_does_not_count(tmp_path: Path) -> None:
    found = project(tmp_path)
    built(found, fakes.clause(), digest=digest("9"))
    entry = only(found)
    assert (entry.built, entry.test.result) == (True, Result.UNTESTED)


def test_an_image_that_was_not_seen_to_work_is_partly_tested(tmp_path: Path) -> None:
    verdict = Verdict(
        profile="smoke", suite="s", passed=2, warned=0, skipped=9, seconds=1.0, untried="not served"
    )
    entry = only(project(tmp_path), release(image(verdict=verdict)))
    assert (entry.test.result, entry.test.untried) == (Result.PARTLY, "not served")


def test_what_images_toml_no_longer_has_is_still_listed(tmp_path: Path) -> None:
    old = image(version="0.9", letter="2", size=3)
    found = gathered(project(tmp_path), release(old), release(image(size=5)))
    current, removed = found.entries
    assert (removed.id, removed.state) == ("demo-0.9-cpu-py311", State.REMOVED)
    assert (removed.packages, removed.gpu, removed.platform) == (None, None, None)
    assert [(each.version, each.bytes) for each in current.sizes] == [("0.9", 3), ("1.0", 5)]
    assert (current.growth, removed.growth) == (2, None)


def test_a_selection_may_mean_removed_images_only(tmp_path: Path) -> None:
    found, old = project(tmp_path), release(image(version="0.9", letter="2", name="gone"))
    assert [e.id for e in gathered(found, old, patterns=("gone",)).entries] == [
        "gone-0.9-cpu-py311"
    ]
    assert [e.id for e in gathered(found, old, patterns=("gone", "demo")).entries] == [
        ID, "gone-0.9-cpu-py311",
    ]  # fmt: skip
    with pytest.raises(NothingSelectedError, match="nope"):
        gathered(found, old, patterns=("gone", "nope"))


@pytest.mark.parametrize(
    ("versions", "ordered"),
    [
        pytest.param(["1.10", "1.9", "1.0"], ["1.0", "1.9", "1.10"], id="numbers"),
        pytest.param(["2.0-1", "2.0", "1.0"], ["1.0", "2.0", "2.0-1"], id="revisions"),
        pytest.param(["b", "1.0"], ["b", "1.0"], id="no order: by time"),
    ],
)
def test_sizes_are_in_the_order_of_versions(
    tmp_path: Path, versions: list[str], ordered: list[str]
) -> None:
    known = [release(image(version=each, letter=str(n), size=n)) for n, each in enumerate(versions)]
    found = project(tmp_path, IMAGES.replace('"1.0"', f'"{ordered[-1]}"'))
    assert [each.version for each in only(found, *known).sizes] == ordered


def test_locked_packages_are_those_of_the_image_if_its_lock_is_the_same(tmp_path: Path) -> None:
    pin = "numpy==2.3.1"
    locked = Locked(made_from=digest("1"), packages=(pin,))
    lock = Lock(targets={ID: locked}, hashes={pin: (digest("2"),)})
    found = project(tmp_path).with_lock(lock)
    pinned = found.targets[0].pins.packages
    assert pinned is not None

    def packages(*parts: tuple[str, str]) -> Any:
        entry = only(found, release(image(origin=Origin(base="python", parts=parts))))
        assert entry.packages is not None
        assert (entry.packages.requested, entry.packages.locked) == (("numpy",), (pin,))
        return entry.packages.current

    assert packages((PINNED, inputs.short(pinned))) is True
    assert packages((PINNED, "another")) is False
    assert packages() is None


def test_cuda_and_the_end_of_life_are_those_of_images_toml(tmp_path: Path) -> None:
    text = IMAGES.replace('"python:{python}-slim"', '"nvidia/cuda:12.6.3-runtime-ubuntu22.04"')
    text += 'devices = ["gpu"]\nend-of-life = "2026-11"\n'
    entry = only(project(tmp_path, text))
    assert entry.gpu is not None
    assert (entry.gpu.cuda, entry.gpu.driver) == ("12.6", 525)
    assert any("InferenceAmiVersion" in each for each in entry.gpu.amis)
    assert (entry.end_of_life, entry.ended) == ("2026-11", True)
    later = only(project(tmp_path, text.replace("2026-11", "2026-12")))
    assert (later.end_of_life, later.ended) == ("2026-12", False)


def test_a_broken_record_is_an_error(tmp_path: Path) -> None:
    found = project(tmp_path)
    (tmp_path / "dist" / ID).mkdir(parents=True)
    (tmp_path / "dist" / ID / "built.json").write_text("{")
    with pytest.raises(ToolError, match=r"built\.json is not a valid record"):
        gathered(found)


def test_the_sample_project_has_an_image_of_each_kind(tmp_path: Path) -> None:
    found = cataloguing.make(tmp_path)
    known = ledger.Ledger(path=tmp_path / ledger.NAME).read()
    entries = {each.id: each for each in gathered(found, *known).entries}
    assert entries["churn-4.0-cpu-py313"].test.result is Result.PARTLY
    assert entries["churn-4.1-cpu-py313"].test.result is Result.FAILED
    assert entries["sklearn-1.7.2-1-cpu-py313"].test.result is Result.PASSED
    assert {each.state for each in entries.values()} == {*State}
    assert releases.HOST not in str(entries)
