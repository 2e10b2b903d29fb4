"""The suite is proven: it blames every mutant for its clause, and no good image for anything."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.engine import engine
from buildkit.model.image import Status
from tests.e2e.mutants import factory
from tests.e2e.mutants.all import every_mutant
from tests.e2e.mutants.mutant import Mutant
from tests.support.thorough import THOROUGH

if TYPE_CHECKING:
    from tests.e2e.support.real import Local

E2E = Path(__file__).parents[1]
MUTANTS = {name: mutant for name, mutant in every_mutant().items() if not mutant.slow}
SHARE = 24
"""One in so many is tried here; `make contract-report` tries all."""
CHOSEN = sorted(MUTANTS)[::SHARE]
GOOD = ("fastapi", "nginx", "trains", "serves", "shell") if THOROUGH else ("trains",)
"""Those that the full suite tests."""
SMOKED = (*GOOD, "nginx")
"""Those that the smoke test of their build tests: nginx in each run, too."""


@pytest.fixture(scope="module")
def verdicts(local: Local) -> dict[str, factory.Verdict]:
    found = factory.judge_all(
        {name: MUTANTS[name] for name in CHOSEN}, lambda _verdict: None, only_its_clause=True
    )
    return {each.name: each for each in found}


@pytest.mark.parametrize("name", CHOSEN)
def test_a_mutant_is_flagged_by_its_clause(verdicts: dict[str, factory.Verdict], name: str) -> None:
    assert verdicts[name].killed, verdicts[name].told


def test_the_image_that_keeps_every_clause_is_not_blamed(local: Local) -> None:
    with engine.connect() as docker:
        report = factory.judge(factory.build_good(), docker)
    assert factory.flagged(report) == (), factory.objections(report)
    passed = [each for each in report.clauses if each.status.value == "pass"]
    assert len(passed) >= 125


SLOW_STARTERS = {
    "silent": "    time.sleep(8)\n    signal.signal",
    "talkative": '    say("importing")\n    time.sleep(8)\n    signal.signal',
}
"""What a trainer does before it listens to SIGTERM, as one that imports a large library."""


def test_a_trainer_that_takes_long_to_listen_is_not_blamed(local: Local) -> None:
    """Half of the whole run is over then, and what passes has heard the signal."""
    trainers = {
        f"listens-late-{name}": Mutant(
            clause="RUN-08",
            program="train",
            old="    signal.signal",
            new=slow,
            purposes=("training",),
            samples='hyperparameters = { epochs = "2", seconds = "10" }',
        )
        for name, slow in SLOW_STARTERS.items()
    }
    found = factory.judge_all(trainers, lambda _verdict: None, only_its_clause=True)
    assert {each.name: each.told for each in found} == dict.fromkeys(trainers, "RUN-08: pass: ")


INTERPRETER = 'ENTRYPOINT ["python3"]\nCMD []'


def test_an_image_that_is_an_interpreter_is_not_blamed_for_its_missing_script(local: Local) -> None:
    image = factory.build({"interpreter": Mutant(clause="PROC-02", dockerfile=INTERPRETER)})
    promises = Mutant(clause="PROC-02", features=("processing",))
    clauses = ("PROC-01", "PROC-02", "PROC-03", "PROC-05", "RUN-10")
    with engine.connect() as docker:
        report = factory.judge(image["interpreter"], docker, promises, only=clauses)
    assert factory.flagged(report) == (), factory.objections(report)
    skipped = [each.id for each in report.clauses if each.status is Status.SKIP]
    assert skipped == ["RUN-10", "PROC-02", "PROC-03", "PROC-05"]


@pytest.fixture(scope="module")
def good_images(local: Local, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    for name in ("good", "everything"):
        shutil.copytree(E2E / name, folder / name)
    (folder / ".git").mkdir()  # the root of a project, whose files all may be read
    names = (f"good-{name}-*" for name in {*SMOKED})
    done = local.buildkit("build", *names, folder=folder / "good")
    assert done.code == 0, done.stderr
    return folder / "good"


@pytest.mark.parametrize("name", sorted({*SMOKED}))
def test_the_smoke_test_of_their_build_does_not_blame_them(good_images: Path, name: str) -> None:
    (record,) = (good_images / "dist").glob(f"good-{name}-*/report.json")
    report = json.loads(record.read_text())["report"]
    assert blamed(report) == {}
    assert report["profile"] == "smoke"


@pytest.mark.parametrize("name", GOOD)
def test_other_good_images_are_not_blamed(local: Local, good_images: Path, name: str) -> None:
    done = local.buildkit("test", f"good-{name}-*", "--json", "--strict", folder=good_images)
    assert done.code == 0, done.stderr
    (target,) = done.json["targets"]
    assert blamed(target["report"]) == {}


def blamed(report: dict[str, Any]) -> dict[str, str]:
    return {
        each["id"]: each["message"]
        for each in report["clauses"]
        if each["status"] in ("fail", "warn")
    }


def test_an_oci_image_in_a_registry_is_flagged(local: Local, tmp_path: Path) -> None:
    """IMG-02, which no Dockerfile can break: it is the builder's doing."""
    name = f"{local.registry}/oci-{tmp_path.name.replace('_', '-')}:1"
    config = tmp_path / "config"
    shutil.copytree(local.env["DOCKER_CONFIG"], config)
    user, password = local.login()
    env = {**local.env, "DOCKER_CONFIG": str(config)}
    there = type(local)(env=env)
    there.docker("login", "--username", user, "--password", password, local.registry)
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    there.docker(
        *("buildx", "build", "--output", f"type=image,name={name},push=true,oci-mediatypes=true"),
        *("--provenance=false", str(tmp_path)),
    )
    there.docker("pull", name)
    done = there.buildkit(
        "test", name, "--clause", "IMG-02", "--purpose", "inference", "--json", folder=tmp_path
    )
    assert done.code == 6, done.stderr
    assert "application/vnd.oci" in blamed(json.loads(done.stdout))["IMG-02"]


def test_a_reference_that_is_too_long_is_flagged(local: Local, tmp_path: Path) -> None:
    """IMG-03: Docker itself takes it."""
    name = f"{'a' * 180}:{'b' * 100}"
    local.docker("tag", factory.build_good(), name)
    try:
        done = local.buildkit(
            "test", name, "--clause", "IMG-03", "--purpose", "inference", "--json", folder=tmp_path
        )
    finally:
        local.docker("rmi", name)
    assert done.code == 6, done.stderr
    assert "IMG-03" in blamed(done.json)
