"""A few of the real images: built, tested and published, then used by a real client.

The client is the SageMaker Python SDK's local mode, which trains, deploys and predicts with them.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import uuid
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.support.parts import processes_with
from tests.e2e.support.real import ROOT, script
from tests.e2e.support.running import Running
from tests.support.thorough import THOROUGH
from tests.support.waiting import HANG, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.support.real import Local

DOCKER = "application/vnd.docker"
SHIPPED = ("sklearn*", "basic*", "framework*") if THOROUGH else ("sklearn*py311", "basic*py39")
"""`make build-all` has all."""
BUILD = ("build", *SHIPPED, "--push", "--json")
CLIENT = Path(__file__).parents[1] / "sdk" / "client.py"
EXAMPLES = ROOT / "examples"
BASIC = "basic-1.0-cpu-py39"
ESTIMATORS: dict[str, dict[str, Any]] = {
    BASIC: {"hyperparameters": {"scale": 2}},
    "sklearn-1.7.2-cpu-py311": {
        "entry_point": "code/train.py",
        "hyperparameters": {"n-estimators": 20},
    },
}
"""What a user says of the job, beside the image."""

NETWORK = "sagemaker-local"
OURS = "buildkit.test=sdk"


@pytest.fixture(scope="module")
def sdk(local: Local) -> Path:
    """The Python that has the SDK. Beside it is a docker-compose."""
    return Path(script("sdk", env=local.env).strip())


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, because its ledger lies beside images.toml."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copy(ROOT / "images.toml", folder)
    shutil.copytree(EXAMPLES, folder / "examples")
    return folder


@pytest.fixture(scope="module")
def published(local: Local, checkout: Path) -> list[dict[str, Any]]:
    """The targets, after the run that published them."""
    done = local.buildkit(*BUILD, folder=checkout)
    assert done.code == 0, done.stderr
    targets: list[dict[str, Any]] = done.json["targets"]
    return targets


def test_what_is_built_tested_and_published_is_done_once(
    local: Local, checkout: Path, published: list[dict[str, Any]]
) -> None:
    assert [target["status"] for target in published] == ["published"] * len(published)
    for target in published:
        repository, _, tag = target["uri"].removeprefix(f"{local.registry}/").partition(":")
        found = local.manifest(repository, tag)
        assert found is not None
        assert (found[0], found[1]) == (
            f"{DOCKER}.distribution.manifest.v2+json",
            target["digest"],
        )
    again = local.buildkit(*BUILD, folder=checkout)
    assert not any(target["pushed"] for target in again.json["targets"])
    assert all(target["tested_before"] for target in again.json["targets"])


def test_two_users_at_once_train_deploy_and_predict(
    local: Local, sdk: Path, published: list[dict[str, Any]], tmp_path: Path
) -> None:
    jobs = tmp_path / "jobs"
    names = {target["id"]: target["image"] for target in published}
    images = {target: names[target] for target in ESTIMATORS}
    for target, image in images.items():
        prepare(jobs / target, image, ESTIMATORS[target])
    with (
        network(local, jobs, images[BASIC]),
        compose_project(local) as project,
        ExitStack() as stack,
    ):
        env = {**local.env, "PATH": f"{sdk.parent}:{local.env['PATH']}",
               "COMPOSE_PROJECT_NAME": project, "PYTHONUNBUFFERED": "1"}  # fmt: skip
        users = [Running([str(sdk), str(CLIENT)], jobs / target, env) for target in images]
        for user in users:
            stack.callback(user.kill)
        for done in [user.end() for user in users]:
            assert done.code == 0, f"{done.stdout}\n{done.stderr}"
        wait_until(lambda: not processes_with(project))
        assert states(local, project) == ["serve exited"] * 2 + ["train exited"] * 2
    for target in images:
        assert json.loads((jobs / target / "answers.json").read_text()) == examples("expected")


def prepare(folder: Path, image: str, estimator: dict[str, Any]) -> None:
    # Copies, because containers get these very folders, and may write there.
    shutil.copytree(EXAMPLES / "iris" / "training", folder / "training")
    shutil.copytree(EXAMPLES / "sklearn", folder / "code")
    job = {"image": image, "estimator": estimator, "requests": examples("payload")}
    (folder / "job.json").write_text(json.dumps(job))


def examples(stem: str) -> dict[str, Any]:
    path = EXAMPLES / "iris" / stem
    return {
        "text/csv": list(csv.reader(path.with_suffix(".csv").read_text().splitlines())),
        "application/json": json.loads(path.with_suffix(".json").read_text()),
    }


@contextmanager
def network(local: Local, jobs: Path, image: str) -> Iterator[None]:
    """The SDK's network: all users of an engine have this one, and it stays behind.

    Each test keeps a container on it, so that no other removes it while compose is about to use it.
    """
    keeper = keep_network(local, jobs, image)
    try:
        yield
        # What containers wrote as root, this user may not be able to remove.
        local.docker("exec", keeper, "sh", "-c", "rm -rf /jobs/*/containers /jobs/*/output")
    finally:
        local.docker("rm", "--force", keeper)
        if local.docker("network", "ls", "--quiet", "--filter", f"label={OURS}"):
            gone = docker(local, "network", "rm", NETWORK)
            # Another test may be on it still, or have been quicker.
            others = ("active endpoints", "not found")
            assert gone.returncode == 0 or any(text in gone.stderr for text in others), gone.stderr


def keep_network(local: Local, jobs: Path, image: str, tries: int = 5) -> str:
    run = ("run", "--detach", "--rm", "--network", NETWORK, "--volume", f"{jobs}:/jobs",
           "--entrypoint", "sleep", image, "infinity")  # fmt: skip
    # Compose wants its own label on a network that is there.
    labels = ("--label", OURS, "--label", f"com.docker.compose.network={NETWORK}")
    # Either can fail because of another run: the network is there already, or not any more.
    docker(local, "network", "create", *labels, NETWORK)
    done = docker(local, *run)
    if done.returncode == 0:
        return done.stdout.strip()
    assert tries > 1, done.stderr
    return keep_network(local, jobs, image, tries - 1)


@contextmanager
def compose_project(local: Local) -> Iterator[str]:
    """A name by which to find what compose starts: the SDK stops its containers, and leaves them."""
    project = f"buildkit-{uuid.uuid4().hex}"
    try:
        yield project
    finally:
        if left := containers(local, project):
            local.docker("rm", "--force", "--volumes", *left)
        wait_until(lambda: not processes_with(project))
        assert containers(local, project) == []


def docker(local: Local, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments], env=local.env, capture_output=True, text=True, timeout=HANG
    )


def containers(local: Local, project: str) -> list[str]:
    label = f"label=com.docker.compose.project={project}"
    return local.docker("ps", "--all", "--quiet", "--filter", label).split()


def states(local: Local, project: str) -> list[str]:
    form = "{{index .Config.Cmd 0}} {{.State.Status}}"
    return sorted(
        local.docker("inspect", "--format", form, *containers(local, project)).splitlines()
    )
