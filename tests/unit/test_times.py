"""Every time that decides something has a name, a value and a reason in docs/reference/times.md."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from tests.support import sources
from tests.support.sources import PACKAGE, ROOT, module_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("SECONDS", "GRACE", "PATIENCE", "TIMEOUT")
PACES = ("PAUSE", "LOOK_SECONDS")
KINDS = {"SageMaker", "idle", "compared", "scenario", "hang", "pace"}
WAITS = {"sleep", "wait", "join", "settimeout"}


def constants() -> dict[str, str]:
    """The source of each module's constants that are times, by their full names."""
    found = {}
    for path in sources.MODULES:
        for node in sources.tree(path).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                if any(word in name for word in NAMES) and not name.endswith(PACES):
                    found[f"{module_name(path)}.{name}"] = ast.unparse(node.value)
    return found


def rows() -> dict[str, list[str]]:
    """The other cells of each row of the tables, by the name in its first."""
    found = {}
    for line in (ROOT / "docs/reference/times.md").read_text().splitlines():
        if line.startswith("| `"):
            name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            found[name.strip("`")] = cells
    return found


def test_the_page_lists_every_time_of_the_tool_with_its_value() -> None:
    listed = {name: cells[0] for name, cells in rows().items() if ":" not in name}
    assert listed == constants()


def test_it_lists_those_of_the_programs_inside_images() -> None:
    found = {}
    for path in sorted((ROOT / "templates/runtime").rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and "SECONDS" in (name := ast.unparse(node.targets[0])):
                found[f"runtime: {path.stem}.{name}"] = ast.unparse(node.value)
    listed = {name: cells[0] for name, cells in rows().items() if name.startswith("runtime:")}
    assert listed == found


def test_each_time_is_of_a_known_kind_and_has_a_reason() -> None:
    for name, (_, kind, reason) in rows().items():
        assert kind in KINDS, name
        assert reason, name


def numbers_that_wait(path: Path) -> Iterator[int]:
    """The lines of a module with a time-out or a pause that is a number, other than 0."""
    for node in sources.nodes(path):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        values = [each.value for each in node.keywords if each.arg and "timeout" in each.arg]
        values += node.args[:1] if called in WAITS else []
        for value in values:
            number = value.value if isinstance(value, ast.Constant) else None
            if isinstance(number, int | float) and number:
                yield node.lineno


def test_no_wait_has_a_number_instead_of_a_name() -> None:
    assert [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in sources.MODULES
        for line in numbers_that_wait(path)
    ] == []
