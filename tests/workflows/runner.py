"""A workflow, job by job and step by step: `run` as shell, `if`, `needs`, matrix and outputs as GitHub has them.

Of a job that others wait for nothing is shared but its outputs and artifacts: each has its own
workspace. Jobs run one after another. Not here: concurrency groups, time limits, cancelling.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import uuid
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from tests.support import workflows
from tests.support.waiting import RUN_HANGS
from tests.workflows import stand_ins
from tests.workflows.expressions import as_text, fill, holds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

REPOSITORY = {"repository": {"default_branch": "main", "fork": False}}
"""What most events tell; a schedule does not."""
LOCAL = re.compile(r"\./.*")
PINNED = re.compile(r"(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)(?P<path>/[^@]+)?@(?P<ref>[0-9a-f]{40})")


@dataclass(frozen=True)
class Place:
    """A step of a job, as one may want to break it: the ids of job and shard, and its name."""

    job: str
    shard: str
    step: str


@dataclass(kw_only=True)
class World:
    """What GitHub knows: repositories by `owner/name`, variables, and the environment of its runners.

    `breaks` is asked before and after each step: yes is its failure. `skips` names steps to leave out.
    """

    folder: Path
    repositories: Mapping[str, Path]
    environment: Mapping[str, str]
    python: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    breaks: Callable[[Place, str], bool] = lambda _place, _when: False
    skips: Callable[[str], bool] = lambda _step: False


@dataclass(kw_only=True)
class Event:
    """Why a workflow runs. `payload` is `github.event`."""

    name: str
    repository: str
    sha: str
    ref: str = "refs/heads/main"
    inputs: Mapping[str, Any] = field(default_factory=dict)
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True)
class Run:
    """How a workflow ended: the result of each job, what was said, and the steps there were."""

    results: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: str = ""
    summary: str = ""
    places: list[Place] = field(default_factory=list)


def run(world: World, workflow: Path, event: Event) -> Run:
    """Run a workflow to its end."""
    found = Run()
    artifacts = world.folder / f"artifacts-{uuid.uuid4().hex[:6]}"
    artifacts.mkdir(parents=True)
    _Workflow(world, workflows.read(workflow), event, artifacts, found).run()
    return found


@dataclass
class _Workflow:
    world: World
    document: dict[Any, Any]
    event: Event
    artifacts: Path
    found: Run

    def run(self) -> dict[str, Any]:
        """The outputs, for a workflow that called this one."""
        waiting = dict(self.document["jobs"])
        while waiting:
            name = next(
                name for name, job in waiting.items() if not {*_needs(job)} & waiting.keys()
            )
            self.job(name, waiting.pop(name))
        called = _triggers(self.document).get("workflow_call") or {}
        contexts = {
            "jobs": {name: {"outputs": found} for name, found in self.found.outputs.items()}
        }
        return {
            name: fill(each["value"], contexts) for name, each in called.get("outputs", {}).items()
        }

    def job(self, name: str, job: dict[str, Any]) -> None:
        needs = {
            each: {"result": self.found.results[each], "outputs": self.found.outputs[each]}
            for each in _needs(job)
        }
        contexts = {**self.contexts(), "needs": needs}
        results = {each["result"] for each in needs.values()}
        status = {"failed": "failure" in results, "skipped": "skipped" in results}
        self.found.outputs[name] = {}
        if not holds(job.get("if"), {**contexts, "status": status}):
            self.found.results[name] = "skipped"
            return
        ended = []
        for cell in _cells(job.get("strategy"), contexts):
            inside = {**contexts, "matrix": cell}
            if "uses" in job:
                ended.append(self.call(name, job, inside))
            else:
                ended.append(_Job(self, name, job, inside).run())
        self.found.results[name] = "success" if all(ended) else "failure"

    def call(self, name: str, job: dict[str, Any], contexts: dict[str, Any]) -> bool:
        """A job that is another workflow, which gets the inputs alone."""
        match = PINNED.fullmatch(job["uses"])
        assert match, f"{job['uses']} is not pinned"
        document = workflows.read(
            self.world.repositories[f"{match['owner']}/{match['name']}"] / match["path"][1:]
        )
        asked = _triggers(document)["workflow_call"].get("inputs", {})
        given = {key: fill(value, contexts) for key, value in job.get("with", {}).items()}
        assert given.keys() <= asked.keys(), given.keys() - asked.keys()
        missing = {key for key, each in asked.items() if each.get("required")} - given.keys()
        assert not missing, missing
        _refuse_more(document, job.get("permissions", {}))
        inputs = {key: given.get(key, each.get("default")) for key, each in asked.items()}
        inner = Run()
        event = replace(self.event, inputs=inputs)
        self.found.outputs[name] = _Workflow(
            self.world, document, event, self.artifacts, inner
        ).run()
        self.found.log += inner.log
        self.found.summary += inner.summary
        self.found.places += inner.places
        self.found.results |= {f"{name}/{each}": result for each, result in inner.results.items()}
        return "failure" not in inner.results.values()

    def contexts(self) -> dict[str, Any]:
        event = self.event
        kind, _, short = event.ref.removeprefix("refs/").partition("/")
        github = {
            "repository": event.repository,
            "event_name": event.name,
            "event": {**({} if event.name == "schedule" else REPOSITORY), **event.payload},
            "sha": event.sha,
            "ref": event.ref,
            "ref_name": short,
            "ref_type": {"heads": "branch", "tags": "tag"}.get(kind, "branch"),
            "token": "token-of-github",
            "workflow": self.document.get("name", ""),
        }
        contexts = {"github": github, "inputs": self.inputs(), "vars": dict(self.world.variables)}
        environment = {
            key: as_text(fill(value, contexts))
            for key, value in self.document.get("env", {}).items()
        }
        return {**contexts, "env": environment}

    def inputs(self) -> dict[str, Any]:
        """With the defaults of a manual run, which has those of its own kind."""
        asked = _triggers(self.document).get(self.event.name) or {}
        defaults = (
            {key: each.get("default") for key, each in (asked.get("inputs") or {}).items()}
            if isinstance(asked, dict)
            else {}
        )
        return {**defaults, **self.event.inputs}


@dataclass
class _Job:
    workflow: _Workflow
    name: str
    document: dict[str, Any]
    contexts: dict[str, Any]

    def run(self) -> bool:
        world, found = self.workflow.world, self.workflow.found
        shard = as_text((self.contexts.get("matrix") or {}).get("shard"))
        folder = world.folder / f"{self.name}-{shard}-{uuid.uuid4().hex[:6]}"
        machine = stand_ins.Machine(
            folder=folder,
            artifacts=self.workflow.artifacts,
            caches=world.folder / "caches",
            repositories=world.repositories,
            python=world.python,
            permissions=self.document.get("permissions", {}),
            environment={**world.environment, **self.contexts["env"], "CI": "true"},
        )
        machine.prepare()
        about = {"temp": str(machine.temp), "workspace": machine.workspace}
        contexts = {**self.contexts, "runner": about}
        steps = _Steps(self.workflow, machine, Place(self.name, shard, ""), contexts)
        good = steps.run(self.document["steps"])
        contexts = {**self.contexts, "steps": steps.known}
        for key, value in self.document.get("outputs", {}).items():
            found.outputs[self.name][key] = as_text(fill(value, contexts))
        shutil.rmtree(folder)
        return good


@dataclass
class _Steps:
    """The steps of a job, or of a composite action in it."""

    workflow: _Workflow
    machine: stand_ins.Machine
    place: Place
    contexts: dict[str, Any]
    action: Path | None = None
    known: dict[str, Any] = field(default_factory=dict)

    def run(self, steps: Sequence[dict[str, Any]]) -> bool:
        failed = False
        for number, step in enumerate(steps):
            contexts = {
                **self.contexts,
                "steps": self.known,
                "env": {**self.contexts["env"], **self.machine.added},
                "status": {"failed": failed},
            }
            if not holds(step.get("if"), contexts):
                continue
            name = str(step.get("name") or step.get("uses") or number)
            place = replace(self.place, step=f"{self.place.step}{name}")
            good, outputs = self.broken(place, step, contexts)
            failed = failed or not good
            if "id" in step:
                self.known[step["id"]] = {"outputs": outputs}
        return not failed

    def broken(
        self, place: Place, step: dict[str, Any], contexts: dict[str, Any]
    ) -> tuple[bool, dict[str, Any]]:
        """A step, unless the world breaks it before or after."""
        world, found = self.workflow.world, self.workflow.found
        composite = "uses" in step and self.local(step["uses"]) is not None
        if not composite:
            found.places.append(place)
        if not composite and world.breaks(place, "before"):
            found.log += f"{place}: broken before\n"
            return False, {}
        good, outputs = self.step(place, step, contexts)
        if not composite and world.breaks(place, "after"):
            found.log += f"{place}: broken after\n"
            return False, {}
        return good, outputs

    def step(
        self, place: Place, step: dict[str, Any], contexts: dict[str, Any]
    ) -> tuple[bool, dict[str, Any]]:
        machine = self.machine
        environment = {
            key: as_text(fill(value, contexts)) for key, value in step.get("env", {}).items()
        }
        if "uses" not in step:
            return self.shell(place, step, contexts, environment)
        given = {key: as_text(fill(value, contexts)) for key, value in step.get("with", {}).items()}
        action = self.local(step["uses"])
        if action is None:
            known = stand_ins.KNOWN[_pinned(step["uses"])]
            return True, known(machine, given, contexts["github"]) or {}
        document = workflows.read(action / "action.yml")
        github = {**contexts["github"], "action_path": str(action)}
        inner = {**contexts, "github": github}
        asked = document["inputs"]
        assert given.keys() <= asked.keys(), given.keys() - asked.keys()
        inner["inputs"] = {
            key: given.get(key, as_text(fill(each.get("default", ""), inner)))
            for key, each in asked.items()
        }
        steps = _Steps(self.workflow, machine, replace(place, step="action: "), inner, action)
        good = steps.run(document["runs"]["steps"])
        outputs = {
            key: fill(each["value"], {**inner, "steps": steps.known})
            for key, each in document.get("outputs", {}).items()
        }
        return good, outputs

    def local(self, uses: str) -> Path | None:
        """The folder of an action that is at hand."""
        if LOCAL.fullmatch(uses):
            return self.machine.workspace / uses
        match = PINNED.fullmatch(uses)
        assert match, f"{uses} is not pinned"
        return self.workflow.world.repositories.get(f"{match['owner']}/{match['name']}")

    def shell(
        self,
        place: Place,
        step: dict[str, Any],
        contexts: dict[str, Any],
        environment: dict[str, str],
    ) -> tuple[bool, dict[str, Any]]:
        world, found = self.workflow.world, self.workflow.found
        if world.skips(str(step.get("name"))):
            return True, {}
        assert "${{" not in step["run"], f"{place}: an expression in a script is an injection"
        assert step.get("shell") == "bash" or self.action is None, f"{place}: which shell?"
        options = ["-eo", "pipefail"] if step.get("shell") == "bash" else ["-e"]
        folder = self.machine.workspace / as_text(
            fill(step.get("working-directory", "."), contexts)
        )
        more = {"GITHUB_ACTION_PATH": str(self.action)} if self.action else {}
        with self.machine.files() as files:
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", *options, "-c", step["run"]],
                cwd=folder,
                env={**self.machine.variables(), **files.environment, **more, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=RUN_HANGS,
                check=False,
            )
            found.log += f"== {place}: {done.returncode}\n{done.stdout}"
            found.summary += files.summary.read_text()
            return done.returncode == 0, self.machine.take(files)


def _triggers(document: Mapping[Any, Any]) -> Mapping[str, Any]:
    """`on`, which YAML takes for `true`."""
    found: Mapping[str, Any] = document.get("on") or document[True]
    return found


def _needs(job: Mapping[str, Any]) -> list[str]:
    needs = job.get("needs", [])
    return [needs] if isinstance(needs, str) else needs


def _cells(strategy: Any, contexts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each combination of a matrix; one that is empty where there is none."""
    matrix = fill((strategy or {}).get("matrix", {}), contexts)
    axes = {key: fill(values, contexts) for key, values in matrix.items() if key != "include"}
    if axes or "include" not in matrix:
        for values in product(*axes.values()):
            yield dict(zip(axes, values, strict=True))
    included = matrix.get("include", [])
    assert included or "include" not in matrix, "GitHub refuses an empty matrix"
    yield from included


def _pinned(uses: str) -> str:
    match = PINNED.fullmatch(uses)
    assert match, f"{uses} is not pinned by its commit"
    return f"{match['owner']}/{match['name']}{match['path'] or ''}"


def _refuse_more(document: Mapping[Any, Any], given: Mapping[str, str]) -> None:
    """A called workflow has no permission that the caller does not give."""
    for job in document["jobs"].values():
        for key, value in job.get("permissions", {}).items():
            assert given.get(key) in (value, "write"), f"the caller does not give {key}: {value}"
