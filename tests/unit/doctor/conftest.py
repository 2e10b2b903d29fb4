"""A machine on which everything works, for each test to break."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from buildkit import cli
from buildkit.ecr import api, identity
from buildkit.ecr.failures import Trouble
from buildkit.ecr.identity import Identity
from tests.support import machines
from tests.support.machines import AwsServer, EngineServer, Machine
from tests.support.registry_server import RegistryServer, running

if TYPE_CHECKING:
    from collections.abc import Iterator

CLEARED = (
    "AWS_", "DOCKER_", "BUILDKIT_", "BUILDX_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
    "REQUESTS_CA", "CURL_CA", "SSL_CERT", "PIP_",
)  # fmt: skip


@dataclass
class Doctor:
    """Runs `buildkit doctor`; keeps its exit code and its findings by name."""

    capsys: pytest.CaptureFixture[str]
    code: int = 0

    def __call__(self, *arguments: str) -> dict[str, dict[str, Any]]:
        self.code = cli.run(["doctor", "--json", *arguments])
        found = json.loads(self.capsys.readouterr().out)
        assert found["code"] == self.code
        return {each["name"]: each for each in found["findings"]}

    def wrong(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """The findings that are not fine."""
        return {name: each for name, each in self(*arguments).items() if each["state"] != "ok"}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Machine]:
    """Without the fixture `aws`, boto3 is not loaded: the machine has no credentials."""
    if "aws" not in request.fixturenames:
        said = "no AWS credentials found"
        nobody = Identity(trouble=Trouble.NONE, why=said, hint="run `aws sso login`")
        monkeypatch.setattr(identity, "look", lambda _where: nobody)
    for name in [*os.environ]:
        if name.upper().startswith(CLEARED):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    api.client.cache_clear()
    with machines.machine(monkeypatch) as found:
        (found.folder / "project").mkdir()
        monkeypatch.chdir(found.folder / "project")
        yield found


@pytest.fixture
def engine(machine: Machine) -> Iterator[EngineServer]:
    with machines.engine_at(machine.socket, EngineServer()) as found:
        yield found


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with running(RegistryServer()) as found:
        yield found


@pytest.fixture
def aws(machine: Machine) -> Iterator[AwsServer]:
    with machines.aws_running(AwsServer()) as found:
        machine.monkeypatch.setenv("AWS_ENDPOINT_URL", found.address)
        machine.monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        machine.monkeypatch.setenv("AWS_REGION", "eu-west-1")
        machine.monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield found


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    return Doctor(capsys)
