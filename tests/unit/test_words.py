"""Texts that people read are plain English: the words of the old dialect do not come back."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildkit import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
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
    *(path for path in ROOT.glob("scripts/**/*") if path.is_file() and path.suffix != ".pyc"),
    ROOT / "action.yml",
    ROOT / "Makefile",
]
"""Read as a whole, also the comments in them."""


def is_help(node: ast.AST) -> bool:
    """Whether the docstring of a function is the help of a command or a group."""
    return isinstance(node, ast.FunctionDef) and any(
        re.search(r"\.(command|group)\b", ast.unparse(each)) for each in node.decorator_list
    )


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module by line: messages, hints, help. Of docstrings, only those of help."""
    tree = ast.parse(path.read_text())
    inside = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and isinstance(node.body[0], ast.Expr)
        and not is_help(node)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in inside
        ):
            yield node.lineno, node.value


def found_in(text: str) -> list[str]:
    return [
        f"`{match[0]}`: {better}"
        for pattern, better in DIALECT.items()
        for match in re.finditer(pattern, text, re.IGNORECASE)
    ]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "buildkit").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_message_speaks_in_dialect(path: Path) -> None:
    assert [f"{line}: {word}" for line, text in texts(path) for word in found_in(text)] == []


def test_the_help_of_every_command_and_group_is_read() -> None:
    helped = {
        f"{path.stem}.{node.name}"
        for path in ROOT.glob("buildkit/**/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and is_help(node)
    }
    commands = {name.replace("-", "_") for name in cli.COMMANDS}
    assert helped == {"cli.cli", "repo.plan", "repo.apply"} | {
        f"{each}.command" for each in commands
    }


@pytest.mark.parametrize("path", sorted(PAGES), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_speaks_in_dialect(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert [f"{n}: {word}" for n, line in enumerate(lines, 1) for word in found_in(line)] == []
