"""The modules of buildkit as tests read them: each is parsed once for all tests of a process."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "buildkit"
MODULES = tuple(sorted(PACKAGE.rglob("*.py")))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All of a module's syntax tree, in the order of `ast.walk`."""
    return tuple(ast.walk(tree(path)))
