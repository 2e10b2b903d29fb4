"""Texts that people read are plain English: the words of the old dialect do not come back."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from tests.support import sources
from tests.support.sources import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DIALECT = {  # what nobody says -> what people say
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\btells?\b(?! apart| .{1,30} from)": "show, say, name",
    r"\b(is|are|be|been|was) told\b": "is shown, is reported",
    r"\b(brings?|brought)\b(?! your own)": "upload, install, add",
    r"\bcan(not)? be had\b": "pull, download, find",
    r"\bso many\b|\bso long\b(?! as)": "the number, the time",
    r"\bwhoever\b": "you, whoever runs it",
    r"\bhands? out\b": "return",
    r"\bpassed over\b": "skipped",
    r"\bgoes on from\b": "moves from",
    r"\bnobody (knows|tells|can tell)\b": "unknown",
    r"\bby now\b": "now, already",
    r"\bat hand\b": "available",
    r"\bblanks\b": "spaces",
    r"\banew\b": "again; regenerate",
    r"\bblame[sd]\b": "fail",
    r"\bat rest\b": "idle",
    r"\bin turns\b": "alternately",
    r"\bnot on record\b": "not in the ledger",
}
ANY = re.compile("|".join(DIALECT), re.IGNORECASE)
PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("examples/**/*.md"),
    *ROOT.glob("*.toml"),
    *ROOT.glob("buildkit/contract/*.toml"),
    *ROOT.glob(".github/**/*.yml"),
    *ROOT.glob("templates/**/*.j2"),
    *ROOT.glob("templates/runtime/**/*.py"),
    *ROOT.glob("templates/runtime/bin/*"),
    *(
        path
        for path in ROOT.glob("scripts/**/*")
        # shapes.txt has sentences of AWS.
        if path.is_file() and path.suffix != ".pyc" and path.name != "shapes.txt"
    ),
    ROOT / "action.yml",
    ROOT / "Makefile",
]
"""Read as a whole, also the comments in them."""


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The strings and comments of a module by line: messages, hints, help, docstrings."""
    for node in sources.nodes(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, " ".join(node.value.split())
    for number, line in enumerate(path.read_text().splitlines(), 1):
        yield number, line.partition("#")[2]  # a comment, or the end of a string that has a `#`


def found_in(text: str) -> list[str]:
    if not ANY.search(text):
        return []
    return [
        f"`{match[0]}`: {better}"
        for pattern, better in DIALECT.items()
        for match in re.finditer(pattern, text, re.IGNORECASE)
    ]


def test_no_module_speaks_in_dialect() -> None:
    assert [
        f"{path.relative_to(ROOT)}:{line}: {word}"
        for path in sources.MODULES
        for line, text in texts(path)
        for word in found_in(text)
    ] == []


def test_no_page_speaks_in_dialect() -> None:
    assert [
        f"{path.relative_to(ROOT)}:{number}: {word}"
        for path in sorted(PAGES)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for word in found_in(line)
    ] == []
