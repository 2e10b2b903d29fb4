"""A registry under ECR's real host name, with TLS that the tool and the engine both verify."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
import requests

from tests.e2e.parts import certificate, gateway, private_engine, relay, wait_until
from tests.e2e.real import EVERY_TYPE, IMAGES, Local, exports, script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.real import Project

HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
HOSTS = Path("/etc/hosts")
SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"
ACCOUNT = """
[registry]
account = "123456789012"
region = "us-east-1"
"""


@pytest.fixture
def hosts_line(local: Local) -> Iterator[str]:
    """ECR's name leads to the engine's own bridge, not to 127.0.0.1: of registries on 127.0.0.0/8
    Docker verifies no certificate."""
    address = gateway(local)
    line = f"{address} {HOST}\n"
    before = HOSTS.read_text()
    _replace(before + ("" if before.endswith("\n") else "\n") + line)
    try:
        # The engine may remember the old file for five seconds.
        wait_until(lambda: "no such host" not in _pull(local), 20)
        yield address
    finally:
        _replace(HOSTS.read_text().replace(line, ""))


def _replace(text: str) -> None:
    new = HOSTS.with_name(f".hosts.{os.getpid()}")
    new.write_text(text)
    new.chmod(HOSTS.stat().st_mode & 0o777)
    new.replace(HOSTS)


def _pull(local: Local) -> str:
    argv = ["docker", "pull", f"{HOST}/nobody:1"]
    return subprocess.run(argv, env=local.env, capture_output=True, text=True, timeout=60).stderr


@pytest.fixture
def ecr(local: Local, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Local]:
    """The tool's environment of a user of ECR: account and region in images.toml, no registry."""
    authority = private_engine(local) / "ca"
    leaf, key = certificate(authority, tmp_path, "DNS:*.dkr.ecr.us-east-1.amazonaws.com")
    state = str(tmp_path / "ecr")
    try:
        lines = script("registry", "up", "--state", state, "--tls-cert", str(leaf),
                       "--tls-key", str(key), "--listen", "127.0.0.2:443")  # fmt: skip
        found = exports(lines)
        bundle = str(authority / "bundle.crt")
        env = {
            **{name: text for name, text in local.env.items() if name != "BUILDKIT_REGISTRY"},
            "AWS_ENDPOINT_URL": found["AWS_ENDPOINT_URL"],
            "REQUESTS_CA_BUNDLE": bundle,
            "SSL_CERT_FILE": bundle,
            "NO_PROXY": "*",
            "no_proxy": "*",
        }
        address = request.getfixturevalue("hosts_line")
        with relay("127.0.0.2:443", host=address, port=443):
            yield replace(local, env=env)
    finally:
        script("registry", "down", "--state", state)


def test_publish_under_the_name_of_ecr(ecr: Local, project: Project) -> None:
    project.write(ACCOUNT + IMAGES)
    done = ecr.buildkit("build", "--all", "--push", folder=project.folder)
    assert done.code == 0, done.stderr
    uri, digest_uri = done.stdout.splitlines()
    assert uri == f"{HOST}/{project.name}:1.0-cpu-py311"
    answer = requests.get(
        f"https://{HOST}/v2/{project.name}/manifests/1.0-cpu-py311",
        headers={"Accept": EVERY_TYPE},
        auth=ecr.login(),
        verify=ecr.env["SSL_CERT_FILE"],
        timeout=30,
    )
    assert answer.headers["Content-Type"].startswith("application/vnd.docker.")
    assert answer.headers["Docker-Content-Digest"] == digest_uri.partition("@")[2]

    client = boto3.client("ecr", region_name="us-east-1", endpoint_url=ecr.env["AWS_ENDPOINT_URL"],
                          aws_access_key_id="local", aws_secret_access_key="local")  # fmt: skip
    (repository,) = client.describe_repositories(
        registryId="123456789012", repositoryNames=[project.name]
    )["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["repositoryUri"] == f"{HOST}/{project.name}"


def test_a_certificate_that_nobody_vouches_for_is_refused(ecr: Local, project: Project) -> None:
    project.write(ACCOUNT + IMAGES)
    done = ecr.buildkit("build", "--all", "--push", folder=project.folder,
                        REQUESTS_CA_BUNDLE=SYSTEM_CA, SSL_CERT_FILE=SYSTEM_CA)  # fmt: skip
    assert done.code == 5
    assert done.stdout == ""
    assert HOST in done.stderr
    assert "certificate verify failed" in done.stderr
    assert "hint: " in done.stderr
    assert "REQUESTS_CA_BUNDLE" in done.stderr


def test_the_engine_verifies_the_certificate_too(
    ecr: Local, project: Project, tmp_path: Path
) -> None:
    """The same registry, whose certificate is for another name."""
    other = tmp_path / "other"
    other.mkdir()
    leaf, key = certificate(private_engine(ecr) / "ca", other, "DNS:elsewhere.example")
    script("registry", "up", "--state", str(tmp_path / "ecr"), "--tls-cert", str(leaf),
           "--tls-key", str(key), "--listen", "127.0.0.2:443")  # fmt: skip
    assert "x509: certificate is valid for elsewhere.example" in _pull(ecr)
