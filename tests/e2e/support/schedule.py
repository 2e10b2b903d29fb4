"""Which end-to-end tests run in one process, and which are begun first.

Groups of xdist's own would do, but their marker has no effect with pytest 9.2.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[3]
LONGEST = (
    "test_release_workflow.py", "test_shipped_images.py", "test_mutants.py", "test_interrupts.py",
    "test_hostile.py", "test_main_job.py", "test_contract.py",
)  # fmt: skip
"""Modules to begin with: whatever is long and begins late ends last, while processors are idle."""
CLASSIC = ("test_stores.py", "an_engine_that", "classic_store")
"""What the names of tests have that need the engine with the classic store."""


class Scheduler(LoadScopeScheduling):  # type: ignore[misc]
    """Hands a process either one test or all those that share something."""

    def _split_scope(self, nodeid: str) -> str:
        return together(nodeid)


def together(nodeid: str) -> str:
    """Tests of one such name run one after the other, in one process: what they share is made once.

    That is what a module makes for its tests, and the engine with the classic store. ECR's names are
    the machine's, so that others would only wait. Any other test goes to whichever process is free.
    """
    if any(text in nodeid for text in CLASSIC):
        return "the classic store"
    path = nodeid.partition("::")[0]
    text = source(path)
    if "import ecr_under" in text:
        return "names of ECR"
    return path if 'scope="module"' in text else nodeid


@cache
def source(path: str) -> str:
    return (ROOT / path).read_text()


def place(path: Path) -> int:
    return LONGEST.index(path.name) if path.name in LONGEST else len(LONGEST)
