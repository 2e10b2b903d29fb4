"""Images that extend AWS's prebuilt ones, which the local registry serves under AWS's names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support import tested as once
from tests.e2e.support.bases import docker_folder, label, publish
from tests.e2e.support.ecr_under import ecr_under

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.support.real import Local, Project

VIRGINIA = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
MILAN = "692866216735.dkr.ecr.eu-south-1.amazonaws.com"
OWN = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
PREBUILT = "pytorch-training:2.5.1-cpu-py311"

IMAGES = """
[image.NAME]
versions = ["2.5.1"]
purposes = ["training"]
base = { prebuilt = { framework = "pytorch" } }
template = "basic"
context = "program"

[image.NAME.samples]
channels = { training = "data" }
"""


@pytest.fixture(scope="module")
def registries(local: Local, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    with ecr_under(local, tmp_path_factory.mktemp("ecr"), VIRGINIA, MILAN, OWN) as there:
        yield there


@pytest.fixture
def ecr(registries: Local, scratch: Path) -> Local:
    return replace(registries, env={**registries.env, "TMPDIR": str(scratch)})


def dockerfile(project: Project) -> str:
    return (project.folder / "dist" / f"{project.name}-2.5.1-cpu-py311" / "Dockerfile").read_text()


def test_aws_s_image_is_pulled_from_its_account_in_the_region_with_a_login_that_nobody_gave(
    ecr: Local, project: Project, tmp_path: Path
) -> None:
    """The region of the file, which goes before that of the caller."""
    publish(ecr, tmp_path, f"{MILAN}/{PREBUILT}")
    project.write('[registry]\nregion = "eu-south-1"\n' + IMAGES)
    done = ecr.buildkit("build", "--all", folder=project.folder, AWS_REGION="us-east-1")
    assert done.code == 0, done.stderr
    assert f"logging in to {MILAN}" in done.stderr
    assert f"FROM {MILAN}/{PREBUILT} AS image" in dockerfile(project)
    image = done.stdout.strip()
    assert label(ecr, image) == f"{MILAN}/{PREBUILT}"
    _, password = ecr.login()
    history = ecr.docker("image", "history", "--no-trunc", image)
    assert password not in done.stdout + done.stderr + history


def test_a_stand_in_is_logged_in_to_instead(ecr: Local, project: Project, tmp_path: Path) -> None:
    """Such as a pull-through cache of one's own account."""
    publish(ecr, tmp_path, f"{OWN}/mirror/{PREBUILT}")
    project.write(IMAGES)
    rules = ecr.env.get("BUILDKIT_SUBSTITUTE", "")
    done = ecr.buildkit(
        "build", "--all", folder=project.folder, AWS_REGION="us-east-1",
        BUILDKIT_SUBSTITUTE=f"{rules} {VIRGINIA}/*={OWN}/mirror/*".strip(),
    )  # fmt: skip
    assert done.code == 0, done.stderr
    assert "logging in to" in done.stderr
    assert f"logging in to {VIRGINIA}" not in done.stderr
    assert f"FROM {VIRGINIA}/{PREBUILT} AS image" in dockerfile(project)
    assert label(ecr, done.stdout.strip()) == f"{OWN}/mirror/{PREBUILT}"


def test_a_login_of_the_user_s_own_is_left_alone_and_told_when_it_is_refused(
    ecr: Local, project: Project, tmp_path: Path
) -> None:
    publish(ecr, tmp_path, f"{VIRGINIA}/{PREBUILT}")
    project.write(IMAGES)
    config = docker_folder(ecr, tmp_path / "stale", VIRGINIA, "expired")
    done = ecr.buildkit("build", "--all", folder=project.folder, AWS_REGION="us-east-1",
                        DOCKER_CONFIG=config)  # fmt: skip
    assert done.code == 5
    assert "logging in to" not in done.stderr
    assert "refuses the login" in done.stderr
    assert "`docker logout" in done.stderr


def test_a_target_without_a_login_does_not_stop_the_others(local: Local, tested: Project) -> None:
    lost = f"{tested.name}-prebuilt-2.5.1-cpu-py311"
    tested.write(once.IMAGES + IMAGES.replace("NAME", "NAME-prebuilt"))
    away = {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    there = replace(local, env={**local.env, **away})
    done = there.buildkit("build", "--all", folder=tested.folder)
    assert done.code == 5
    assert done.stdout.splitlines() == [f"{tested.repository}:{tag}" for tag in once.TAGS]
    assert f"error: {lost}: requesting an ECR login for {VIRGINIA}" in done.stderr
    alone = there.buildkit("build", lost, folder=tested.folder)
    assert alone.code == 5
    assert alone.stderr.count("error: ") == 1
