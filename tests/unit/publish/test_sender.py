"""Where builds keep their steps: only in a registry of images.toml that says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from buildkit import records
from buildkit.config.boundary import Boundary
from buildkit.publish.sender import Sender
from tests.support import fakes, projects
from tests.unit.publish.test_publisher import publisher

NOWHERE = Path("/nowhere")


def sender(there: fakes.FakeRegistry, *, build_cache: bool) -> Sender:
    kept = records.kept_in(NOWHERE, Boundary(root=NOWHERE))
    return Sender(publisher=publisher(there)[0], records=kept, build_cache=build_cache)


def test_revisions_of_a_version_share_one_cache_and_versions_do_not() -> None:
    there = fakes.FakeRegistry()
    text = projects.MINIMAL.replace('"1.0"', '"1.0", "1.0-1", "1.1"')
    found = sender(there, build_cache=True).caches(projects.targets(text))
    one, two, three = found.values()
    assert one == two == "registry.example/demo:cache-demo-1.0-cpu-3.11-both"
    assert three == "registry.example/demo:cache-demo-1.1-cpu-3.11-both"
    assert {*there.done} == {"have demo"}


def test_a_long_name_makes_no_longer_tag() -> None:
    long = replace(projects.target(), name="n" * 200)
    (ref,) = sender(fakes.FakeRegistry(), build_cache=True).caches([long]).values()
    assert len(ref.rpartition(":")[2]) == 128


def test_nothing_is_kept_unless_images_toml_says_so() -> None:
    there = fakes.FakeRegistry()
    assert sender(there, build_cache=False).caches([projects.target()]) == {}
    assert there.done == []
