"""A registry or AWS that refuses, is down or goes down: named, with a hint, and healed by another run."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support.parts import relay
from tests.e2e.support.real import Local, exports, script
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.support.real import Project

TAG = "1.0-cpu-py311"
NOWHERE = "127.0.0.1:1"


@pytest.fixture(scope="module")
def spare_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    state = tmp_path_factory.mktemp("spare")
    try:
        yield state
    finally:
        script("registry", "down", "--state", str(state))


@pytest.fixture
def spare(local: Local, spare_state: Path, scratch: Path) -> Local:
    """A registry that a test may break: the next one gets it whole again."""
    found = exports(script("registry", "up", "--state", str(spare_state)))
    names = ("BUILDKIT_REGISTRY", "AWS_ENDPOINT_URL")
    env = {**local.env, "TMPDIR": str(scratch), **{name: found[name] for name in names}}
    return replace(local, env=env)


def kill_registry(state: Path) -> None:
    text = (state / "registry.pid").read_text().strip()
    if not text.isdigit():
        pytest.skip("this registry is a container")
    os.kill(int(text), signal.SIGKILL)


def test_a_tag_is_never_overwritten_and_a_revision_is_advised(
    local: Local, tested: Project
) -> None:
    folder, one = tested.folder, f"{tested.name}-1.0*"
    assert local.buildkit("push", one, folder=folder).code == 0
    before = local.manifest(tested.repository, TAG)
    assert before is not None
    tested.change("train", "Learns", "Also learns")
    done = local.buildkit("build", one, "--push", "--json", folder=folder)
    assert done.code == 5
    (target,) = done.json["targets"]
    assert target["status"] == "failed"
    image = f"{tested.repository}:{TAG}"
    assert f"{local.registry}/{image}` already exists" in target["error"]["message"]
    assert before[1] in target["error"]["message"]
    assert target["error"]["details"] == "program changed"
    assert "building" not in done.stderr
    assert "`1.0-1`" in target["error"]["hint"]
    assert local.manifest(tested.repository, TAG) == before


def test_a_login_that_is_not_taken(spare: Local, spare_state: Path, tested: Project) -> None:
    file = spare_state / "htpasswd"
    good = file.read_text()
    file.write_text("AWS:" + "$2y$05$" + "x" * 53 + "\n")
    try:
        done = spare.buildkit("build", "--all", "--push", folder=tested.folder)
    finally:
        file.write_text(good)
    assert done.code == 5
    assert f"the registry {spare.registry} refuses the login (401)" in done.stderr
    assert "hint: " in done.stderr
    assert "building" not in done.stderr  # told before the builds, not after
    healed = spare.buildkit("push", "--all", folder=tested.folder)
    assert healed.code == 0, healed.stderr


def test_a_registry_that_is_down(spare: Local, spare_state: Path, tested: Project) -> None:
    kill_registry(spare_state)
    for command in (("push", "--all"), ("build", "--all", "--push")):
        done = spare.buildkit(*command, folder=tested.folder)
        assert done.code == 5
        assert f"the registry {spare.registry} does not answer" in done.stderr
        assert "onnection refused" in done.stderr
        assert "hint: check the registry's name and the network" in done.stderr


def test_a_registry_that_dies_in_the_middle_of_a_push(
    spare: Local, spare_state: Path, tested: Project
) -> None:
    with relay(spare.registry, rate=256 * 1024) as slow:
        there = ("push", f"{tested.name}-1.0*", "--registry", slow.address)
        running = spare.start(*there, folder=tested.folder)
        wait_until(lambda: slow.passed > 256 * 1024)
        kill_registry(spare_state)
        slow.rate = None
        done = running.end()
        assert done.code == 5
        id_ = f"{tested.name}-{TAG}"
        assert f"{id_}: the registry {slow.address} does not answer" in done.stderr
        assert "hint: " in done.stderr
        assert not (tested.folder / "dist" / id_ / "published.json").exists()
        script("registry", "up", "--state", str(spare_state))
        healed = spare.buildkit(*there, folder=tested.folder)
        assert healed.code == 0, healed.stderr


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        pytest.param(
            {"AWS_ENDPOINT_URL": f"http://{NOWHERE}"},
            f'Could not connect to the endpoint URL: "http://{NOWHERE}/"',
            "AWS_ENDPOINT_URL",
            id="endpoint-down",
        ),
        pytest.param(
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "HOME": "/nonexistent",
             "AWS_EC2_METADATA_DISABLED": "true"},
            "no AWS credentials found",
            "aws sso login",
            id="no-credentials",
        ),
    ],
)  # fmt: skip
def test_aws_that_gives_no_login(
    local: Local, project: Project, changes: dict[str, str | None], message: str, hint: str
) -> None:
    env = {name: text for name, text in {**local.env, **changes}.items() if text is not None}
    done = replace(local, env=env).buildkit("build", "--all", "--push", folder=project.folder)
    assert done.code == 5
    assert message in done.stderr
    assert hint in done.stderr.partition("hint: ")[2]
    assert "building" not in done.stderr
