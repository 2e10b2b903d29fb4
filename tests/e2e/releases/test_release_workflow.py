"""The release workflow, run: plan, shards, publish, on the real engine and registry."""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.support import releasing
from tests.e2e.support.fault_relay import FaultRelay
from tests.e2e.support.real import TRAINS, make_project
from tests.e2e.support.releasing import TOOL, TWO
from tests.support.registry_server import running
from tests.workflows import runner

if TYPE_CHECKING:
    from tests.e2e.support.real import Local, Project
    from tests.e2e.support.releasing import Site

EXACT = {"1.0-cpu-py311", "2.0-cpu-py311"}
ALIAS = "latest-cpu-py311"
TRIALS = int(os.environ.get("BUILDKIT_RELEASE_TRIALS", "0"))


@dataclass(frozen=True, kw_only=True)
class First:
    """A release, how it went, and what there was after it. Later ones may have followed."""

    site: Site
    run: runner.Run
    digests: dict[str, str]
    ledger: list[dict[str, Any]]


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return releasing.make_tool(tmp_path_factory.mktemp("tool"))


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return releasing.make_python(tmp_path_factory.mktemp("python"))


@pytest.fixture
def site(local: Local, project: Project, tmp_path: Path, tool: Path, python: Path) -> Site:
    return releasing.make_site(tmp_path / "github", project, local, tool, python)


@pytest.fixture(scope="module")
def first(
    local: Local, tmp_path_factory: pytest.TempPathFactory, tool: Path, python: Path
) -> First:
    folder = tmp_path_factory.mktemp("first")
    (folder / "project").mkdir()
    project = make_project(folder / "project")
    site = releasing.make_site(folder / "github", project, local, tool, python)
    done = site.release()
    return First(site=site, run=done, digests=site.digests, ledger=site.ledger)


def test_plan_two_shards_publish_and_a_second_run_that_changes_nothing(
    first: First, tmp_path: Path
) -> None:
    site, done = first.site, first.run
    assert done.results == {
        "images/plan": "success",
        "images/build": "success",
        "images/publish": "success",
        "images/released": "success",
        "images": "success",
    }, done.log
    assert {place.shard for place in done.places if place.job == "build"} == {"1", "2"}
    assert first.digests.keys() == EXACT | {ALIAS}
    (record,) = first.ledger
    assert {image["tag"] for image in record["images"]} == EXACT
    (uri,) = (uri for image in record["images"] for uri in image["locations"] if "2.0" in uri)
    site.local.pull(uri, tmp_path / "login")
    assert site.local.docker("run", "--rm", uri, "cat", "/opt/program/train")
    assert "| `" in done.summary
    assert "# Release " in done.summary

    commit, ledger = site.commit, site.ledger
    before = releasing.git(site.project.folder, "rev-list", "--max-parents=0", "HEAD")
    again = site.release(site.event(sha=before))  # as GitHub runs it again: the same commit
    assert again.results["images/plan"] == "success", again.log
    assert again.results["images/build"] == again.results["images/publish"] == "skipped"
    assert again.results["images/released"] == "success"
    assert site.commit == commit
    assert site.ledger == ledger


def test_a_shard_that_breaks_promotes_nothing_and_the_rest_is_made_up_for(
    first: First, site: Site
) -> None:
    """Nor does a publication whose job fails when the images are out leave a release in part."""
    text = TWO
    site.project.write(text.replace('"basic"', '"broken"'))
    site.project.template("broken", 'RUN test "{{ target.version }}" != 2.0')
    releasing.commit(site.project.folder, "One that cannot be built")
    done = site.release()
    assert done.results["images/build"] == "failure", done.log
    assert done.results["images/publish"] == "skipped"
    assert done.results["images/released"] == "failure"
    assert site.tags == set()
    assert site.ledger == []
    site.project.template("broken", "RUN true")
    releasing.commit(site.project.folder, "Mended")
    (publishes,) = (each for each in first.run.places if each.step == "action: Publish")
    fails_and_is_made_up_for(site, publishes, "after")


if TRIALS:

    def test_a_step_that_fails_anywhere_leaves_no_release_in_part(
        first: First, tmp_path: Path
    ) -> None:
        """Before steps and after them. After the one that publishes, the test above breaks it each time."""
        steps = [(place, when) for place in first.run.places for when in ("before", "after")]
        assert len(steps) > 50
        for number, (place, when) in enumerate(random.Random(7).sample(steps, TRIALS)):
            folder = tmp_path / f"trial-{number}"
            (folder / "project").mkdir(parents=True)
            trial = releasing.make_site(
                folder / "github",
                make_project(folder / "project"),
                first.site.local,
                first.site.tool,
                first.site.world.python,
            )
            fails_and_is_made_up_for(trial, place, when)


def fails_and_is_made_up_for(site: Site, place: runner.Place, when: str) -> None:
    broken = site.breaking(place, when).release()
    assert broken.results["images"] == "failure", (place, when, broken.log)
    whole_or_nothing(site, (place, when))
    again = site.release()
    assert again.results["images"] == "success", (place, when, again.log)
    assert site.tags == EXACT | {ALIAS}, (place, when)
    assert len(site.ledger) == 1, (place, when)


def whole_or_nothing(site: Site, where: object) -> None:
    assert site.tags in (set(), EXACT | {ALIAS}), where
    if site.tags:  # what came later failed: the images are out, and complete
        digests = site.digests
        assert digests[ALIAS] == digests["2.0-cpu-py311"], where


def test_shards_and_one_machine_come_to_the_same(first: First, tmp_path: Path) -> None:
    """Over the same cache: the same digests, tags and ledger, but for times."""
    site, folder = first.site, tmp_path / "alone"
    releasing.git(tmp_path, "clone", "--quiet", str(site.project.folder), str(folder))
    commit = releasing.git(folder, "rev-list", "--max-parents=0", "HEAD")
    releasing.git(folder, "checkout", "--quiet", commit)
    relay = FaultRelay(target=f"http://{site.local.registry}", prefix="alone/")
    with running(relay):
        site.buildkit(folder, "build", "--all", "--push", "--registry", relay.host)
    given = {tag: digest for tag, digest in relay.given if not tag.startswith("sha256")}
    assert given == first.digests
    (sharded,) = first.ledger
    alone = json.loads((folder / "releases.jsonl").read_text())
    assert comparable(alone, relay.host) == comparable(sharded, site.local.registry)


def comparable(record: dict[str, Any], host: str) -> Any:
    """A record without times, and without what names the run or the registry."""
    text = json.dumps(record).replace(host, "registry")
    found = json.loads(text)
    for key in ("id", "time"):
        del found[key]
    for image in found["images"]:
        del image["build_seconds"], image["verdict"]["seconds"]
    return found


def test_a_pull_request_builds_what_changed_and_sends_nothing(site: Site) -> None:
    base = site.commit
    text = (site.project.folder / "images.toml").read_text()
    (site.project.folder / "images.toml").write_text(text.replace('"2.0"', '"2.0", "2.1"'))
    releasing.commit(site.project.folder, "A version more")
    payload = {"pull_request": {"base": {"sha": base}}}
    done = site.release(
        site.event("pull_request", payload=payload), shards="", select="*-2.0-*\n*-2.1-*"
    )
    assert done.results["images/build"] == "success", done.log
    assert done.results["images/publish"] == "skipped"
    assert done.outputs["images"]["targets"] == f"{site.project.name}-2.1-cpu-py311"
    assert "aws-actions" not in str(done.places)
    assert site.tags == set()


def test_once_a_week_what_stands_on_a_base_that_has_moved_is_rebuilt_and_rolled_back(
    first: First, tmp_path: Path
) -> None:
    site = first.site
    quiet = site.release(site.event("schedule"))
    assert quiet.results["images/build"] == "skipped", quiet.log
    new = f"buildkit.local/{site.project.name}:new"
    base = "buildkit.local/python:3.11-slim-bookworm"
    releasing.build(site.local, new, f"FROM {base}\nRUN true >/moved", tmp_path / "base")
    substitute = {"BUILDKIT_SUBSTITUTE": f"python:3.11-slim-bookworm={new}"}
    moved = replace(site.world, environment={**site.world.environment, **substitute})
    done = replace(site, world=moved).release(site.event("schedule"))
    assert done.results["images"] == "success", done.log
    revised = {f"{version}-1-cpu-py311" for version in ("1.0", "2.0")}
    assert site.tags == EXACT | revised | {ALIAS}
    now = site.digests
    assert {tag: now[tag] for tag in EXACT} == {tag: first.digests[tag] for tag in EXACT}
    assert now[ALIAS] == now["2.0-1-cpu-py311"]
    assert '"2.0-1"' in (site.project.folder / "images.toml").read_text()
    assert "base" in done.summary

    rollback = replace(site, workflow=Path(".github/workflows/rollback.yml"))
    done = rollback.release(shards=None, alias=f"{site.project.name}:{ALIAS}")
    assert done.results["images"] == "success", done.log
    assert site.digests[ALIAS] == first.digests["2.0-cpu-py311"]
    assert [record["action"] for record in site.ledger] == ["publish", "publish", "rollback"]


def test_another_repository_uses_the_action_with_a_template_of_its_own(site: Site) -> None:
    """Steps of its own jobs; all it has is images.toml, a program and a template that extends ours."""
    folder = site.project.folder
    site.project.template("mine", "RUN echo mine >/mine")
    text = TRAINS.replace("VERSIONS", '"1.0"').replace('"basic"', '"mine"')
    site.project.write(f'[registry]\nhost = "{site.local.registry}"\n{text}')
    workflow = folder / ".github/workflows/images.yml"
    workflow.parent.mkdir(parents=True)
    commit = releasing.git(site.tool, "rev-parse", "HEAD")
    example = (Path(__file__).parents[3] / "docs/guide/ci.md").read_text()
    (example,) = (block for block in example.split("```") if "uses: OWNER/buildkit@COMMIT" in block)
    example = example.removeprefix("yaml\n").replace("OWNER/buildkit@COMMIT", f"{TOOL}@{commit}")
    workflow.write_text(example.replace("ROLE", releasing.ROLE))
    releasing.commit(folder, "A workflow")
    done = runner.run(site.world, workflow, site.event("push"))
    assert set(done.results.values()) == {"success"}, done.log
    assert site.tags == {"1.0-cpu-py311", ALIAS}
    (record,) = site.ledger
    (uri,) = record["images"][0]["locations"]
    assert (
        site.local.docker("run", "--rm", uri.replace(site.local.registry + "/", ""), "cat", "/mine")
        == "mine"
    )
