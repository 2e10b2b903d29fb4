"""The scripts of the release action, with a tool that only says how it was called."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import workflows
from tests.support.waiting import HANG
from tests.workflows.expressions import holds

ROOT = Path(__file__).parents[2]
STEPS = {
    each.get("name", ""): each for each in workflows.read(ROOT / "action.yml")["runs"]["steps"]
}
RELEASE = workflows.read(ROOT / ".github/workflows/release.yml")["jobs"]
GITHUB = {each.get("name", ""): each for each in RELEASE["publish"]["steps"]}
CALLED = """#!/bin/sh
printf '%s\\n' "$(basename "$0") $*" >>"$CALLS"
"""
pytestmark = pytest.mark.process


def called(step: dict[str, Any], folder: Path, **env: str) -> list[str]:
    """The command lines of a step."""
    for name in ("buildkit", "gh", "git"):
        (folder / name).write_text(CALLED)
        (folder / name).chmod(0o755)
    calls = folder / "calls"
    subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder,
        env={
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "CALLS": str(calls),
            "GITHUB_OUTPUT": os.devnull,
            "GITHUB_STEP_SUMMARY": os.devnull,
            **env,
        },
        check=True,
        timeout=HANG,
    )
    return calls.read_text().splitlines()


@pytest.mark.parametrize(
    ("name", "env", "lines"),
    [
        (
            "Plan",
            {"SELECT": "", "SINCE": "", "SHARDS": "", "REVISE": "true"},
            [
                "buildkit revise --changed --all",
                "buildkit ci-matrix --unreleased --format github --all",
                "buildkit ci-matrix --unreleased --format markdown --all",
            ],
        ),
        (
            "Plan",
            {"SELECT": "-f a*", "SINCE": "-x", "SHARDS": "-1", "REVISE": "true"},
            [
                "buildkit revise --changed -- -f a*",
                "buildkit ci-matrix --since=-x --shards=-1 --format github -- -f a*",
                "buildkit ci-matrix --since=-x --shards=-1 --format markdown -- -f a*",
            ],
        ),
        (
            "Build, test and stage",
            {"TARGETS": "--push b", "SHARD": "2", "SEND": "true"},
            ["buildkit build --stage --dist=shards/2 -- --push b"],
        ),
        (
            "Load downloaded packages",
            {"TARGETS": "--push b", "RUNNER_TEMP": "/temp"},
            ["buildkit cache load /temp/buildkit-packages -- --push b"],
        ),
        (
            "Save downloaded packages",
            {"TARGETS": "--push b", "RUNNER_TEMP": "/temp"},
            ["buildkit cache save /temp/buildkit-packages -- --push b"],
        ),
        (
            "Publish",
            {"TARGETS": "--all"},
            ["buildkit merge --from shards -- --all", "buildkit push --complete -- --all"],
        ),
        ("Roll back", {"ALIAS": "--to", "TO": ""}, ["buildkit rollback -- --to"]),
        ("Roll back", {"ALIAS": "a:b", "TO": "-f"}, ["buildkit rollback --to=-f -- a:b"]),
        (
            "Fetch the newest ledger",
            {"BRANCH": "--upload-pack=x"},
            [
                "gh auth setup-git",
                "git fetch --quiet origin refs/heads/--upload-pack=x",
                "git cat-file -e FETCH_HEAD:./releases.jsonl",
                "git show FETCH_HEAD:./releases.jsonl",
            ],
        ),
    ],
)
def test_what_comes_from_outside_is_no_option(
    tmp_path: Path, name: str, env: dict[str, str], lines: list[str]
) -> None:
    """A branch, an alias and a pattern may begin with `-`."""
    assert called(STEPS[name], tmp_path, **env) == lines


def test_a_tag_is_no_option_of_github_s_command_line(tmp_path: Path) -> None:
    step = GITHUB["Create a GitHub release for a tag"]
    assert called(step, tmp_path, TAG="-R x/y", FOLDER=".") == [
        "gh release create --verify-tag --notes-file=./notes.md -- -R x/y"
    ]


@pytest.mark.parametrize(
    ("github", "saves"),
    [
        ({}, True),
        ({"event_name": "schedule", "event": {}}, True),
        ({"event_name": "pull_request"}, False),
        ({"event_name": "pull_request_target"}, False),
        ({"event_name": "merge_group"}, False),
        ({"event": {"repository": {"fork": True}}}, False),
        ({"ref_type": "tag"}, False),
    ],
)
def test_packages_are_never_saved_from_a_fork_or_a_pull_request(
    github: dict[str, Any], saves: bool
) -> None:
    event = {"event_name": "push", "event": {"repository": {"fork": False}}, "ref_type": "branch"}
    found = {"cache-primary-key": "key", "cache-hit": "false"}
    contexts = {
        "inputs": {"stage": "build", "keep-packages": "true"},
        "steps": {"packages": {"outputs": found}},
        "github": {**event, **github},
    }
    save = STEPS["Save downloaded packages"]["if"]
    assert holds(save, contexts) == saves
    for other in ({**found, "cache-hit": "true"}, {}):  # nothing new, or no lock
        assert not holds(save, {**contexts, "steps": {"packages": {"outputs": other}}})
