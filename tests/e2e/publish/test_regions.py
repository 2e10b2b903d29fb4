"""One build into several registries of ECR under their own names, with TLS that the tool and the engine both verify."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import boto3
import pytest
import requests

from tests.e2e.support import tested as once
from tests.e2e.support.ecr_under import ecr_under, names, pull
from tests.e2e.support.real import EVERY_TYPE
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.support.real import Local, Project

VIRGINIA = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
FRANKFURT = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
BEIJING = "210987654321.dkr.ecr.cn-north-1.amazonaws.com.cn"
HOSTS = (VIRGINIA, FRANKFURT, BEIJING)
IRELAND = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"
PLACES = """
[registry]
account = "123456789012"
region = "us-east-1"
[[registry.copies]]
region = "eu-central-1"
[[registry.copies]]
account = "210987654321"
region = "cn-north-1"
"""
EXACT, LATEST = "1.0-cpu-py311", "latest-cpu-py311"


@pytest.fixture(scope="module")
def registries(local: Local, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    folder = tmp_path_factory.mktemp("ecr")
    with ecr_under(local, folder, VIRGINIA, FRANKFURT, away=(BEIJING,)) as there:
        yield there


@pytest.fixture
def two(registries: Local, scratch: Path) -> Local:
    """Where Beijing has no address."""
    return replace(registries, env={**registries.env, "TMPDIR": str(scratch)})


@pytest.fixture
def ecr(two: Local) -> Iterator[Local]:
    with names(two, BEIJING):
        yield two


@pytest.fixture
def project(tested: Project) -> Project:
    """Tested images that go to three registries."""
    tested.write(PLACES + once.IMAGES)
    return tested


def digest(there: Local, host: str, project: Project, tag: str) -> str | None:
    return manifest(there, host, project, tag).headers.get("Docker-Content-Digest")


def manifest(there: Local, host: str, project: Project, tag: str) -> requests.Response:
    return requests.get(
        f"https://{host}/v2/{project.repository}/manifests/{tag}",
        headers={"Accept": EVERY_TYPE},
        auth=there.login(),
        verify=there.env["SSL_CERT_FILE"],
        timeout=HANG,
    )


def test_one_build_in_three_registries_with_the_same_digest(ecr: Local, project: Project) -> None:
    name, folder = project.repository, project.folder
    old, new = (f"{project.name}-{version}-*" for version in ("1.0", "1.1"))
    done = ecr.buildkit("push", old, folder=folder)
    assert done.code == 0, done.stderr
    uris = done.stdout.splitlines()
    assert uris[::2] == [f"{host}/{name}:{EXACT}" for host in HOSTS]
    (first,) = {uri.partition("@")[2] for uri in uris[1::2]}
    for host in HOSTS:
        for tag in (EXACT, LATEST):
            answer = manifest(ecr, host, project, tag)
            assert answer.headers["Docker-Content-Digest"] == first
            assert answer.headers["Content-Type"].startswith("application/vnd.docker.")
    for host in HOSTS:
        account, region = host.split(".")[0], host.split(".")[3]
        client = boto3.client("ecr", region_name=region, endpoint_url=ecr.env["AWS_ENDPOINT_URL"],
                              aws_access_key_id="local", aws_secret_access_key="local")  # fmt: skip
        (found,) = client.describe_repositories(registryId=account, repositoryNames=[name])["repositories"]  # fmt: skip
        assert found["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"

    again = ecr.buildkit("push", old, "--json", folder=folder)
    assert again.code == 0, again.stderr
    assert again.json["targets"][0]["pushed"] is False
    assert again.json["aliases"] == []

    newer = ecr.buildkit("push", new, "--json", folder=folder)
    assert newer.code == 0, newer.stderr
    (second,) = {
        each["digest_uri"].partition("@")[2] for each in newer.json["targets"][0]["locations"]
    }
    assert second != first
    # Behind the three names is one registry here: who comes first moves an alias for all.
    assert {each["alias"] for each in newer.json["aliases"]} == {LATEST}
    for host in HOSTS:
        assert digest(ecr, host, project, EXACT) == first
        assert digest(ecr, host, project, LATEST) == second
    _, password = ecr.login()
    secret = base64.b64encode(f"AWS:{password}".encode()).decode()
    for text in (password, secret):
        assert text not in done.stdout + done.stderr + newer.stderr


def test_a_region_without_a_login_is_named_before_anything_is_sent(
    ecr: Local, project: Project
) -> None:
    config = project.folder / "aws"
    config.write_text("[profile china]\nregion = cn-north-1\nendpoint_url = http://127.0.0.1:9\n")
    project.write(PLACES + 'profile = "china"\n' + once.IMAGES)
    env = {name: text for name, text in ecr.env.items() if name != "AWS_ENDPOINT_URL"}
    ecr_us = {"AWS_ENDPOINT_URL_ECR": ecr.env["AWS_ENDPOINT_URL"]}
    done = replace(ecr, env={**env, **ecr_us}).buildkit(
        "push", "--all", folder=project.folder, AWS_CONFIG_FILE=str(config)
    )
    assert done.code == 5
    assert BEIJING in done.stderr
    assert digest(ecr, VIRGINIA, project, EXACT) is None


def test_a_region_that_does_not_answer_does_not_stop_the_others(
    two: Local, project: Project
) -> None:
    one = ("push", f"{project.name}-1.0-*")
    done = two.buildkit(*one, folder=project.folder)
    assert done.code == 5
    assert f"{BEIJING} does not answer: skipping that registry" in done.stderr
    assert f"1 of 3 registries failed: {BEIJING}: " in done.stderr
    assert f"done: {VIRGINIA}, {FRANKFURT}" in done.stderr
    assert digest(two, VIRGINIA, project, EXACT) is not None
    assert digest(two, FRANKFURT, project, LATEST) is None
    with names(two, BEIJING):
        again = two.buildkit(*one, "--json", folder=project.folder)
        assert again.code == 0, again.stderr
        assert len(again.json["targets"][0]["locations"]) == 3
        for host in HOSTS:
            first = digest(two, host, project, EXACT)
            assert first is not None
            assert digest(two, host, project, LATEST) == first


def test_a_certificate_that_nobody_vouches_for_is_refused(ecr: Local, project: Project) -> None:
    done = ecr.buildkit("push", "--all", folder=project.folder,
                        REQUESTS_CA_BUNDLE=SYSTEM_CA, SSL_CERT_FILE=SYSTEM_CA)  # fmt: skip
    assert done.code == 5
    assert done.stdout == ""
    assert VIRGINIA in done.stderr
    assert "certificate verify failed" in done.stderr
    assert "hint: " in done.stderr
    assert "REQUESTS_CA_BUNDLE" in done.stderr


def test_the_engine_verifies_the_certificate_too(two: Local) -> None:
    """The same registry under a name that its certificate does not have."""
    with names(two, IRELAND):
        said = pull(two, IRELAND)
    assert "x509: certificate is valid for" in said
    assert f"not {IRELAND}" in said
