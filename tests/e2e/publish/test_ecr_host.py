"""A registry under ECR's real host name, with TLS that the tool and the engine both verify."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest
import requests

from tests.e2e.support.ecr_under import ecr_under, pull
from tests.e2e.support.parts import certificate, private_engine
from tests.e2e.support.real import EVERY_TYPE, IMAGES, script
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.support.real import Local, Project

HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"
ACCOUNT = """
[registry]
account = "123456789012"
region = "us-east-1"
"""


@pytest.fixture
def ecr(local: Local, tmp_path: Path) -> Iterator[Local]:
    with ecr_under(local, tmp_path, HOST) as there:
        yield there


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
        timeout=HANG,
    )
    assert answer.headers["Content-Type"].startswith("application/vnd.docker.")
    assert answer.headers["Docker-Content-Digest"] == digest_uri.partition("@")[2]

    client = boto3.client("ecr", region_name="us-east-1", endpoint_url=ecr.env["AWS_ENDPOINT_URL"],
                          aws_access_key_id="local", aws_secret_access_key="local")  # fmt: skip
    (repository,) = client.describe_repositories(
        registryId="123456789012", repositoryNames=[project.name]
    )["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
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
    assert "x509: certificate is valid for elsewhere.example" in pull(ecr, HOST)
