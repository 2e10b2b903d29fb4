"""A machine that a test breaks: a `docker` command, an engine on a unix socket, an AWS of its own."""

from __future__ import annotations

import json
import re
import shutil
import socketserver
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

DOCKER = """#!/bin/sh
case "$1 $2" in
"--version ") echo '{version}' ;;
"context inspect") {context} ;;
"buildx version") {buildx} ;;
"buildx inspect") printf 'Name: default\\nDriver: {driver}\\n\\nNodes:\\nBuildKit version: v0.26.2\\nPlatforms: {platforms}\\n' ;;
*) exit 9 ;;
esac
"""
HEALTHY = {
    "version": "Docker version 29.1.2, build 890dcca",
    "buildx": "echo github.com/docker/buildx v0.30.1 abc",
    "driver": "docker",
    "platforms": "linux/amd64, linux/amd64/v2, linux/386",
}
VERSION = {
    "Platform": {"Name": "Docker Engine - Community"},
    "Components": [{"Name": "Engine"}, {"Name": "containerd"}, {"Name": "runc"}],
    "Version": "29.1.2",
    "ApiVersion": "1.52",
    "MinAPIVersion": "1.44",
    "Os": "linux",
    "Arch": "amd64",
}
INFO = {
    "OSType": "linux",
    "OperatingSystem": "Debian GNU/Linux 12 (bookworm)",
    "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
    "SecurityOptions": ["name=seccomp,profile=builtin"],
    "MemTotal": 16 * 10**9,
    "MemoryLimit": True,
    "DockerRootDir": "/nonexistent",
}


@dataclass
class EngineServer:
    """An engine's API. `statuses` has, by a pattern of paths, other answers than 200.

    `behind` is how many seconds its clock is late, `pause` how long it takes for each answer.
    """

    version: dict[str, Any] = field(default_factory=lambda: dict(VERSION))
    info: dict[str, Any] = field(default_factory=lambda: dict(INFO))
    statuses: dict[str, tuple[int, str]] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    behind: float = 0.0
    pause: threading.Event | None = None
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, Any]:
        self.asked.append(path)
        for pattern, found in self.statuses.items():
            if re.search(pattern, path):
                return found[0], {"message": found[1]} if found[1] else None
        if path.endswith("/version"):
            return 200, self.version
        if path.endswith("/info"):
            now = datetime.fromtimestamp(time.time() - self.behind, timezone.utc)
            return 200, {**self.info, "SystemTime": now.isoformat()}
        if path.endswith("/images/json"):
            return 200, [{"RepoTags": [each], "RepoDigests": None} for each in self.images]
        if "/distribution/" in path:
            return 200, {"Descriptor": {"digest": "sha256:1"}}
        return 200, []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: ClassVar[EngineServer]

    def do_GET(self) -> None:
        if self.engine.pause is not None:
            self.engine.pause.wait(30)
        status, document = self.engine.answer(self.path)
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        pass


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that has gone."""


@contextmanager
def engine_at(path: Path, engine: EngineServer) -> Iterator[EngineServer]:
    handler = type("Bound", (_Handler,), {"engine": engine})
    server = _UnixServer(str(path), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield engine
    finally:
        if engine.pause is not None:
            engine.pause.set()
        server.shutdown()
        server.server_close()
        path.unlink(missing_ok=True)


@dataclass
class Machine:
    """A machine with a home, a folder of programs that is all of PATH, and a place for a socket."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch

    @property
    def socket(self) -> Path:
        return self.folder / "docker.sock"

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def program(self, name: str, text: str, mode: int = 0o755) -> None:
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def docker(self, **changes: str) -> None:
        """The command `docker`, healthy but for these changes."""
        values = {"context": f"echo default unix://{self.socket}", **HEALTHY, **changes}
        self.program("docker", DOCKER.format(**values))

    def config(self, text: str) -> None:
        (self.home / ".docker").mkdir(exist_ok=True)
        (self.home / ".docker" / "config.json").write_text(text)


@contextmanager
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A healthy machine without an engine. The path of a socket must be short."""
    folder = Path(tempfile.mkdtemp(prefix="bk"))
    found = Machine(folder, monkeypatch)
    found.bin.mkdir()
    found.home.mkdir()
    found.docker()
    monkeypatch.setenv("PATH", str(found.bin))
    monkeypatch.setenv("HOME", str(found.home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(found.home / "cache"))
    try:
        yield found
    finally:
        shutil.rmtree(folder)


ARN = "arn:aws:sts::123456789012:assumed-role/builder/me"
ROLE = "arn:aws:iam::123456789012:role/teams/builder"
TOKEN = "QVdTOnNlY3JldA=="
XML = "<{0}Response><{0}Result>{1}</{0}Result><ResponseMetadata/></{0}Response>"
ERROR = "<ErrorResponse><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error></ErrorResponse>"


@dataclass
class AwsServer:
    """STS, IAM, KMS and ECR. `denied` are actions that the caller may not do. `unsure` are
    those that only the simulation denies, with the key of a condition that it does not know.

    `refusal` is the code and the text of an error of STS. `late` is how late its clock is. `writes`
    are calls of other operations than those that read.
    """

    denied: set[str] = field(default_factory=set)
    unsure: dict[str, str] = field(default_factory=dict)
    refusal: tuple[str, str] | None = None
    repositories: set[str] = field(default_factory=set)
    key_state: str = "Enabled"
    mounting: str = "ENABLED"
    behind: float = 0.0
    account: str = "123456789012"
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def query(self, form: dict[str, str]) -> tuple[int, str]:
        action = form["Action"]
        self.asked.append(action)
        if action == "GetCallerIdentity":
            if self.refusal is not None:
                return 403, ERROR.format(*self.refusal)
            arn = ARN.replace("123456789012", self.account)
            inner = f"<Arn>{arn}</Arn><Account>{self.account}</Account><UserId>u</UserId>"
            return 200, XML.format(action, inner)
        if f"iam:{action}" in self.denied:
            return 403, ERROR.format("AccessDenied", f"not authorized to perform: iam:{action}")
        if action == "GetRole":
            inner = f"<Role><Arn>{ROLE}</Arn><RoleName>builder</RoleName></Role>"
            return 200, XML.format(action, inner)
        assert action == "SimulatePrincipalPolicy", action
        assert form["PolicySourceArn"] == ROLE
        names = [value for key, value in form.items() if key.startswith("ActionNames.")]

        def context(name: str) -> str:
            key = self.unsure.get(name)
            return f"<MissingContextValues><member>{key}</member></MissingContextValues>" * bool(
                key
            )

        members = "".join(
            f"<member><EvalActionName>{name}</EvalActionName><EvalDecision>"
            f"{'implicitDeny' if name in {*self.denied, *self.unsure} else 'allowed'}"
            f"</EvalDecision>{context(name)}</member>"
            for name in names
        )
        results = (
            f"<EvaluationResults>{members}</EvaluationResults><IsTruncated>false</IsTruncated>"
        )
        return 200, XML.format(action, results)

    def target(self, operation: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """An answer in JSON. A write is an error of the test."""
        self.asked.append(operation)
        service = "kms" if operation == "DescribeKey" else "ecr"
        if f"{service}:{operation}" in self.denied:
            text = f"User: {ARN} is not authorized to perform: {service}:{operation} on resource: x"
            return 400, {"__type": "AccessDeniedException", "message": text}
        name = body.get("repositoryName") or next(iter(body.get("repositoryNames", ())), None)
        if name is not None and name not in self.repositories:
            return 400, {"__type": "RepositoryNotFoundException", "message": "no"}
        if operation == "GetDownloadUrlForLayer":
            return 400, {"__type": "LayersNotFoundException", "message": "no"}
        arn = f"arn:aws:kms:eu-west-1:{self.account}:key/k"
        answers: dict[str, dict[str, Any]] = {
            "GetAuthorizationToken": {"authorizationData": [{"authorizationToken": TOKEN}]},
            "DescribeKey": {"KeyMetadata": {"KeyId": "k", "Arn": arn, "KeyState": self.key_state}},
            "GetAccountSetting": {"name": "BLOB_MOUNTING", "value": self.mounting},
            "DescribeRepositories": {"repositories": [{"repositoryName": name}]},
            "BatchGetImage": {},
            "ListImages": {},
            "BatchCheckLayerAvailability": {},
        }
        return 200, answers[operation]


class _AwsHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    aws: ClassVar[AwsServer]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if target := self.headers.get("X-Amz-Target"):
            operation = target.rpartition(".")[2]
            status, document = self.aws.target(operation, json.loads(body or b"{}"))
            content, kind = json.dumps(document).encode(), "application/x-amz-json-1.1"
        else:
            form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
            status, text = self.aws.query(form)
            content, kind = text.encode(), "text/xml"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string((timestamp or time.time()) - self.aws.behind)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def aws_running(aws: AwsServer) -> Iterator[AwsServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_AwsHandler,), {"aws": aws}))
    server.daemon_threads = True
    aws.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield aws
    finally:
        server.shutdown()
        server.server_close()
