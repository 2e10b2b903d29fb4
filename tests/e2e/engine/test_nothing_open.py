"""Real commands in Python's development mode, which tells of files and sockets that nobody closed.

Others are in the main job and in that of the classic store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.support.tested import TAGS

if TYPE_CHECKING:
    from tests.e2e.support.real import Local, Project


def test_commands_close_what_they_open(local: Local, tested: Project) -> None:
    target, image = f"{tested.name}-{TAGS[0]}", f"{tested.repository}:{TAGS[0]}"
    for command in (
        ("build", target),
        ("test", image, "--clause", "IMG-01"),
        ("push", "--all", "--complete"),
        ("list",),
        ("uri", target, "--verify"),
        ("diff", image, target),
        ("promote", target, "--to", f"{tested.repository}:stable"),
        ("revise", "--all", "--changed"),
        ("repo", "plan"),
    ):
        done = local.buildkit(*command, folder=tested.folder, PYTHONDEVMODE="1")
        assert done.code == 0, (command, done.stderr)
        assert done.closed_all, (command, done.stderr)
