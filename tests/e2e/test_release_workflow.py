"""The release workflow, run: plan, shards, publish, on the real engine and registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e import releasing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.real import Local, Project
    from tests.e2e.releasing import Site

EXACT = {"1.0-cpu-py311", "1.1-cpu-py311", "2.0-cpu-py311"}
ALIAS = "latest-cpu-py311"


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return releasing.make_tool(tmp_path_factory.mktemp("tool"))


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return releasing.make_python(tmp_path_factory.mktemp("python"))


@pytest.fixture
def site(local: Local, project: Project, tmp_path: Path, tool: Path, python: Path) -> Site:
    return releasing.make_site(tmp_path / "github", project, local, tool, python)


def test_plan_three_shards_publish_and_a_second_run_that_changes_nothing(
    site: Site, tmp_path: Path
) -> None:
    done = site.release()
    assert done.results == {
        "images/plan": "success",
        "images/build": "success",
        "images/publish": "success",
        "images/released": "success",
        "images": "success",
    }, done.log
    assert {place.shard for place in done.places if place.job == "build"} == {"1", "2", "3"}
    assert site.tags() == EXACT | {ALIAS}
    (record,) = site.ledger
    assert {image["tag"] for image in record["images"]} == EXACT
    (uri,) = (uri for image in record["images"] for uri in image["locations"] if "2.0" in uri)
    site.local.pull(uri, tmp_path / "login")
    assert site.local.docker("run", "--rm", uri, "cat", "/opt/program/train")
    assert "| `" in done.summary
    assert "# Release " in done.summary

    commit = site.commit
    again = site.release()
    assert again.results["images/plan"] == "success", again.log
    assert again.results["images/build"] == again.results["images/publish"] == "skipped"
    assert again.results["images/released"] == "success"
    assert site.commit == commit
    assert len(site.ledger) == 1
