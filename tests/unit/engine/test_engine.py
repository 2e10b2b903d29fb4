"""How an engine creates the containers of a test. An engine with GPUs is a fake: no test machine has them."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import docker
import docker.errors
import pytest
import requests.exceptions as wrapping
from urllib3.exceptions import ProtocolError

from buildkit.contract.engine import Start
from buildkit.engine import engine
from buildkit.engine.engine import Engine
from buildkit.engine.limits import Guard
from buildkit.engine.networks import Networks
from buildkit.support.errors import ToolError

SEALED = {"com.docker.network.bridge.inhibit_ipv4": "true"}


class FakeClient:
    """An engine that has one image and remembers how containers and networks were created."""

    def __init__(self, *variables: str) -> None:
        self.options: dict[str, Any] = {}
        self.made: dict[str, Any] = {}
        self.containers = SimpleNamespace(create=self.create)
        self.networks = SimpleNamespace(create=self.network)
        self.api = SimpleNamespace(
            create_endpoint_config=lambda **facts: facts, remove_network=self.made.pop
        )
        image = SimpleNamespace(attrs={"Config": {"Env": list(variables) or None}})
        self.images = SimpleNamespace(get=lambda _name: image)

    def create(self, _image: str, **options: Any) -> Any:
        self.options = options
        return SimpleNamespace(id="1", remove=lambda **_: None)

    def network(self, name: str, **options: Any) -> Any:
        self.made[name] = options
        return SimpleNamespace(name=name)


def engine_of(client: Any, **changes: Any) -> Engine:
    def labels() -> dict[str, str]:
        return {"buildkit.run": "test"}

    facts: dict[str, Any] = {
        "client": client,
        "endpoint": "unix:///nowhere",
        "builder": "default",
        "containerd": True,
        "held": "buildkit-build:{}".format,
        "labels": labels,
        "memory": 2**30,
        "local": True,
        "gpus": False,
        "guard": Guard(client=client, run="test", limit=2**30),
        "networks": Networks(client=client, labels=labels),
    }
    return Engine(**{**facts, **changes})


def created(where: Engine, start: Start) -> dict[str, Any]:
    client: Any = where.client
    with where.container("image", start):
        return dict(client.options)


def requests(client: Any, *, gpus: bool) -> list[Any]:
    return list(created(engine_of(client, gpus=gpus), Start())["device_requests"])


def test_an_image_that_another_checkout_removed_has_a_hint_that_says_so() -> None:
    def get(*_: object, **__: object) -> None:
        raise docker.errors.ImageNotFound("no such image")

    client = FakeClient()
    client.images, client.containers = SimpleNamespace(get=get), SimpleNamespace(create=get)
    vars(client.api).update(base_url="http://x", api_version="1", timeout=1, get=get)
    there = engine_of(client)
    for work in (
        lambda name: list(there.export(name)),
        there.view,
        lambda name: there.container(name, Start()).__enter__(),
    ):
        with pytest.raises(ToolError, match="`sha256:1`: image not found in the engine") as caught:
            work("sha256:1")
        assert "if another checkout builds the same tag" in str(caught.value.hint)
    with pytest.raises(ToolError, match="`demo`: image not found in the engine") as caught:
        there.view("demo")
    assert "`docker pull` the image" in str(caught.value.hint)


def test_an_image_for_gpus_gets_all_that_the_engine_has() -> None:
    (request,) = requests(FakeClient("NVIDIA_VISIBLE_DEVICES=all"), gpus=True)
    assert request["Count"] == -1
    assert request["Capabilities"] == [["gpu"]]


def test_an_image_that_does_not_ask_gets_gpus_if_the_user_wants_it() -> None:
    options = created(engine_of(FakeClient("PATH=/bin"), gpus=True), Start(gpus=True))
    assert [each["Count"] for each in options["device_requests"]] == [-1]
    assert created(engine_of(FakeClient()), Start(gpus=True))["device_requests"] == []


def test_a_shell_may_have_an_input_without_a_terminal() -> None:
    options = created(engine_of(FakeClient()), Start(input=True))
    assert (options["stdin_open"], options["tty"]) == (True, False)
    options = created(engine_of(FakeClient()), Start())
    assert (options["stdin_open"], options["tty"]) == (False, False)


@pytest.mark.parametrize(
    ("variable", "gpus"), [("NVIDIA_VISIBLE_DEVICES=all", False), ("PATH=/bin", True)]
)
def test_no_gpus_without_an_engine_that_has_them_or_an_image_that_asks(
    variable: str, gpus: bool
) -> None:
    assert requests(FakeClient(variable), gpus=gpus) == []


def test_no_program_gets_more_rights_than_it_was_started_with() -> None:
    assert created(engine_of(FakeClient()), Start())["security_opt"] == ["no-new-privileges"]
    client = FakeClient()
    engine_of(client).reader("image", "/folder")
    assert client.options["security_opt"] == ["no-new-privileges"]
    assert client.options["network_mode"] == "none"


def test_a_container_that_nobody_asks_reaches_nothing() -> None:
    client = FakeClient()
    options = created(engine_of(client), Start())
    network = client.made[options["network"]]
    assert (network["internal"], network["options"]) == (True, SEALED)
    assert network["labels"] == {"buildkit.run": "test"}
    assert "ports" not in options


def test_a_server_is_asked_at_its_address_on_an_internal_network() -> None:
    client = FakeClient()
    options = created(engine_of(client), Start(ports=(8080,)))
    network = client.made[options["network"]]
    assert network["internal"] is True
    assert network["options"]["com.docker.network.bridge.name"].startswith("bk-test-")
    assert "ports" not in options


@pytest.mark.parametrize(
    ("endpoint", "published"),
    [("tcp://build.example:2376", "0.0.0.0"), ("unix:///desktop.sock", "127.0.0.1")],
)
def test_a_server_of_an_engine_elsewhere_is_asked_at_a_published_port(
    endpoint: str, published: str
) -> None:
    """An internal network publishes none; what leaves this one has an address of no use."""
    client = FakeClient()
    where = engine_of(client, local=False, endpoint=endpoint)
    options = created(where, Start(ports=(8080,)))
    network = client.made[options["network"]]
    assert network["internal"] is False
    assert network["options"]["com.docker.network.bridge.enable_ip_masquerade"] == "false"
    assert options["ports"] == {"8080/tcp": (published, 0)}
    assert client.made[created(where, Start())["network"]]["options"] == SEALED


def test_networks_are_made_once_in_a_run() -> None:
    client = FakeClient()
    where = engine_of(client)
    for _ in range(3):
        created(where, Start())
        created(where, Start(ports=(8080,)))
    created(where.connected(outside=False), Start())
    assert len(client.made) == 2


def test_who_asks_for_a_network_gets_the_engines() -> None:
    client = FakeClient()
    where = engine_of(client).connected(outside=True)
    assert "network" not in created(where, Start(ports=(8080,)))
    assert client.made == {}
    with where.network() as name:
        assert (client.made[name]["internal"], client.made[name]["options"]) == (False, {})
    with where.connected(outside=False).network() as name:
        assert client.made[name]["options"] == SEALED
    assert client.made == {}


@pytest.mark.parametrize(
    ("where", "info", "local"),
    [
        ("unix:///run/docker.sock", {}, True),
        ("unix:///run/docker.sock", {"SecurityOptions": ["name=seccomp,profile=builtin"]}, True),
        ("unix:///run/user/1/docker.sock", {"SecurityOptions": ["name=rootless"]}, False),
        ("unix:///desktop.sock", {"OperatingSystem": "Docker Desktop"}, False),
        ("tcp://127.0.0.1:2375", {}, False),
        ("ssh://me@build.example", {}, False),
    ],
)
def test_an_engine_is_local_whose_networks_are_reached_from_here(
    where: str, info: dict[str, Any], local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert engine.is_local(where, info) is local
    monkeypatch.setattr("sys.platform", "darwin")
    assert engine.is_local(where, info) is False


def test_an_engine_that_does_not_answer_is_said_with_the_reason_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with (
        pytest.raises(ToolError, match=r"no Docker engine answers at tcp://127.0.0.1:1") as caught,
        engine.connect(),
    ):
        pass
    assert caught.value.details == "Connection refused"


@pytest.mark.parametrize(
    ("has_pip", "command"),
    [
        (True, f"`{sys.executable} -m pip install 'docker[ssh]'`"),
        (False, f"`uv pip install -p {sys.executable} 'docker[ssh]'`"),
    ],
)
def test_what_ssh_needs_is_said_with_the_command_that_installs_it(
    has_pip: bool, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://me@build.example")
    there = {"pip": object()} if has_pip else {}
    monkeypatch.setattr(engine, "find_spec", there.get)
    with pytest.raises(ToolError) as caught, engine.connect():
        pass
    assert caught.value.message == (
        "cannot reach the engine at ssh://…@build.example: SSH needs the Python package "
        "`paramiko`, which is not installed"
    )
    assert caught.value.hint == command


def test_what_ssh_itself_says_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """paramiko's errors are none of docker-py's."""

    class SSHError(Exception):
        pass

    def refused(**_options: Any) -> None:
        raise SSHError("Server 'build.example' not found in known_hosts")

    monkeypatch.setenv("DOCKER_HOST", "ssh://me@build.example")
    monkeypatch.setattr(engine, "find_spec", lambda _name: object())
    monkeypatch.setattr(docker, "from_env", refused)
    with (
        pytest.raises(ToolError, match="no Docker engine answers at ssh://") as caught,
        engine.connect(),
    ):
        pass
    assert caught.value.details == "Server 'build.example' not found in known_hosts"
    assert "make `docker info` work without a password" in str(caught.value.hint)


def test_the_reason_of_a_missing_socket_is_below_those_of_the_libraries() -> None:
    missing = FileNotFoundError(2, "No such file or directory")
    aborted = wrapping.ConnectionError(ProtocolError("Connection aborted.", missing))
    assert engine.reason(aborted) == "No such file or directory"
    assert engine.reason(ValueError("a bad scheme")) == "a bad scheme"
