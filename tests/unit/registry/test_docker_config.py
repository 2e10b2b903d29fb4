from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from buildkit.config import substitution
from buildkit.ecr import places
from buildkit.engine import engine
from buildkit.model.login import Login
from buildkit.registry import docker_config
from buildkit.support.errors import ToolError

HOST = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
TOKEN = Login(user="AWS", password="a secret")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    monkeypatch.delenv("BUILDX_CONFIG", raising=False)
    return folder


def write(folder: Path, **document: Any) -> None:
    (folder / "config.json").write_text(json.dumps(document))


def test_a_login_is_added_to_the_user_s_configuration_and_ends_with_the_work(own: Path) -> None:
    write(own, currentContext="mine", auths={"other.example": {"auth": "x"}})
    (own / "contexts").mkdir()
    with docker_config.beside({HOST: TOKEN}) as environment:
        folder = Path(environment["DOCKER_CONFIG"])
        document = json.loads((folder / "config.json").read_text())
        assert document["currentContext"] == "mine"
        assert document["auths"] == {
            "other.example": {"auth": "x"},
            HOST: {"auth": "QVdTOmEgc2VjcmV0"},
        }
        assert (folder / "contexts").resolve() == own / "contexts"
        assert environment["BUILDX_CONFIG"] == str(own / "buildx")
        assert stat.S_IMODE((folder / "config.json").stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()
    assert {path.name for path in own.iterdir()} == {"config.json", "contexts"}
    assert "QVdT" not in (own / "config.json").read_text()


def test_a_store_of_credentials_is_not_asked_for_that_host(own: Path) -> None:
    write(own, credsStore="desktop")
    with docker_config.beside({HOST: TOKEN}) as environment:
        document = json.loads(Path(environment["DOCKER_CONFIG"], "config.json").read_text())
    assert document["credsStore"] == "desktop"
    assert document["credHelpers"] == {HOST: ""}


def test_without_a_login_nothing_changes(own: Path) -> None:
    with docker_config.beside({}) as environment:
        assert environment == {}


def test_docker_need_not_be_configured_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "absent"))
    assert docker_config.lacking([HOST]) == (HOST,)
    with docker_config.beside({HOST: TOKEN}) as environment:
        (only,) = Path(environment["DOCKER_CONFIG"]).iterdir()
    assert only.name == "config.json"


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"auths": {HOST: {"auth": "x"}}}, id="docker login"),
        pytest.param({"auths": {f"https://{HOST}": {}}, "credsStore": "pass"}, id="with a store"),
        pytest.param({"credHelpers": {HOST: "ecr-login"}}, id="a helper"),
    ],
)
def test_what_the_user_has_logged_in_to_is_left_alone(own: Path, document: dict[str, Any]) -> None:
    write(own, **document)
    assert docker_config.lacking([HOST, "b.example"]) == ("b.example",)


def test_a_configuration_that_is_none_is_named(own: Path) -> None:
    (own / "config.json").write_text("{")
    with pytest.raises(ToolError, match="config.json cannot be read") as caught:
        docker_config.lacking([HOST])
    assert caught.value.hint


def test_an_engine_is_not_blamed_for_docker_s_configuration(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    write(own, auths={HOST: {"auth": "%%%"}})
    with pytest.raises(ToolError, match="docker's own configuration cannot be read"):
        engine.connect().__enter__()


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"auths": {HOST: ["x"]}}, id="a list"),
        pytest.param({"auths": {HOST: {"auth": 5}}}, id="a number"),
        pytest.param({"auths": {HOST: {"auth": "%%%"}}}, id="not base64"),
        pytest.param({"auths": {HOST: {"auth": "eA=="}}}, id="only a user"),
        pytest.param({"credsStore": 5}, id="a helper that is a number"),
        pytest.param({"auths": {HOST: {"username": 5, "password": "x"}}}, id="a user by number"),
    ],
)
def test_a_login_that_cannot_be_read_is_told(own: Path, document: object) -> None:
    (own / "config.json").write_text(json.dumps(document))
    with pytest.raises(ToolError, match=f"docker's login to {HOST} cannot be read") as caught:
        docker_config.of(HOST)
    assert caught.value.hint == f"log in again: `docker login {HOST}`"


@pytest.mark.parametrize(
    ("document", "key"),
    [({"credHelpers": {HOST: "nobody"}}, "credHelpers"), ({"credsStore": "nobody"}, "credsStore")],
)
def test_a_helper_that_is_missing_is_named_with_its_key(
    own: Path, document: dict[str, Any], key: str
) -> None:
    write(own, **document)
    with pytest.raises(ToolError, match="program `docker-credential-nobody`, which is") as caught:
        docker_config.of(HOST)
    assert f"`{key}` of docker's config.json" in caught.value.message
    assert f"remove `{key}`" in (caught.value.hint or "")


JANE, JOHN = "amFuZTpzZWNyZXQ=", "am9objpzZWNyZXQ="


@pytest.mark.parametrize(
    ("host", "auths", "user"),
    [
        pytest.param(HOST, {HOST: {"auth": JANE}}, "jane", id="a host"),
        pytest.param(HOST, {f"https://{HOST}/v2/": {"auth": JANE}}, "jane", id="an address"),
        pytest.param(
            HOST, {HOST: {"auth": f"{JANE[:8]}\r\n{JANE[8:]}\n"}}, "jane", id="on two lines"
        ),
        pytest.param("docker.io", {docker_config.HUB_ADDRESS: {"auth": JANE}}, "jane", id="Hub"),
        pytest.param(
            "docker.io",
            {
                docker_config.HUB_ADDRESS: {"auth": JANE},
                f"{docker_config.HUB_ADDRESS}access-token": {"auth": JOHN},
                f"{docker_config.HUB_ADDRESS}refresh-token": {"auth": JOHN},
            },
            "jane",
            id="Hub with tokens",
        ),
        pytest.param(
            "docker.io",
            {f"{docker_config.HUB_ADDRESS}refresh-token": {"auth": JOHN}},
            None,
            id="Hub with a token alone",
        ),
        pytest.param(
            HOST,
            {f"https://{HOST}": {"auth": JANE}, f"https://{HOST}/v1/": {"auth": JOHN}},
            "jane",
            id="the first of two addresses",
        ),
        pytest.param(HOST, {"b.example": {"auth": "%%%"}}, None, id="another host"),
        pytest.param(HOST, {HOST: {}}, None, id="in a credential helper"),
        pytest.param(
            HOST, {HOST: {"username": "jane", "password": "secret"}}, "jane", id="in plain text"
        ),
        pytest.param(
            HOST,
            {HOST: {"username": "john", "password": "no", "auth": JANE}},
            "jane",
            id="auth before plain text",
        ),
        pytest.param(HOST, {HOST: {"username": "jane"}}, None, id="a user alone"),
        pytest.param(
            HOST,
            {HOST: {"username": "jane", "password": "x", "identitytoken": "x"}},
            None,
            id="an identity token beside plain text",
        ),
        pytest.param(
            HOST, {HOST: {"auth": JANE, "identitytoken": "x"}}, None, id="an identity token"
        ),
    ],
)
def test_the_login_of_docker_login(
    own: Path, host: str, auths: dict[str, Any], user: str | None
) -> None:
    write(own, auths=auths)
    login = docker_config.of(host)
    assert (login and (login.user, login.password)) == (user and (user, "secret"))


HELPER = """#!/bin/sh
read -r server
case $server in
  *known.example | https://index.docker.io/v1/) printf '{"Username": "%s", "Secret": "secret"}' "${0##*-}" ;;
  token.example) echo '{"Username": "<token>", "Secret": "secret"}' ;;
  nameless.example) echo '{"Username": "", "Secret": "secret"}' ;;
  broken.example) echo '{}' ;;
  fails.example) printf '\033[31m\n::error::x https://u:S3CRET@h/?t=S3CRET' >&2; exit 3 ;;
  html.example) echo '<html>S3CRET' ;;
  number.example) echo '{"Username": 5, "Secret": "secret"}' ;;
  *) echo 'credentials not found in native keychain'; exit 1 ;;
esac
"""


@pytest.mark.process
@pytest.mark.parametrize(
    ("host", "user"),
    [
        pytest.param("known.example", "desktop", id="of the store"),
        pytest.param("docker.io", "desktop", id="of Docker Hub"),
        pytest.param("own.known.example", "login", id="of the host's own helper"),
        pytest.param("file.known.example", "jane", id="of the file, as its helper is empty"),
        pytest.param("other.example", "jane", id="of the file, as the store has none"),
        pytest.param("token.example", None, id="an identity token"),
        pytest.param("nameless.example", None, id="without a user"),
        pytest.param("none.example", None, id="none"),
    ],
)
def test_the_login_of_a_credential_helper(
    own: Path, monkeypatch: pytest.MonkeyPatch, host: str, user: str | None
) -> None:
    helpers(own, monkeypatch)
    login = docker_config.of(host)
    assert (login and (login.user, login.password)) == (user and (user, "secret"))


@pytest.mark.process
def test_the_helper_of_docker_hub_has_docker_s_own_key(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helpers(own, monkeypatch)
    write(own, credsStore="desktop", credHelpers={docker_config.HUB_ADDRESS: "ecr-login"})
    login = docker_config.of("docker.io")
    assert login
    assert login.user == "login"


@pytest.mark.process
@pytest.mark.parametrize("host", ["broken.example", "number.example", "html.example"])
def test_the_answer_of_a_credential_helper_that_is_no_login(
    own: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    helpers(own, monkeypatch)
    with pytest.raises(ToolError, match="does not answer with a login") as caught:
        docker_config.of(host)
    assert "`docker-credential-desktop`, which `credsStore` of" in caught.value.message
    assert "S3CRET" not in caught.value.message


@pytest.mark.process
def test_what_a_credential_helper_says_reaches_no_terminal_as_it_is(
    own: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    helpers(own, monkeypatch)
    with pytest.raises(ToolError, match="failed with exit code 3: ") as caught:
        docker_config.of("fails.example")
    assert capfd.readouterr() == ("", "")
    assert "https://…@h/?…" in caught.value.message
    assert "S3CRET" not in caught.value.message
    assert "\n" not in caught.value.message


def helpers(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential store, a helper of one host, and logins in the file beside them."""
    monkeypatch.setenv("PATH", f"{own}:{os.environ['PATH']}")
    for name in ("desktop", "ecr-login"):
        program = own / f"docker-credential-{name}"
        program.write_text(HELPER)
        program.chmod(0o755)
    write(
        own,
        credsStore="desktop",
        credHelpers={"own.known.example": "ecr-login", "file.known.example": ""},
        auths={"file.known.example": {"auth": JANE}, "other.example": {"auth": JANE}},
    )


def test_the_registry_of_a_base_is_found_behind_substitutes() -> None:
    rules = substitution.parse(
        [f"python:*={HOST}/docker-hub/library/python:*", f"{HOST}/a=mirror.example/a"]
    )
    found = [
        substitution.registry(base, rules) for base in ("python:3.11", f"{HOST}/a", f"{HOST}/b")
    ]
    assert found == [HOST, "mirror.example", HOST]


@pytest.mark.parametrize(
    ("host", "region"),
    [
        pytest.param(HOST, "us-east-1", id="commercial"),
        pytest.param("727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1", id="China"),
        pytest.param("763104351884.dkr-ecr.us-east-1.on.aws", "us-east-1", id="dual stack"),
        pytest.param("763104351884.dkr.ecr.us-east-1.amazonaws.example", None, id="not AWS's"),
        pytest.param("727897471807.dkr.ecr.cn-north-1.amazonaws.com", None, id="another partition"),
        pytest.param("127.0.0.1:5050", None, id="this machine"),
    ],
)
def test_ecr_s_logins_go_to_ecr_alone(host: str, region: str | None) -> None:
    place = places.private(host)
    assert (place and place.region) == region


@pytest.mark.parametrize(
    "text", ["[]", "null", '{"auths": 1}', '{"credHelpers": []}', "[" * 200_000]
)
def test_a_configuration_of_another_shape_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text(text)
    login = Login(user="AWS", password="x")
    with pytest.raises(ToolError, match="config.json cannot be read"):
        docker_config.lacking(["registry.example"])
    with (
        pytest.raises(ToolError, match="config.json cannot be read"),
        docker_config.beside({"registry.example": login}),
    ):
        pass


def test_null_is_no_login(own: Path) -> None:
    write(own, auths=None, credHelpers=None)
    assert docker_config.lacking([HOST]) == (HOST,)
    with docker_config.beside({HOST: TOKEN}) as environment:
        assert (Path(environment["DOCKER_CONFIG"]) / "config.json").exists()
