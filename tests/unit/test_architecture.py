"""Imports point one way, each outside door has one owner, modules stay small."""

from __future__ import annotations

import ast
import graphlib
import sys
from functools import cache
from typing import TYPE_CHECKING

from tests.support import sources
from tests.support.sources import PACKAGE, ROOT, module_name

if TYPE_CHECKING:
    from pathlib import Path

TOP = {"__main__", "cli", "pipeline", "recording", "project", "records"}
"""The modules beside the packages, and no more: whoever adds one names it here."""
LAYERS = (  # a package may import only from lower rows; names on one row never meet
    {"__main__"},
    {"cli"},
    {"commands"},
    {"spec"},
    {"pipeline", "uri", "diff", "ci", "reproduce", "outdated", "catalogue", "doctor", "run"},
    {"recording", "plan"},
    {"publish"},
    {"verify", "aliases", "build"},
    {"project", "engine", "ledger"},
    {"ecr", "matrix", "records", "lock", "scaffold"},
    {"render", "contract", "registry", "prebuilt"},
    {"config"},
    {"model", "system", "amis"},
    {"support"},
)
RANK = {name: rank for rank, row in enumerate(LAYERS) for name in row}
DOORS = {  # what reaches outside -> the only modules that may hold it
    "subprocess": {"system.shell"},
    # inputs: docker's rules of what a build sees
    "docker": {"engine", "render.inputs"},
    # docker-py lets the exceptions of requests through
    "requests": {"registry", "engine"},
    "boto3": {"ecr.api"},
    "botocore": {"ecr.api", "ecr.failures", "ecr.places"},
    "jinja2": {"render"},
    "pydantic": {"config"},
    "regex": {"config.values", "contract.jobs.metrics"},
    "tomli": {"config.toml", "contract.clauses", "contract.hints"},
    "tomlkit": {"ci.revisions"},
    "websockets": {"contract.endpoints.bidirectional"},
}


MODULES = {module_name(path): path for path in sources.MODULES if path.name != "__init__.py"}


@cache
def imports(path: Path) -> set[str]:
    """Every imported module, by its full name; imports inside functions included."""
    found = set()
    for node in sources.nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def own_imports(path: Path) -> set[str]:
    names = {name.removeprefix("buildkit.") for name in imports(path) if "buildkit." in name}
    return names & MODULES.keys()


def package_of(name: str) -> str:
    return name.partition(".")[0]


def test_every_package_has_its_layer_and_nothing_else_is_at_the_top() -> None:
    top = {name for name in MODULES if "." not in name}
    assert top == TOP
    assert {package_of(name) for name in MODULES} == RANK.keys()


def test_imports_point_down() -> None:
    upward = {
        (name, other)
        for name, path in MODULES.items()
        for other in own_imports(path)
        if package_of(other) != package_of(name)
        and RANK[package_of(other)] <= RANK[package_of(name)]
    }
    assert upward == set()


def test_no_imports_go_round_in_a_circle() -> None:
    """Also not those that only types need."""
    sorter = graphlib.TopologicalSorter({name: own_imports(MODULES[name]) for name in MODULES})
    sorter.prepare()


def test_each_door_has_one_owner() -> None:
    opened = {
        (name, door)
        for name, path in MODULES.items()
        for door in DOORS.keys() & {module.partition(".")[0] for module in imports(path)}
        if not DOORS[door] & {name, package_of(name)}
    }
    assert opened == set()


def test_modules_stay_small() -> None:
    lines = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert {name: count for name, count in lines.items() if count > 400} == {}


def test_functions_stay_small() -> None:
    """Without decorators. `image_uri` has the parameters of the SageMaker SDK's function."""
    long = {
        (name, node.name)
        for name, path in MODULES.items()
        for node in sources.nodes(path)
        if isinstance(node, ast.FunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= 40
    }
    assert {function for _, function in long} <= {"image_uri"}, long


def test_the_contract_knows_nothing_of_the_matrix() -> None:
    for name, path in MODULES.items():
        if name.startswith("contract."):
            below = {package_of(other) for other in own_imports(path)}
            assert below <= {"model", "support", "amis", "contract"}


def test_whoever_only_looks_up_an_image_loads_nothing_but_the_standard_library() -> None:
    looking_up = {name for name in MODULES if name.startswith("prebuilt.")}
    looking_up |= {"support.addresses", "support.errors", "support.tables", "support.suggest"}
    looking_up |= {"model.hosts"}
    for path in (PACKAGE / "__init__.py", *(MODULES[name] for name in looking_up)):
        assert {each.partition(".")[0] for each in imports(path)} <= {
            "buildkit",
            *sys.stdlib_module_names,
        }
        assert own_imports(path) <= looking_up


def test_only_verify_makes_a_verified_value() -> None:
    """`publish` takes nothing else, so an untested image cannot be pushed."""
    makers = {
        name
        for name, path in MODULES.items()
        for node in sources.nodes(path)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Verified"
    }
    assert makers == {"verify.verify"}


def test_the_programs_inside_images_and_the_tool_do_not_know_each_other() -> None:
    inside = [*ROOT.glob("templates/runtime/**/*.py"), *ROOT.glob("examples/**/*.py")]
    assert inside
    assert not any("buildkit" in {n.partition(".")[0] for n in imports(path)} for path in inside)
    assert not any("buildkit_runtime" in path.read_text() for path in MODULES.values())
