"""Real commands in Python's development mode, which tells of files and sockets that nobody closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.support.real import Local, Project


OTHERS = (
    ("list",),
    ("test", "--all", "--json"),
    ("push", "--all", "--complete"),
    ("uri", "TARGET", "--verify"),
    ("diff", "TAG", "TAG"),
    ("promote", "DIGEST", "--to", "ALIAS"),
    ("revise", "--all", "--changed"),
    ("repo", "plan"),
)
"""Commands to which it is one how the engine keeps its images."""


@pytest.mark.parametrize("store", ["containerd", "classic"])
def test_commands_close_what_they_open(
    request: pytest.FixtureRequest, local: Local, project: Project, store: str
) -> None:
    there = local if store == "containerd" else request.getfixturevalue("classic")[1]
    meant = {
        "TARGET": lambda: project.id,
        "TAG": lambda: f"{project.name}:1.0-cpu-py311",
        "ALIAS": lambda: f"{project.name}:stable",
        "DIGEST": lambda: digest(local, project),
    }
    for command in (
        ("build", "--all"),
        ("test", "TAG", "--clause", "IMG-01"),
        ("push", "--all"),
        *(() if store == "classic" else OTHERS),
    ):
        arguments = [meant[word]() if word in meant else word for word in command]
        done = there.buildkit(*arguments, folder=project.folder, PYTHONDEVMODE="1")
        assert done.code == 0, (command, done.stderr)
        assert "Warning" not in done.stderr, (command, done.stderr)
        assert "Exception ignored" not in done.stderr, (command, done.stderr)


def digest(local: Local, project: Project) -> str:
    found = local.manifest(project.name, "1.0-cpu-py311")
    assert found is not None
    return found[1]
