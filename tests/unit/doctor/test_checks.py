"""Facts -> findings: what no test machine can be, and what each finding is called."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from buildkit.build.buildx import Builder, Buildx
from buildkit.doctor import doctor
from buildkit.doctor.facts import Aws, Docker, Facts, Images, Machine, Network
from buildkit.doctor.finding import State, exit_code
from buildkit.ecr import permissions, policies
from buildkit.ecr.failures import Trouble
from buildkit.ecr.identity import Identity
from buildkit.ecr.permissions import Asked, Permissions
from buildkit.ecr.places import Api, Place
from buildkit.engine.command import Command
from buildkit.engine.health import Health
from buildkit.registry.docker_config import Settings
from buildkit.registry.reach import Found, Reached
from buildkit.registry.reach import Trouble as Way
from buildkit.support.errors import ConfigError, Exit, LockError
from buildkit.system.machine import Folder
from tests.support import sources

ROOT = Path(__file__).parents[3]
HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
PLACE = Place(host=HOST, api=Api.ECR, account="123456789012", region="eu-west-1")
ARN = "arn:aws:sts::123456789012:assumed-role/builder/me"
ME = Identity(arn=ARN, account="123456789012", ahead=1.0)
SPACE = Folder(path="/data", free=50 * 10**9)
HEALTH = Health(
    endpoint="unix:///var/run/docker.sock",
    version="29.1.2",
    api="1.52",
    oldest_api="1.44",
    components=("Engine", "containerd"),
    containerd=True,
    memory=16 * 10**9,
    ahead=0.1,
)
WELL = Facts(
    images=Images(path=Path("images.toml"), targets=2, platforms=("linux/amd64",), needs_aws=True),
    docker=Docker(
        command=Command(name="Docker", version="29.1.2"),
        buildx=Buildx(version="0.30.1"),
        builder=Builder(name="default", driver="docker", platforms=("linux/amd64",)),
        health=HEALTH,
        config=Settings(path=Path("config.json")),
        endpoint=HEALTH.endpoint,
        pulls={"python:3.11": ""},
    ),
    machine=Machine(
        system="linux",
        architecture="x86_64",
        user="me",
        studio=False,
        folders={"temporary files": SPACE},
        engine_folder=SPACE,
    ),
    network=Network(
        proxies={},
        registries={"registry-1.docker.io": Reached(host="registry-1.docker.io", ahead=0.5)},
        bases={"python:3.11": Found(base="python:3.11", host="registry-1.docker.io")},
        logins={},
    ),
    aws=Aws(
        identities={None: ME},
        permissions={HOST: Permissions(asked=Asked(place=PLACE, pushed=("demo",)))},
    ),
    seconds=9.0,
)


def docker(**changes: Any) -> Facts:
    return replace(WELL, docker=replace(WELL.docker, **changes))


def health(**changes: Any) -> Facts:
    return docker(health=replace(HEALTH, **changes))


def machine(**changes: Any) -> Facts:
    return replace(WELL, machine=replace(WELL.machine, **changes))


def network(**changes: Any) -> Facts:
    return replace(WELL, network=replace(WELL.network, **changes))


def images(**changes: Any) -> Facts:
    return replace(WELL, images=replace(WELL.images, **changes))


def identity(**changes: Any) -> Facts:
    return replace(WELL, aws=Aws(identities={None: replace(ME, **changes)}, permissions={}))


def rights(**changes: Any) -> Facts:
    found = replace(WELL.aws.permissions[HOST] or Permissions(asked=Asked(place=PLACE)), **changes)
    return replace(WELL, aws=replace(WELL.aws, permissions={HOST: found}))


HUB = "registry-1.docker.io"
FULL = Folder(path="/data", free=5 * 10**7)


def test_a_healthy_machine_has_only_good_findings() -> None:
    found = doctor.examine(WELL)
    assert {each.state for each in found} == {State.OK}
    assert exit_code(found) == Exit.DONE
    assert len(found) == 16


@pytest.mark.parametrize(
    ("facts", "name", "code", "said", "fix"),
    [
        pytest.param(docker(command=None), "docker-broken", 5, "within 9 s", "reinstall", id="cli hangs"),
        pytest.param(docker(health=None), "engine-silent", 5, "hangs", "restart docker", id="engine late"),
        pytest.param(
            replace(docker(health=None), machine=replace(WELL.machine, system="darwin")),
            "engine-silent", 5, "", "Docker Desktop", id="engine late on a Mac",
        ),
        pytest.param(docker(buildx=None), "buildx-missing", 5, "within 9 s", "install buildx", id="buildx late"),
        pytest.param(docker(builder=None), "buildx-builder", 5, "no answer", "docker buildx ls", id="builder late"),
        pytest.param(
            docker(builder=Builder(name="x", why='no builder "x" found')),
            "buildx-builder", 5, 'no builder "x"', "docker buildx ls", id="no builder",
        ),
        pytest.param(
            docker(pulls={"python:3.11": None}), "engine-pull", 5, "no answer", "proxies", id="pull late"
        ),
        pytest.param(
            docker(pulls={"python:3.11": "odd"}), "engine-pull", 5, "odd", "check `base`", id="odd pull"
        ),
        pytest.param(
            health(api="1.41", oldest_api="1.12", version="20.10.24"),
            "engine-old", 0, "tested with", "Docker 23", id="Docker 20.10",
        ),
        pytest.param(health(memory=3 * 10**9), "engine-memory", 0, "gets half", "8 GB", id="3 GB"),
        pytest.param(
            health(memory=10**9, product="Docker Desktop", local=False),
            "engine-memory", 5, "too little", "Settings > Resources", id="Docker Desktop with 1 GB",
        ),
        pytest.param(machine(engine_folder=FULL), "engine-disk", 5, "50.0 MB free", "docker system prune", id="full engine"),
        pytest.param(
            replace(machine(engine_folder=replace(SPACE, free=20 * 10**9)), images=replace(WELL.images, gpus=True)),
            "engine-disk", 0, "up to 40.0 GB", "buildkit cache prune", id="little for GPU images",
        ),
        pytest.param(machine(folders={"temporary files": FULL}), "disk-full", 5, "50.0 MB", "TMPDIR", id="full /tmp"),
        pytest.param(
            machine(folders={"buildkit's cache": replace(SPACE, free=5 * 10**8)}),
            "disk-full", 0, "only 500.0 MB", "XDG_CACHE_HOME", id="little cache",
        ),
        pytest.param(
            machine(folders={"temporary files": replace(SPACE, entries=0.1)}),
            "disk-full", 5, "0.1 % of its files", "TMPDIR", id="no inodes",
        ),
        pytest.param(
            machine(folders={"the records of targets": replace(SPACE, writable=False)}),
            "disk-read-only", 5, "cannot be written to", "--dist", id="read-only project",
        ),
        pytest.param(machine(folders={"temporary files": None}), "disk-read-only", 5, "no folder", "TMPDIR", id="no /tmp"),
        pytest.param(
            network(registries={HUB: Reached(host=HUB, ahead=-200.0)}, bases={}),
            "clock", 0, "100 s ahead of", "set-ntp", id="clock a minute wrong",
        ),
        pytest.param(network(registries={HUB: None}), "registry-unreachable", 5, "within 9 s", "DNS", id="registry late"),
        pytest.param(
            network(registries={HUB: Reached(host=HUB, trouble=Way.CERTIFICATE, why="certificate is not yet valid")}),
            "registry-certificate", 5, "not yet valid", "set the clock", id="certificate and clock",
        ),
        pytest.param(
            network(unasked=("x", "y")), "base-unchecked", 0, "2 bases", "SELECT", id="many bases"
        ),
        pytest.param(network(bases={"x": None}), "base-refused", 5, "within 9 s", "mirror", id="base late"),
        pytest.param(
            network(bases={"x": Found(base="x", host=HUB, trouble=Way.LOGIN, why="(401)")}),
            "registry-login", 5, "(401)", "fix `base`", id="private image of Docker Hub",
        ),
        pytest.param(
            network(bases={"x": Found(base="x", host=HUB, trouble=Way.REFUSED, why="429", hint="wait")}),
            "base-refused", 5, "429", "wait", id="refused",
        ),
        pytest.param(
            network(
                registries={HOST: Reached(host=HOST)},
                bases={"x": Found(base="x", host=HOST, trouble=Way.LOGIN, why="(403)")},
            ),
            "registry-login", 5, "(403)", f"docker logout {HOST}", id="old login to ECR",
        ),
        pytest.param(
            images(error=ConfigError("bad", hint="edit")), "images-toml", 2, "bad", "edit", id="images.toml"
        ),
        pytest.param(
            images(error=LockError("old", hint="`buildkit lock`")),
            "images-lock", 2, "old", "`buildkit lock`", id="images.lock",
        ),
        pytest.param(
            replace(WELL, aws=Aws(identities={None: None}, permissions={})),
            "aws-network", 5, "within 9 s", "AWS_ENDPOINT_URL", id="AWS late",
        ),
        pytest.param(
            identity(trouble=Trouble.OTHER, why="odd", hint="run `buildkit doctor`"),
            "aws-configuration", 5, "odd", "aws configure list", id="odd credentials",
        ),
        pytest.param(
            replace(WELL, aws=replace(WELL.aws, permissions={HOST: None})),
            "aws-network", 5, f"ECR at {HOST}", "AWS_ENDPOINT_URL", id="ECR late",
        ),
        pytest.param(
            rights(trouble=Trouble.NETWORK, why="no way"), "aws-network", 5, "no way", "network", id="ECR away"
        ),
        pytest.param(
            rights(asked=Asked(place=replace(PLACE, account="210987654321"), pushed=("demo",))),
            "aws-account", 0, "account 210987654321", "fix `account`", id="another account",
        ),
        pytest.param(
            rights(key="the KMS key `k` is Disabled"), "aws-key", 5, "Disabled", "enable the key", id="key"
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_fix(
    facts: Facts, name: str, code: int, said: str, fix: str
) -> None:
    found = doctor.examine(facts)
    wrong = [each for each in found if each.state is not State.OK]
    (named,) = [each for each in wrong if each.name == name]
    assert said in named.found
    assert fix in named.fix
    assert exit_code(found) == code
    assert (named.state is State.PROBLEM) == (code != 0)
    assert len(wrong) == 1, wrong


def test_what_follows_from_a_problem_is_not_said_again() -> None:
    """A base is not asked for where its registry cannot be reached; a builder needs an engine."""
    bad = Reached(host=HUB, trouble=Way.UNREACHABLE, why="away")
    base = Found(base="python:3.11", host=HUB, trouble=Way.UNREACHABLE, why="away")
    found = doctor.examine(network(registries={HUB: bad}, bases={"python:3.11": base}))
    assert [each.name for each in found if each.state is not State.OK] == ["registry-unreachable"]
    found = doctor.examine(docker(health=None, builder=None, pulls={}))
    assert [each.name for each in found if each.state is not State.OK] == ["engine-silent"]


@pytest.mark.parametrize(
    ("base", "why", "what"),
    [
        (
            "docker-proxy.corp/a:1",
            "Get https://docker-proxy.corp/v2/: no such host",
            "cannot reach",
        ),
        ("geofence:1", "docker.io/library/geofence:1: odd", "got an error from"),
        ("r.corp/geofences:1", "geofences-certificate.corp: unexpected geofences", "trust"),
        ("r.corp/a:1", "manifest unknown: proxy certificate denied", "finds no such image"),
        ("r.corp/a:1", "unexpected EOF", "cannot reach"),
        ("r.corp/a:1", "r.corp/b: geofence", "got an error from"),
    ],
)
def test_names_in_what_the_engine_says_mean_nothing(base: str, why: str, what: str) -> None:
    found = doctor.examine(docker(pulls={base: why}))
    (pull,) = [each for each in found if each.name == "engine-pull"]
    assert what in pull.found


def test_a_registry_whose_bases_are_in_the_engine_is_not_needed() -> None:
    bad = Reached(host=HUB, trouble=Way.UNREACHABLE, why="away")
    held = docker(health=replace(HEALTH, images=frozenset({"python:3.11"})))
    facts = replace(held, network=replace(WELL.network, registries={HUB: bad}))
    (only,) = [each for each in doctor.examine(facts) if each.state is not State.OK]
    assert (only.name, only.state) == ("registry-unreachable", State.WARNING)
    assert "the engine has all bases" in only.found
    pushed = replace(facts, network=replace(facts.network, published=frozenset({HUB})))
    assert exit_code(doctor.examine(pushed)) == Exit.TOOL


def test_one_network_that_is_down_is_one_finding() -> None:
    bad = Reached(host=HUB, trouble=Way.UNREACHABLE, why="away")
    facts = replace(
        docker(pulls={"python:3.11": "no such host"}),
        network=replace(WELL.network, registries={HUB: bad}),
    )
    assert [each.name for each in doctor.examine(facts) if each.state is not State.OK] == [
        "registry-unreachable"
    ]


def test_the_file_is_at_fault_only_if_nothing_else_is() -> None:
    broken = replace(WELL.images, error=ConfigError("bad", hint="edit"))
    assert exit_code(doctor.examine(replace(WELL, images=broken))) == Exit.USAGE
    assert exit_code(doctor.examine(replace(docker(health=None), images=broken))) == Exit.TOOL


def test_a_policy_names_each_action_once_and_groups_them_by_resource() -> None:
    assert policies.allowing(
        [("a:X", "1"), ("a:X", "2"), ("a:Y", "1"), ("a:Y", "2"), ("a:Z", "*")]
    ) == {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["a:X", "a:Y"], "Resource": ["1", "2"]},
            {"Effect": "Allow", "Action": ["a:Z"], "Resource": "*"},
        ],
    }


def test_the_manual_lists_the_actions_that_are_checked() -> None:
    text = (ROOT / "docs/guide/publish.md").read_text()
    checked = {permissions.LOGIN, *permissions.PUSH, *permissions.CREATE, *permissions.KEY}
    checked |= {permissions.LIFECYCLE, permissions.POLICY}
    assert {each for each in checked if each not in text} == set()
    block = text.partition("```json")[2].partition("```")[0]
    listed = {*re.findall(r'"(ecr:\w+)"', block)}
    assert listed == {each for each in checked if each.startswith("ecr:")}


NAME = re.compile(
    r"clock|(?:aws|base|build|buildx|credential|disk|docker|ecr|engine|images|proxy|registry|variable)"
    r"(?:-[a-z]+)+"
)
FINE = {"ecr-repositories", "engine-remote"}
"""Names of findings that are never wrong."""


def names() -> set[str]:
    """Every name that some check gives to what is wrong."""
    return {
        node.value
        for path in (sources.PACKAGE / "doctor").glob("*.py")
        for node in sources.nodes(path)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and NAME.fullmatch(node.value)
    } - FINE


def documented() -> dict[str, str]:
    text = (ROOT / "docs/reference/doctor.md").read_text()
    return dict(re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", text, re.MULTILINE))


def test_the_manual_lists_every_finding_with_its_fix() -> None:
    assert names() == documented().keys()
    assert len(names()) > 50
