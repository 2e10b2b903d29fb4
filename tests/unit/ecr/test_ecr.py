"""The AWS configuration that boto3 finds, and what is said where it cannot be used."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import HTTPClientError

from buildkit.ecr import api
from buildkit.ecr.places import Api, Place
from buildkit.ecr.repositories import Repositories
from buildkit.support.errors import ToolError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROLE = "role_arn = arn:aws:iam::123456789012:role/x\n"
KEYS = "aws_access_key_id = a\naws_secret_access_key = b\n"
SSO = "sso_account_id = 123456789012\nsso_role_name = x\n"
SESSION = "[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://x.example\n"
WHERE = Place(
    host="123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    api=Api.ECR,
    account="123456789012",
    region="eu-west-1",
)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The AWS configuration file, and nothing else that boto3 would find."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked"))
    api.client.cache_clear()
    yield tmp_path / "config"
    api.client.cache_clear()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "[default]\ncredential_process = /nonexistent\n",
            "/nonexistent",
            id="process",
            marks=pytest.mark.process,
        ),
        pytest.param("x = 1\n[default\n", "Unable to parse config file", id="unparsable"),
        pytest.param(
            f"[default]\n{ROLE}source_profile = a\n[profile a]\n{ROLE}source_profile = default\n",
            "Infinite loop",
            id="loop of roles",
        ),
        pytest.param(f"[default]\nsso_session = no\n{SSO}", "sso-session", id="no such session"),
        pytest.param(f"[default]\n{ROLE}source_profile = no\n", "`default`", id="no source"),
        pytest.param(f"[default]\n{ROLE}", "source_profile", id="a role of nobody"),
        pytest.param(f"[default]\n{ROLE}credential_source = X\n", "X", id="no such source"),
        pytest.param("[default]\naws_access_key_id = a\n", "missing", id="half of the keys"),
        pytest.param(
            f"[default]\n{ROLE}web_identity_token_file = /nonexistent\n", "/nonexistent", id="token"
        ),
        pytest.param(f"[default]\n{KEYS}defaults_mode = x\n", "defaults mode", id="mode"),
        pytest.param(f"[default]\n{KEYS}sts_regional_endpoints = x\n", "STS", id="STS"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_named(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(ToolError) as caught:
        api.login(WHERE)
    assert not isinstance(caught.value, UnavailableError)
    assert f"profile `default` of {file} cannot be used: " in caught.value.message
    assert said in caught.value.message
    assert "`aws configure list` shows" in (caught.value.hint or "")
    assert "network" not in (caught.value.hint or "")


def test_who_has_to_log_in_again_is_told_how(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(f"[profile w]\nsso_session = s\n{SSO}{SESSION}")
    monkeypatch.setenv("AWS_PROFILE", "w")
    with pytest.raises(ToolError, match=f"profile `w` of {file}: ") as caught:
        api.login(WHERE)
    assert caught.value.hint == "log in: `aws sso login --profile w`"


def test_an_address_that_is_none_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(f"[default]\n{KEYS}")
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", "no address")
    with pytest.raises(ToolError) as caught:
        api.login(WHERE)
    assert (caught.value.hint or "").startswith("fix AWS_ENDPOINT_URL, or ")


def test_a_network_that_is_away_is_no_matter_of_configuration(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(f"[default]\n{KEYS}")
    monkeypatch.setattr(api, "LIMITS", Config(retries={"total_max_attempts": 1}))
    with pytest.raises(UnavailableError) as caught:
        api.login(WHERE)
    assert caught.value.hint == api.WAY


class Answer:
    """The body of an answer, as botocore reads it."""

    def __init__(self, text: str | bytes) -> None:
        self.text = text

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.text.encode() if isinstance(self.text, str) else self.text


def answering(
    monkeypatch: pytest.MonkeyPatch, text: str | bytes | Exception, status: int = 200
) -> None:
    """Let each request get this answer."""
    monkeypatch.setattr(api, "LIMITS", Config(retries={"total_max_attempts": 1}))

    def send(_self: object, request: Any) -> AWSResponse:
        if isinstance(text, Exception):
            raise text
        headers: Any = {"Content-Type": "application/x-amz-json-1.1"}
        return AWSResponse(request.url, status, headers, Answer(text))

    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", send)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "<html>log in</html>",
        '{"repositories": []}',
        '{"repositories": 5, "authorizationData": 5}',
        '{"repositories": [{}], "authorizationData": [{}]}',
        '{"repositories": ["a"], "authorizationData": ["a"]}',
        '{"authorizationData": [{"authorizationToken": "no base64"}]}',
        '{"authorizationData": [{"authorizationToken": "bm8gY29sb24="}]}',
        '{"authorizationData": [{"authoriz',
        "[]",
        "5",
        "",
        "<html>café</html>".encode("latin-1"),
        '{"authorizationData": []}'.encode("utf-16"),
        "[" * 100_000,
        '{"repositories": [{"createdAt": 1e300}], "authorizationData": [{"expiresAt": 1e300}]}',
    ],
)
def test_an_answer_that_is_not_ecr_s(
    file: Path, monkeypatch: pytest.MonkeyPatch, text: str | bytes
) -> None:
    file.write_text(f"[default]\n{KEYS}")
    answering(monkeypatch, text)
    for ask in (lambda: api.login(WHERE), lambda: Repositories(place=WHERE).read("app")):
        with pytest.raises(ToolError) as caught:
            ask()
        assert "the answer is not one of ECR's" in caught.value.message
        assert caught.value.hint == api.WAY


def test_a_proxy_that_is_no_address(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This error of botocore has an empty attribute `response`."""
    file.write_text(f"[default]\n{KEYS}")
    answering(monkeypatch, HTTPClientError(error="no address"))
    with pytest.raises(ToolError, match="no address") as caught:
        api.login(WHERE)
    assert caught.value.hint == api.WAY


@pytest.mark.parametrize("status", [302, 403, 404, 407])
def test_a_page_of_a_proxy_is_no_refusal_of_aws(
    file: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    file.write_text(f"[default]\n{KEYS}")
    answering(monkeypatch, "<html>\x1b[31mblocked</html>", status)
    with pytest.raises(ToolError, match=f"not one of ECR's: status {status}, ") as caught:
        api.login(WHERE)
    assert caught.value.hint == api.WAY
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize("text", ["[1]", '{"Statement": "x"}', '{"Statement": [1]}', "no JSON"])
def test_a_policy_that_is_not_one_of_ecr_s(
    file: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    file.write_text(f"[default]\n{KEYS}")
    shown = {
        "repositoryArn": "arn:aws:ecr:eu-west-1:1:repository/app",
        "imageTagMutability": "MUTABLE",
    }
    answering(monkeypatch, json.dumps({"repositories": [shown], "tags": [], "policyText": text}))
    with pytest.raises(ToolError, match="the answer is not one of ECR's"):
        Repositories(place=WHERE).read("app")


@pytest.mark.parametrize("status", [500, 503])
def test_a_status_that_no_identity_causes(
    file: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    file.write_text(f"[default]\n{KEYS}")
    answering(monkeypatch, "{}", status)
    with pytest.raises(ToolError) as caught:
        api.login(WHERE)
    assert api.WAY in (caught.value.hint or "")
    assert isinstance(caught.value, UnavailableError)
