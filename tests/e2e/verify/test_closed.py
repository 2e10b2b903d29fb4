"""What containers under test reach: nothing outside, unless somebody asks for a network."""

from __future__ import annotations

import ipaddress
import json
import socket
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from buildkit.contract.engine import Start
from buildkit.engine import engine
from tests.e2e.mutants import factory
from tests.e2e.support import tested as once
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.engine.engine import Engine
    from tests.e2e.support.real import Local, Project

METADATA = ("169.254.169.254", "169.254.170.2", "fd00:ec2::254")
INTERNET = ("192.0.2.1", "198.51.100.1")
"""Of "TEST-NET"s (RFC 5737): what matters is whether a route leads there at all."""
PROBE = """
import errno, json, socket, sys
def reach(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as asked:
        asked.settimeout(2)
        try:
            asked.connect((host, port))
            return "answers"
        except OSError as error:
            return errno.errorcode.get(error.errno, "silent")
port, *hosts = json.loads(sys.argv[1])
own = socket.gethostbyname(socket.gethostname())
first = own.rpartition(".")[0]
hosts += [f"{first}.{number}" for number in (1, 65, 129, 193)]
status = open("/proc/self/status").read()
print("privileges", status.partition("NoNewPrivs:")[2].split()[0])
for host in set(hosts) - {own}:
    print(host, reach(host, port))
"""
SERVE = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=8080, bind='0.0.0.0')"


@pytest.fixture(scope="module")
def image(local: Local) -> str:
    return factory.build_good()


@pytest.fixture(scope="module")
def docker(local: Local) -> Iterator[Engine]:
    with engine.connect() as found:
        if not found.local:
            pytest.skip("the engine runs elsewhere")
        yield found


@pytest.fixture(scope="module")
def service() -> Iterator[int]:
    """A service of this machine that listens on all addresses."""
    with socket.create_server(("0.0.0.0", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    server.accept()[0].close()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def addresses() -> list[str]:
    """All of this machine, those of the run's bridges too."""
    listed = subprocess.run(
        ["ip", "-json", "-4", "address"], capture_output=True, text=True, check=True
    ).stdout
    found = [str(each["local"]) for link in json.loads(listed) for each in link["addr_info"]]
    return [each for each in found if not ipaddress.ip_address(each).is_loopback]


def probed(docker: Engine, image: str, port: int, **start: tuple[int, ...]) -> dict[str, str]:
    """What a container finds at each address, by address."""
    asked = json.dumps([port, *METADATA, *INTERNET, *addresses()])
    began = Start(entrypoint=("python3", "-c", PROBE, asked), **start)  # type: ignore[arg-type]
    with docker.container(image, began) as container:
        assert container.start() is None
        assert container.wait(HANG) == 0, container.logs()
        found = dict(line.text.split() for line in container.lines())
    assert found.pop("privileges") == "1"
    return found


def test_what_trains_or_processes_reaches_nothing(docker: Engine, image: str, service: int) -> None:
    """Neither the metadata service, nor the internet, nor a service of the engine's machine."""
    found = probed(docker, image, service)
    assert {host for host, how in found.items() if how == "answers"} == set()
    assert {found[host] for host in (*METADATA, *INTERNET)} <= {"ENETUNREACH", "EADDRNOTAVAIL"}


def test_what_serves_reaches_no_further_than_its_own_network(
    docker: Engine, image: str, service: int
) -> None:
    """docs/design/contract.md says what is left: the machine at its own address on that network."""
    serving = Start(entrypoint=("python3", "-c", SERVE), ports=(8080,))
    with docker.container(image, serving) as server:
        assert server.start() is None
        host, port = server.address(8080)
        found = probed(docker, image, service, ports=(8080,))
    assert port == 8080
    network = ipaddress.ip_network(f"{host}/26", strict=False)
    answered = {each for each, how in found.items() if how == "answers"}
    assert all(ipaddress.ip_address(each) in network for each in answered)
    assert {found[each] for each in (*METADATA, *INTERNET)} <= {"ENETUNREACH", "EADDRNOTAVAIL"}


def test_who_asks_gets_the_engines_network(docker: Engine, image: str, service: int) -> None:
    """What the others are compared with: the service can be reached from a container."""
    found = probed(docker.connected(outside=True), image, service)
    assert "answers" in {found[host] for host in addresses() if host in found}


def test_a_target_that_needs_a_network_says_so(local: Local, project: Project) -> None:
    project.write(once.ONE)
    program = project.folder / "program" / "train"
    text = program.read_text()
    first = "#!/usr/bin/env python3\n"
    assert text.startswith(first)
    check = (
        "if not any(line.split()[1] == '00000000' for line in open('/proc/net/route')):\n"
        "    raise SystemExit('OSError: [Errno 101] Network is unreachable')\n"
    )
    program.write_text(first + check + text.removeprefix(first))
    closed = local.buildkit("build", "--all", folder=project.folder)
    assert closed.code == 6
    assert "Network is unreachable" in closed.stderr
    assert "`network = true` in images.toml" in closed.stderr
    assert local.buildkit("build", "--all", "--network", folder=project.folder).code == 0
    images = project.folder / "images.toml"
    images.write_text(images.read_text().replace("versions =", "network = true\nversions =", 1))
    assert local.buildkit("build", "--all", folder=project.folder).code == 0


def test_an_engine_elsewhere_is_asked_at_published_ports(local: Local, project: Project) -> None:
    """Here it is this machine's own, at a port: nothing of what the tool knows says so."""
    path = local.env["DOCKER_HOST"].removeprefix("unix://")
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=forward, args=(server, path), daemon=True).start()
        where = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        done = local.buildkit("build", "--all", folder=project.folder, DOCKER_HOST=where)
        server.shutdown(socket.SHUT_RDWR)
    assert done.code == 0, done.stderr


def forward(server: socket.socket, path: str) -> None:
    """Hand each connection on to a socket of the file system."""

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(1 << 16):
                sink.sendall(part)
            sink.shutdown(socket.SHUT_WR)

    def serve(near: socket.socket) -> None:
        with near, socket.socket(socket.AF_UNIX) as far:
            far.connect(path)
            back = threading.Thread(target=copy, args=(far, near))
            back.start()
            copy(near, far)
            back.join()

    with suppress(OSError):
        while True:
            threading.Thread(target=serve, args=server.accept()[:1]).start()
