"""One build into several registries of ECR under their own names, and the aliases there."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import boto3
import pytest
import requests

from tests.e2e.support.ecr_under import ecr_under, names
from tests.e2e.support.real import EVERY_TYPE, IMAGES
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.support.real import Local, Project

VIRGINIA = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
FRANKFURT = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
BEIJING = "210987654321.dkr.ecr.cn-north-1.amazonaws.com.cn"
HOSTS = (VIRGINIA, FRANKFURT, BEIJING)
PLACES = """
[registry]
account = "123456789012"
region = "us-east-1"
aliases = ["{major}.{minor}-{device}-{py}", "latest-{device}-{py}"]
[[registry.copies]]
region = "eu-central-1"
[[registry.copies]]
account = "210987654321"
region = "cn-north-1"
"""
FIRST = IMAGES.replace('"1.0"', '"1.0.0"')


@pytest.fixture
def ecr(local: Local, tmp_path: Path) -> Iterator[Local]:
    with ecr_under(local, tmp_path, *HOSTS) as there:
        yield there


def digest(there: Local, host: str, name: str, tag: str) -> str | None:
    answer = requests.get(
        f"https://{host}/v2/{name}/manifests/{tag}",
        headers={"Accept": EVERY_TYPE},
        auth=there.login(),
        verify=there.env["SSL_CERT_FILE"],
        timeout=HANG,
    )
    return answer.headers.get("Docker-Content-Digest")


def test_one_build_in_three_registries_with_the_same_digest(ecr: Local, project: Project) -> None:
    project.write(PLACES + FIRST)
    name, folder = project.name, project.folder
    done = ecr.buildkit("build", "--all", "--push", folder=folder)
    assert done.code == 0, done.stderr
    uris = done.stdout.splitlines()
    assert uris[::2] == [f"{host}/{name}:1.0.0-cpu-py311" for host in HOSTS]
    (first,) = {uri.partition("@")[2] for uri in uris[1::2]}
    for host in HOSTS:
        for tag in ("1.0.0-cpu-py311", "1.0-cpu-py311", "latest-cpu-py311"):
            assert digest(ecr, host, name, tag) == first
    for region in ("us-east-1", "eu-central-1", "cn-north-1"):
        client = boto3.client("ecr", region_name=region, endpoint_url=ecr.env["AWS_ENDPOINT_URL"],
                              aws_access_key_id="local", aws_secret_access_key="local")  # fmt: skip
        (found,) = client.describe_repositories(repositoryNames=[name])["repositories"]
        assert found["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"

    again = ecr.buildkit("build", "--all", "--push", "--json", folder=folder)
    assert again.code == 0, again.stderr
    assert again.json["targets"][0]["pushed"] is False
    assert again.json["aliases"] == []

    project.write(PLACES + FIRST.replace('"1.0.0"', '"1.0.1"'))
    project.change("serve", '"text/csv")', '"text/csv")  # changed')
    newer = ecr.buildkit("build", "--all", "--push", "--json", folder=folder)
    assert newer.code == 0, newer.stderr
    (second,) = {
        each["digest_uri"].partition("@")[2] for each in newer.json["targets"][0]["locations"]
    }
    assert second != first
    # Behind the three names is one registry here: who comes first moves an alias for all.
    moved = {each["alias"] for each in newer.json["aliases"]}
    assert moved == {"1.0-cpu-py311", "latest-cpu-py311"}
    for host in HOSTS:
        assert digest(ecr, host, name, "1.0.0-cpu-py311") == first
        assert digest(ecr, host, name, "latest-cpu-py311") == second
    _, password = ecr.login()
    secret = base64.b64encode(f"AWS:{password}".encode()).decode()
    for text in (password, secret):
        assert text not in done.stdout + done.stderr + newer.stderr


def test_a_region_without_a_login_is_named_before_anything_is_sent(
    ecr: Local, project: Project
) -> None:
    project.write(PLACES + FIRST)
    assert ecr.buildkit("build", "--all", folder=project.folder).code == 0
    config = project.folder / "aws"
    config.write_text("[profile china]\nregion = cn-north-1\nendpoint_url = http://127.0.0.1:9\n")
    project.write(PLACES + 'profile = "china"\n' + FIRST)
    env = {name: text for name, text in ecr.env.items() if name != "AWS_ENDPOINT_URL"}
    ecr_us = {"AWS_ENDPOINT_URL_ECR": ecr.env["AWS_ENDPOINT_URL"]}
    done = replace(ecr, env={**env, **ecr_us}).buildkit(
        "push", "--all", folder=project.folder, AWS_CONFIG_FILE=str(config)
    )
    assert done.code == 5
    assert BEIJING in done.stderr
    assert digest(ecr, VIRGINIA, project.name, "1.0.0-cpu-py311") is None


def test_a_region_that_does_not_answer_does_not_stop_the_others(
    local: Local, project: Project, tmp_path: Path
) -> None:
    project.write(PLACES + FIRST)
    name, folder = project.name, project.folder
    with ecr_under(local, tmp_path, VIRGINIA, FRANKFURT, away=(BEIJING,)) as ecr:
        done = ecr.buildkit("build", "--all", "--push", folder=folder)
        assert done.code == 5
        assert f"{BEIJING} does not answer: skipping that registry" in done.stderr
        assert f"1 of 3 registries failed: {BEIJING}: " in done.stderr
        assert f"done: {VIRGINIA}, {FRANKFURT}" in done.stderr
        assert digest(ecr, VIRGINIA, name, "1.0.0-cpu-py311") is not None
        assert digest(ecr, FRANKFURT, name, "latest-cpu-py311") is None
        with names(local, BEIJING):
            again = ecr.buildkit("build", "--all", "--push", "--json", folder=folder)
            assert again.code == 0, again.stderr
            assert len(again.json["targets"][0]["locations"]) == 3
            for host in HOSTS:
                first = digest(ecr, host, name, "1.0.0-cpu-py311")
                assert first is not None
                assert digest(ecr, host, name, "latest-cpu-py311") == first
