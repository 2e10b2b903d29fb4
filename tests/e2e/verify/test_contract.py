"""Images that break the contract, each in one way: flagged by the right clause, never pushed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.support.real import BUILDKIT, IMAGES, TEMPLATE, Project, make_project
from tests.e2e.support.running import Result
from tests.support.thorough import THOROUGH
from tests.support.waiting import RUN_HANGS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.support.real import Local

BASE = 'base = "python:3.11-slim-bookworm"'
NO_SIGNALS = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"


@dataclass(frozen=True, kw_only=True)
class Broken:
    """One change to the good programs, or instructions in the Dockerfile, and who objects."""

    clause: str
    program: str = "serve"
    old: str = ""
    new: str = ""
    dockerfile: str = ""


AFTER_PROGRAM = "{% endblock %}\n{% block program %}\n{{ super() }}"
"""What is wrong in the context is told before a build."""
BROKEN = {
    "ping-500": Broken(clause="SERVE-03", old="200 if self.path", new="500 if self.path"),
    "on-loopback": Broken(clause="SERVE-01", old='"0.0.0.0"', new='"127.0.0.1"'),
    "wrong-answer": Broken(clause="SERVE-06", old="number + MEAN", new="number - MEAN"),
    "not-executable": Broken(
        clause="RUN-01", dockerfile=f"{AFTER_PROGRAM}RUN chmod 644 /opt/program/train"
    ),
    "exit-0": Broken(clause="OUT-01", program="train", old="    raise\n", new="    sys.exit(0)\n"),
    "user": Broken(clause="IMG-05", dockerfile=f"{AFTER_PROGRAM}USER 1000"),
}  # fmt: skip
MORE = {
    "dies-of-bad-input": Broken(
        clause="SERVE-14", old="except ValueError:", new="except ValueError:\n            os._exit(1)"
    ),
    "ignores-sigterm": Broken(clause="RUN-09", old=NO_SIGNALS, new=""),
    "crlf": Broken(
        clause="RUN-01", dockerfile=f"{AFTER_PROGRAM}RUN sed -i '1s/$/\\r/' /opt/program/train"
    ),
    "no-answer": Broken(clause="SERVE-06", old="text.encode()", new='b""'),
    "ends-by-itself": Broken(clause="RUN-02", old="ThreadingHTTPServer((", new="sys.exit(0)\n(("),
    "no-model": Broken(clause="OUT-03", program="train", old="model/model.json", new="m.json"),
    "no-reason": Broken(clause="OUT-02", program="train", old="output/failure", new="output/f"),
    "reason-after-success": Broken(
        clause="OUT-02", program="train", old="    main()\n",
        new='    main()\n    (ROOT / "output/failure").write_text("all is well")\n',
    ),
    "opt-ml": Broken(clause="IMG-06", dockerfile="RUN mkdir -p /opt/ml/x && date > /opt/ml/x/y"),
    "shell-form": Broken(clause="RUN-04", dockerfile="ENTRYPOINT exec $0"),
    "bare-init": Broken(clause="RUN-05", dockerfile='ENTRYPOINT ["/usr/bin/tini", "--"]'),
}  # fmt: skip
"""Others of these kinds, whose clauses have mutants."""
if THOROUGH:
    BROKEN |= MORE
IMPATIENT = """
import sys
from buildkit.cli import run
from buildkit.contract.hosting import starting
starting.START_SECONDS = 10
sys.exit(run(sys.argv[1:]))
"""
"""Four minutes are what SageMaker gives a server that never answers; a test need not wait for it."""
NEVER_HEALTHY = {"ping-500", "on-loopback"}
"""Those that this is for: the others may take their time to start."""


Runs = dict[str, Result]
"""The run that an image was in."""


@pytest.fixture(scope="module")
def everything(
    local: Local, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, Runs]]:
    """All of them in two runs, side by side, and a good one among them."""
    folder = tmp_path_factory.mktemp("broken")
    project = make_project(folder)
    parts = []
    for name, broken in {"good": None, **BROKEN}.items():
        shutil.copytree(folder / "program", folder / name)
        part = IMAGES.replace("NAME", f"NAME-{name}").replace('"program"', f'"{name}"')
        if broken is not None:
            part = _break(folder, part, name, broken)
        parts.append(part)
    project.write("".join(parts))
    options = ("--push", "--json", "--jobs", "9")

    def build(tool: tuple[str, ...], names: set[str]) -> Runs:
        ids = [f"{project.name}-{name}-1.0-cpu-py311" for name in sorted(names)]
        done = subprocess.run(
            [*tool, "build", *ids, *options],
            cwd=folder, env=local.env, capture_output=True, text=True, timeout=RUN_HANGS,
        )  # fmt: skip
        result = Result(code=done.returncode, stdout=done.stdout, stderr=done.stderr)
        return dict.fromkeys(names, result)

    others = {"good", *BROKEN} - NEVER_HEALTHY
    with ThreadPoolExecutor() as pool:
        few = pool.submit(build, (sys.executable, "-c", IMPATIENT), NEVER_HEALTHY)
        many = pool.submit(build, (str(BUILDKIT),), others)
        yield project, {**few.result(), **many.result()}
    local.forget(project.name)


def _break(folder: Path, part: str, name: str, broken: Broken) -> str:
    if broken.dockerfile:
        (folder / "templates").mkdir(exist_ok=True)
        path = folder / "templates" / f"{name}.Dockerfile.j2"
        path.write_text(TEMPLATE.replace("INSTRUCTIONS", broken.dockerfile))
        return part.replace('"basic"', f'"{name}"')
    program = folder / name / broken.program
    text = program.read_text()
    assert broken.old in text
    program.write_bytes(text.replace(broken.old, broken.new, 1).encode())
    return part


def outcome(project: Project, runs: Runs, name: str) -> dict[str, Any]:
    wanted = f"{project.name}-{name}-1.0-cpu-py311"
    (found,) = [target for target in runs[name].json["targets"] if target["id"] == wanted]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_image_is_flagged_by_its_clause_and_not_pushed(
    everything: tuple[Project, Runs], local: Local, name: str
) -> None:
    project, runs = everything
    found = outcome(project, runs, name)
    assert found["status"] == "failed", runs[name].stderr
    assert found["error"]["code"] == 6, found["error"]
    clauses = found["error"]["message"].partition(": ")[2].split(", ")
    assert BROKEN[name].clause in clauses
    assert f"  {BROKEN[name].clause} " in found["error"]["details"]
    assert "    fix: " in found["error"]["details"]
    assert local.manifest(f"{project.name}-{name}", "1.0-cpu-py311") is None


def test_the_good_one_among_them_is_published(
    everything: tuple[Project, Runs], local: Local
) -> None:
    project, runs = everything
    done = runs["good"]
    assert done.code == 6
    assert outcome(project, runs, "good")["status"] == "published"
    assert local.manifest(f"{project.name}-good", "1.0-cpu-py311") is not None
    among = [name for name, run in runs.items() if run is done]
    assert f"{len(among)} targets: " in done.stderr
    assert f"{len(among) - 1} failed" in done.stderr


def test_an_endless_line_of_a_program_is_cut(local: Local, project: Project) -> None:
    project.change("train", "    main()\n", "    print('x' * 5_000_000); sys.exit(1)\n")
    done = local.buildkit("build", "--all", folder=project.folder)
    assert done.code == 6
    assert len(done.stderr) < 100_000
