"""Imports point one way, each outside door has one owner, modules stay small."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "buildkit"
LAYERS = (  # a module may import only from lower lines; names on one line never meet
    {"__main__"},
    {"cli"},
    {"ending"},
    {"commands.list", "commands.render", "commands.build", "commands.test", "commands.push",
     "commands.uri", "commands.repo", "commands.explain", "commands.releases", "commands.diff",
     "commands.promote", "commands.rollback", "commands.ci_matrix", "commands.merge",
     "commands.revise", "commands.notes", "commands.completion"},
    {"commands.report", "commands.subject", "commands.pages", "commands.released", "commands.alias", "commands.connections",
     "commands.base_logins",
     "commands.judged", "commands.samples",
     "uri.own", "uri.prebuilt", "uri.listing", "uri.complete", "uri.explain"},
    {"commands.summary"},
    {"uri.known", "uri.ours", "uri.verify", "uri.asked", "uri.region", "uri.guess", "uri.notes"},
    {"ci.changes", "ci.merging", "ci.formats", "ci.revisions", "ci.notes"},
    {"ci.shards"},
    {"options", "project", "delivery", "provision", "pipeline"},
    {"releases.attach", "releases.compare", "releases.find", "releases.published"},
    {"matrix", "bake", "verify", "publish", "packing", "moving", "releases.ledger", "releases.copying"},
    {"destination"},
    {"transfer", "export", "registry.referrers", "registry.download", "releases.make", "releases.moves"},
    {"registry.client"},
    {"paths", "ingredients"},
    {"aliases", "cells", "clashes", "compatibility", "extended", "locks", "programs", "render", "plan", "progress", "records", "secrets", "engine", "store",
     "ecr_repositories", "stock", "logins", "registry.wire", "junit", "page",
     "releases.inputs", "gitignore", "releases.commit", "releases.trails", "releases.differences"},
    {"ecr", "repositories", "releases.history", "registry.exchange"},
    {"documents"},
    {"contract.kit", "config", "git", "sandbox", "places", "exclusions", "registry.signing"},
    {"contract.suite", "contract.probe", "contract.causes", "contract.defaults", "contract.kept", "guard", "holder", "grammar", "sentences", "registry.answers", "registry.words", "registry.manifests"},
    {"contract.jobs.monitor"},
    {"contract.jobs.checkpoints", "contract.jobs.nodes", "contract.isolation", "contract.scripts.script",
     "contract.scripts.sdk", "contract.jobs.processing", "contract.scripts.handlers"},
    {"contract.endpoints.batch", "contract.endpoints.multi_model", "contract.endpoints.model_care", "contract.endpoints.pipeline",
     "contract.endpoints.streaming", "contract.endpoints.bidirectional", "contract.endpoints.sessions", "contract.endpoints.asynchronous"},
    {"contract.jobs.edges", "contract.jobs.metrics",
     "contract.still.static", "contract.still.devices", "contract.hosting.load", "contract.hosting.manners",
     "contract.hosting.conditions", "contract.hosting.serverless", "contract.hosting.spoilt"},
    {"contract.jobs.variants", "contract.jobs.diagnosis", "contract.jobs.again", "contract.jobs.pipes",
     "contract.still.image", "contract.jobs.training", "contract.jobs.stopped", "contract.hosting.serving"},
    {"contract.endpoints.batch_rules", "contract.endpoints.models", "contract.hosting.parallel"},
    {"contract.jobs.odd", "contract.jobs.channels", "contract.hosting.traffic", "contract.still.files",
     "contract.hosting.content", "contract.hosting.bodies"},
    {"contract.hosting.trial"},
    {"contract.hosting.servers", "contract.jobs.bundle", "containers", "leftovers"},
    {"networks"},
    {"contract.hosting.server", "contract.listening", "calls"},
    {"contract.jobs.pairs", "contract.scripts.scripted"},
    {"contract.jobs.runs", "contract.scripts.variables"},
    {"contract.hosting.client", "contract.jobs.endings"},
    {"contract.machine"},
    {"contract.clause", "contract.jobs.job", "contract.jobs.errand"},
    {"contract.bench", "contract.archive"},
    {"contract.scripts.userscripts", "contract.jobs.resuming"},
    {"contract.answers", "contract.catalogue", "contract.verdict", "contract.mistakes", "contract.world", "schema", "locate", "bases", "shell", "releases.packages",
     "registry.shapes", "registry.links", "requirements"},
    {"prebuilt.retrieve"},
    {"prebuilt.lookup", "prebuilt.listing", "prebuilt.reverse"},
    {"prebuilt.choose"},
    {"prebuilt.naming"},
    {"keeping"},
    {"strict", "stdout"},
    {"releases.record", "boundary", "console", "dockerfile", "files", "near", "prebuilt.facts", "prebuilt.instances", "prebuilt.question"},
    {"shipped"},
    {"model", "errors", "tables"},
    {"families", "features", "scratch", "origin", "login"},
    {"names", "owners", "reading", "typed", "hosts", "stopping", "sockets", "manual"},
    {"addresses"},
)  # fmt: skip
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
DOORS = {  # what reaches outside -> the only modules that may hold it
    "subprocess": {"shell"},
    # logins: docker's own files; inputs: its rules of what a build sees
    "docker": {
        "engine",
        "calls",
        "sandbox",
        "guard",
        "containers",
        "networks",
        "holder",
        "leftovers",
        "logins",
        "releases.inputs",
    },
    # docker-py lets the exceptions of requests through
    "requests": {
        "registry.wire",
        "registry.exchange",
        "registry.signing",
        "engine",
        "containers",
        "calls",
    },
    "boto3": {"ecr"},
    "botocore": {"ecr", "places"},
    "jinja2": {"render", "page"},
    "pydantic": {"schema", "keeping", "strict", "config", "sentences"},
    "regex": {"schema", "contract.jobs.metrics"},
    "tomli": {"grammar", "locate", "contract.catalogue"},
    "tomlkit": {"ci.revisions"},
    "websockets": {"contract.endpoints.bidirectional"},
}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}


def imports(path: Path) -> set[str]:
    """Every imported module, by its full name; imports inside functions included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def own_imports(path: Path) -> set[str]:
    names = {name.removeprefix("buildkit.") for name in imports(path) if "buildkit." in name}
    return names & MODULES.keys()


def test_every_module_has_its_layer() -> None:
    assert MODULES.keys() == RANK.keys()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_point_down(name: str) -> None:
    upward = {other for other in own_imports(MODULES[name]) if RANK[other] <= RANK[name]}
    assert not upward


@pytest.mark.parametrize("name", sorted(MODULES))
def test_each_door_has_one_owner(name: str) -> None:
    opened = {module.partition(".")[0] for module in imports(MODULES[name])}
    assert not {door for door, owners in DOORS.items() if name not in owners and door in opened}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_modules_stay_small(name: str) -> None:
    assert len(MODULES[name].read_text().splitlines()) <= 400


def test_the_contract_knows_nothing_of_the_matrix() -> None:
    for name, path in MODULES.items():
        if name.startswith("contract."):
            allowed = {"model", "features"} | {
                other for other in MODULES if other.startswith("contract.")
            }
            assert own_imports(path) <= allowed


def test_whoever_only_looks_up_an_image_loads_nothing_but_the_standard_library() -> None:
    looking_up = {name for name in MODULES if name.startswith("prebuilt.")}
    looking_up |= {"addresses", "errors", "tables", "near", "hosts"}
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
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Verified"
    }
    assert makers == {"verify"}


def test_the_programs_inside_images_and_the_tool_do_not_know_each_other() -> None:
    root = PACKAGE.parent
    inside = [*root.glob("templates/runtime/**/*.py"), *root.glob("examples/**/*.py")]
    assert inside
    assert not any("buildkit" in {n.partition(".")[0] for n in imports(path)} for path in inside)
    assert not any("buildkit_runtime" in path.read_text() for path in MODULES.values())
