"""The AWS configuration that boto3 finds, and what is said where it cannot be used."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from buildkit.ecr import api, failures
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


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"x = SECRET\n[default]\n", ": line 1"),
        (b"[default]\nregion = x\n[default]\naws_secret_access_key = SECRET\n", ": line 3"),
        (b"[default]\nregion = x\naws_secret_access_key SECRET\n", ": line 3"),
        (b"[default]\nregion = \xe9\n", ""),
    ],
)
def test_a_file_that_is_no_configuration_is_named_with_the_line_and_without_its_text(
    file: Path, text: bytes, line: str
) -> None:
    file.write_bytes(text)
    with pytest.raises(ToolError) as caught:
        api.login(WHERE)
    assert caught.value.message.endswith(f"configuration file {file} cannot be read{line}")
    assert f"fix {file}: " in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_DEFAULTS_MODE", "x"),
        ("AWS_STS_REGIONAL_ENDPOINTS", "foo"),
        ("AWS_METADATA_SERVICE_TIMEOUT", "abc"),
        ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1.5"),
        ("AWS_REQUEST_CHECKSUM_CALCULATION", "always"),
        ("AWS_ACCOUNT_ID_ENDPOINT_MODE", "no"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named_instead_of_the_profile(
    file: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    file.write_text(f"[default]\n{KEYS}")
    monkeypatch.setenv(variable, value)
    with pytest.raises(ToolError) as caught:
        api.login(WHERE)
    assert f"{variable} cannot be used: " in caught.value.message
    assert caught.value.hint == f"fix or unset {variable}"


def test_nobody_is_asked_for_an_mfa_code(file: Path) -> None:
    role = f"[default]\n{ROLE}source_profile = a\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n"
    file.write_text(f"{role}[profile a]\n{KEYS}")
    with pytest.raises(
        ToolError, match=f"profile `default` of {file} requires an MFA code"
    ) as caught:
        api.login(WHERE)
    assert '`eval "$(aws configure export-credentials --format env)"`' in (caught.value.hint or "")


def test_half_of_the_credentials_in_the_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(f"[default]\n{KEYS}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    with pytest.raises(ToolError, match="is set, but AWS_SECRET_ACCESS_KEY is not") as caught:
        api.login(WHERE)
    assert caught.value.hint == "set AWS_SECRET_ACCESS_KEY, or unset AWS_ACCESS_KEY_ID"


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
@pytest.mark.usefixtures("file")
def test_a_line_break_in_credentials_is_named_without_them(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv(variable, "SECRET\n")
    with pytest.raises(ToolError, match="credentials contain a line break") as caught:
        api.login(WHERE)
    assert "SECRET" not in caught.value.message
    assert variable in (caught.value.hint or "")


def test_who_has_to_log_in_again_is_told_how(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(f"[profile w]\nsso_session = s\n{SSO}{SESSION}")
    monkeypatch.setenv("AWS_PROFILE", "w")
    with pytest.raises(ToolError, match=f"profile `w` of {file}: ") as caught:
        api.login(WHERE)
    assert caught.value.hint == "log in: `aws sso login --profile w`"


@pytest.mark.parametrize(
    "address",
    [
        "no address",
        "foo",
        "http://",
        "ftp://x",
        "http://[",
        "http://127.0.0.1:99999",
        "https://user:S3CRET%40api.example/",
    ],
)
def test_an_address_that_is_none_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    file.write_text(f"[default]\n{KEYS}")
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", address)
    with pytest.raises(ToolError, match="AWS_ENDPOINT_URL_ECR is not the address of an") as caught:
        api.login(WHERE)
    assert caught.value.hint == "fix AWS_ENDPOINT_URL_ECR: `https://HOST` or `http://HOST:PORT`"
    assert "S3CRET" not in caught.value.message


def test_an_address_of_another_service_hides_no_error(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(f"[default]\n{KEYS}")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "minio:9000")
    monkeypatch.setattr(api, "LIMITS", Config(retries={"total_max_attempts": 1}))
    with pytest.raises(ToolError, match="Could not connect") as caught:
        api.login(WHERE)
    assert "S3" not in caught.value.message


def test_a_network_that_is_away_is_no_matter_of_configuration(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(f"[default]\n{KEYS}")
    monkeypatch.setattr(api, "LIMITS", Config(retries={"total_max_attempts": 1}))
    with pytest.raises(UnavailableError) as caught:
        api.login(WHERE)
    assert caught.value.hint == failures.WAY


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
        *(
            f'{{"repositories": [{{"createdAt": {time}}}], "authorizationData": [{{"expiresAt": {time}}}]}}'
            for time in ("1e300", '"never"', "[]", "{}", '"99999-01-01"', "true")
        ),
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
        assert "the answer is not one of " in caught.value.message
        assert "Error" not in caught.value.message
        assert caught.value.hint == failures.WAY


def test_a_proxy_that_is_no_address(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This error of botocore has an empty attribute `response`."""
    file.write_text(f"[default]\n{KEYS}")
    answering(monkeypatch, HTTPClientError(error="no address"))
    with pytest.raises(ToolError, match="no address") as caught:
        api.login(WHERE)
    assert caught.value.hint == failures.WAY


@pytest.mark.parametrize("status", [302, 403, 404, 407])
def test_a_page_of_a_proxy_is_no_refusal_of_aws(
    file: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    file.write_text(f"[default]\n{KEYS}")
    answering(monkeypatch, "<html>\x1b[31mblocked</html>", status)
    with pytest.raises(ToolError, match=f"not one of ECR's: status {status}, ") as caught:
        api.login(WHERE)
    assert caught.value.hint == failures.WAY
    assert "\x1b" not in caught.value.message


SHOWN = {
    "repositoryName": "app",
    "repositoryArn": "arn:aws:ecr:eu-west-1:1:repository/app",
    "imageTagMutability": "MUTABLE",
}


@pytest.mark.parametrize(
    ("policies", "what", "command"),
    [
        *(
            pytest.param({"policyText": text}, what, "get-repository-policy", id=f"policy {text}")
            for text, what in {
                "[1]": "is not an object",
                '{"Statement": "x"}': "Statement: 'x' is not a list",
                '{"Statement": [1]}': "Statement[0]: 1 is not an object",
                '{"Statement": [{"Sid": 7}]}': "Statement[0].Sid: 7 is not text",
                "<html>": "not JSON",
                "[" * 3000: "nested deeper",
            }.items()
        ),
        *(
            pytest.param(
                {"lifecyclePolicyText": text, "policyText": "{}"},
                what,
                "get-lifecycle-policy",
                id=f"lifecycle {text}",
            )
            for text, what in {
                '{"rules": [{}]}': "rules[0].rulePriority is missing",
                '{"rules": [{"rulePriority": 1}]}': "rules[0].selection is missing",
                '{"rules": [{"rulePriority": 1, "selection": {}}]}': "tagStatus is missing",
                '{"rules": [{"rulePriority": "1", "selection": {"tagStatus": "any"}}]}': "'1' is",
                '{"rules": [{"rulePriority": true, "selection": {"tagStatus": "any"}}]}': "True is",
                '{"rules": null}': "rules: None is not a list",
                '{"rules": ["x"]}': "rules[0]: 'x' is not an object",
                "<html>": "not JSON",
            }.items()
        ),
    ],
)
def test_a_policy_that_cannot_be_read_is_named(
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    policies: dict[str, str],
    what: str,
    command: str,
) -> None:
    file.write_text(f"[default]\n{KEYS}")
    lifecycle = {"lifecyclePolicyText": '{"rules": []}'}
    answering(
        monkeypatch, json.dumps({"repositories": [SHOWN], "tags": [], **lifecycle, **policies})
    )
    with pytest.raises(ToolError, match="policy cannot be read: ") as caught:
        Repositories(place=WHERE).read("app")
    assert what in caught.value.message
    assert f"`aws ecr {command} --repository-name app`" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "shown",
    [
        {"imageTagMutabilityExclusionFilters": [{"filter": 5}]},
        {"imageTagMutabilityExclusionFilters": [{}]},
        {"imageTagMutability": 5},
        {"imageScanningConfiguration": {"scanOnPush": "yes"}},
        {"encryptionConfiguration": {"encryptionType": 5}},
        {"repositoryArn": "x"},
        {"repositoryName": 5},
    ],
)
def test_a_repository_that_ecr_would_not_show(
    file: Path, monkeypatch: pytest.MonkeyPatch, shown: dict[str, object]
) -> None:
    file.write_text(f"[default]\n{KEYS}")
    answering(monkeypatch, json.dumps({"repositories": [SHOWN | shown], "tags": []}))
    (key,) = shown
    with pytest.raises(ToolError, match=rf"not one of ECR's: repositories\[0\]\.{key}"):
        Repositories(place=WHERE).read("app")


@pytest.mark.parametrize(
    ("repositories", "wrong"),
    [
        pytest.param([SHOWN | {"repositoryName": "other"}], "'other' instead of 'app'", id="other"),
        pytest.param([SHOWN, SHOWN | {"repositoryName": "other"}], "a list of 2, not", id="two"),
        pytest.param([], "a list of 0, not of one", id="none"),
    ],
)
def test_an_answer_about_other_repositories_is_not_one_of_ecr_s(
    file: Path, monkeypatch: pytest.MonkeyPatch, repositories: list[object], wrong: str
) -> None:
    file.write_text(f"[default]\n{KEYS}")
    answering(monkeypatch, json.dumps({"repositories": repositories, "tags": []}))
    with pytest.raises(ToolError, match=f"the answer is not one of ECR's: .*{wrong}"):
        Repositories(place=WHERE).read("app")


TOKEN = f"[default]\n{ROLE}web_identity_token_file = "
ASSUMED = f"[default]\n{ROLE}source_profile = base\n[profile base]\n{KEYS}"
STS = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'


@pytest.mark.parametrize("profile", ["role", "web identity"])
@pytest.mark.parametrize(
    "text",
    [
        "<html>log in</html>",
        "<html>café</html>".encode("latin-1"),
        "{}",
        "",
        f"<AssumeRoleResponse {STS}><AssumeRoleResult>",
        f"<AssumeRoleResponse {STS}><AssumeRoleResult></AssumeRoleResult></AssumeRoleResponse>",
        "[" * 100_000,
    ],
)
@pytest.mark.parametrize("status", [200, 407])
def test_an_answer_that_is_not_sts_s(
    file: Path, monkeypatch: pytest.MonkeyPatch, text: str | bytes, status: int, profile: str
) -> None:
    token = file.with_name("token")
    token.write_text("a token of a web identity")
    file.write_text(ASSUMED if profile == "role" else f"{TOKEN}{token}\n")
    answering(monkeypatch, text, status)
    with pytest.raises(ToolError) as caught:
        api.login(WHERE)
    said = ("the answer is not one of STS's: ", "does not return credentials")
    assert any(each in caught.value.message for each in said)
    assert "Error" not in caught.value.message
    assert "HTTPS_PROXY" in (caught.value.hint or "")


def test_a_page_from_500_on_is_a_service_that_is_away(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(ASSUMED)
    answering(monkeypatch, "<h1>café</h1>".encode("latin-1"), 502)
    with pytest.raises(UnavailableError, match="502"):
        api.login(WHERE)


@pytest.mark.usefixtures("file")
def test_a_container_s_address_that_boto3_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://elsewhere.example/x")
    with pytest.raises(ToolError, match="address in AWS_CONTAINER_CREDENTIALS_FULL_URI") as caught:
        api.login(WHERE)
    assert "Unsupported host" in caught.value.message


def test_a_profile_without_credentials_is_named(file: Path) -> None:
    file.write_text("[profile p]\nregion = eu-west-1\n")
    with pytest.raises(ToolError, match=f"profile `p` of {file} has no credentials") as caught:
        api.login(replace(WHERE, profile="p"))
    assert (caught.value.hint or "").startswith("run `aws sso login --profile p`")


@pytest.mark.parametrize("text", ["<html>", "{}", "null", "[]", "café".encode("latin-1")])
def test_a_container_s_address_that_gives_no_credentials_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch, text: str | bytes
) -> None:
    file.write_text("")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/x")
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    answering(monkeypatch, text)
    with pytest.raises(ToolError, match="AWS_CONTAINER_CREDENTIALS_FULL_URI") as caught:
        api.login(WHERE)
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" in (caught.value.hint or "")


def test_instance_metadata_that_are_a_page(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("")
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    failure = UnicodeEncodeError("latin-1", "\u2013", 0, 1, "no")
    answering(monkeypatch, HTTPClientError(error=failure))
    with pytest.raises(ToolError, match="does not return credentials") as caught:
        api.login(WHERE)
    assert "codec" not in caught.value.message


def test_a_token_that_is_too_short(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = file.with_name("token")
    token.write_text("abc")
    file.write_text(f"{TOKEN}{token}\n")
    answering(monkeypatch, "")
    with pytest.raises(ToolError, match="profile `default` of") as caught:
        api.login(WHERE)
    assert "images.toml" not in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("error", "said", "hint"),
    [
        pytest.param(
            SSLError(endpoint_url="https://x", error=ValueError("self-signed")),
            "self-signed",
            failures.CERTIFICATES,
            id="certificate",
        ),
        pytest.param(
            ProxyConnectionError(
                proxy_url="http://p:1",
                error="Tunnel connection failed: 407 Proxy Authentication Required'))",
            ),
            "the proxy http://p:1 refuses the connection: 407 Proxy Authentication Required",
            "user and password that the proxy asks for into HTTPS_PROXY",
            id="proxy without a login",
        ),
        pytest.param(
            ProxyConnectionError(
                proxy_url="http://p:1/?token=S3CRET", error="Tunnel connection failed: 403 No'))"
            ),
            "the proxy http://p:1/?… refuses the connection: 403 No",
            "HTTPS_PROXY or NO_PROXY",
            id="proxy that forbids",
        ),
        pytest.param(
            ProxyConnectionError(proxy_url="http://p:1", error="refused"),
            "the proxy http://p:1 does not answer",
            "HTTPS_PROXY",
            id="proxy that is away",
        ),
        pytest.param(
            EndpointConnectionError(endpoint_url="http://x/?token=S3CRET"),
            '"http://x/?…',
            failures.WAY,
            id="a secret in the address",
        ),
    ],
)
def test_errors_of_the_network(
    file: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str, hint: str
) -> None:
    file.write_text(f"[default]\n{KEYS}")
    answering(monkeypatch, error)
    with pytest.raises(ToolError) as caught:
        api.login(WHERE)
    assert said in caught.value.message
    assert "S3CRET" not in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("UnrecognizedClientException", "AWS does not know these credentials"),
        ("InvalidClientTokenId", "AWS does not know these credentials"),
        ("ExpiredTokenException", "have expired"),
    ],
)
def test_credentials_that_aws_refuses(
    file: Path, monkeypatch: pytest.MonkeyPatch, code: str, hint: str
) -> None:
    file.write_text(f"[default]\n{KEYS}")
    answering(monkeypatch, json.dumps({"__type": code, "message": "no"}), 400)
    with pytest.raises(ToolError) as caught:
        api.login(WHERE)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        pytest.param(ReadTimeoutError, api.STALLS, id="in the middle"),
        pytest.param(ConnectTimeoutError, api.ATTEMPTS, id="at the beginning"),
    ],
)
def test_an_answer_that_stops_is_said_at_each_attempt(
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: type[BotoCoreError],
    attempts: int,
) -> None:
    file.write_text(f"[default]\n{KEYS}")
    sent = []

    def send(_self: object, request: Any) -> AWSResponse:
        sent.append(request)
        raise error(endpoint_url=request.url)

    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", send)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with pytest.raises(UnavailableError):
        api.login(WHERE)
    assert len(sent) == attempts
    said = "127.0.0.1 does not answer: trying again\n"
    assert capsys.readouterr().err == said * (attempts - 1)


@pytest.mark.parametrize("status", [500, 503])
def test_a_status_that_no_identity_causes(
    file: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    file.write_text(f"[default]\n{KEYS}")
    answering(monkeypatch, "{}", status)
    with pytest.raises(ToolError) as caught:
        api.login(WHERE)
    assert failures.WAY in (caught.value.hint or "")
    assert isinstance(caught.value, UnavailableError)
