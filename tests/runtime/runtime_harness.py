"""A stand-in for `/opt/ml`, and what a test asks of the programs it starts."""

from __future__ import annotations

import http.client
import json
import random
import socket
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.waiting import HANG, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "templates" / "runtime"
EXAMPLES = ROOT / "examples"


@dataclass(frozen=True)
class Tree:
    """A stand-in for `/opt/ml`."""

    base: Path

    def write(self, name: str, text: str) -> Path:
        path = self.base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def hyperparameters(self, **values: Any) -> None:
        self.write("input/config/hyperparameters.json", json.dumps(values))

    def read(self, name: str) -> str:
        return (self.base / name).read_text(encoding="utf-8")

    def exists(self, name: str) -> bool:
        return (self.base / name).exists()

    def variables(self, **extra: str) -> dict[str, str]:
        """A minimal environment: PATH has this test's Python and the system's programs only."""
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        return {"PATH": path, "SAGEMAKER_BASE_DIR": str(self.base), **extra}


@dataclass(frozen=True)
class Finished:
    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    content_type: str

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")


@dataclass(frozen=True)
class Running:
    """A server process and its port."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG)
        with closing(connection):
            connection.request(method, path, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            return Reply(answer.status, answer.read(), answer.headers.get("Content-Type", ""))

    def invoke(self, body: Any, content_type: str, accept: str | None = None) -> Reply:
        headers = {"Content-Type": content_type}
        if accept is not None:
            headers["Accept"] = accept
        return self.request("POST", "/invocations", body, headers)

    def ping(self) -> int | None:
        """Status, or None when nothing listens."""
        try:
            return self.request("GET", "/ping").status
        except OSError:
            return None

    def wait_for_ping(self, status: int) -> None:
        wait_until(lambda: self.ping() == status, self.log.read_text)


def answers_ping_while_they_wait(server: Running, others: Sequence[Future[Reply]]) -> None:
    """All these requests have reached the server, none can be answered yet, and `/ping` still is."""
    wait_until(lambda: connections(server.port) >= len(others), server.log.read_text)
    assert [server.ping() for _ in range(10)] == [200] * 10
    assert not any(reply.done() for reply in others)


def connections(port: int) -> int:
    """How many are open to this port."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    found = [line.split()[1:4] for line in lines]
    return [(here.partition(":")[2], state) for here, _, state in found].count(
        (f"{port:04X}", "01")
    )


def free_port() -> int:
    """One below those that the kernel gives to anybody who asks for any, before it is bound."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("0.0.0.0", port))
            return port
