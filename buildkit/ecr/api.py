"""The API of ECR: clients, logins, and error messages with hints. The only boto3 import.

`AWS_ENDPOINT_URL` and the rest of boto3's own chain apply, so the code that talks to AWS is the
code that talks to a local API server.
"""

from __future__ import annotations

import base64
import json
import os
import re
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.exceptions
from botocore.config import Config

from buildkit.ecr.places import Api
from buildkit.model.login import Login
from buildkit.support import manual
from buildkit.support.errors import ToolError, UnavailableError
from buildkit.support.suggest import shown
from buildkit.system import stopping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_ecr import ECRClient

    from buildkit.ecr.places import Place

AWAY = (
    botocore.exceptions.EndpointConnectionError,
    botocore.exceptions.ConnectTimeoutError,
    botocore.exceptions.ReadTimeoutError,
    botocore.exceptions.ConnectionClosedError,
)
"""Errors of boto3, after its own retries, if nothing answers."""


class StrangeError(botocore.exceptions.BotoCoreError):
    """An answer that is no JSON document: botocore reads many of them as empty ones."""

    fmt = "the answer is not one of ECR's: status {status}, {began}"


NETWORK = (
    botocore.exceptions.HTTPClientError,
    botocore.exceptions.ConnectionError,
    botocore.exceptions.IncompleteReadError,
    StrangeError,
)
"""Other errors of the network."""
LOGGED_OUT = (
    botocore.exceptions.SSOError,
    botocore.exceptions.TokenRetrievalError,
    botocore.exceptions.NoAuthTokenError,
)
ERRORS = (
    botocore.exceptions.ClientError,
    botocore.exceptions.BotoCoreError,
    ValueError,
    OSError,
    EOFError,
)
"""All that boto3 raises: it does not wrap errors of its files, of a `credential_process` or of an
MFA prompt."""
STRANGE = (LookupError, TypeError, AttributeError, RuntimeError, json.JSONDecodeError)
"""What a JSON document causes that is not one of ECR's."""
SERVERS_FAULT = 500
"""The lowest HTTP status of an error on AWS's side."""
BEGINNING = 80
"""Bytes that a message shows of a strange answer."""
WAY = "check the network, AWS_ENDPOINT_URL and HTTPS_PROXY"
CONNECT_SECONDS = 10
"""For a connection: with boto3's default of 60, a silent host takes five minutes."""
READ_SECONDS = 60
"""For an answer: the limit only ends a call that hangs."""
ATTEMPTS = 5
LIMITS = Config(
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    retries={"mode": "standard", "max_attempts": ATTEMPTS},
)


def login(where: Place) -> Login:
    """A fresh login from GetAuthorizationToken; ECR's tokens live 12 hours. Raises ToolError.

    The login also opens the repositories of other accounts that the caller may use.
    """
    with translated(f"requesting an ECR login for {where.host}", where.profile):
        if where.api is Api.ECR_PUBLIC:
            public = _client(where, "ecr-public", LIMITS)
            token = public.get_authorization_token()["authorizationData"]
        else:
            token = client(where).get_authorization_token()["authorizationData"][0]
        return _login(token["authorizationToken"])


def _login(token: str) -> Login:
    """Raises LookupError for what is not a token."""
    try:
        user, colon, password = base64.b64decode(token, validate=True).decode().partition(":")
    except ValueError as error:
        raise LookupError("authorizationToken") from error
    if not colon:
        raise LookupError("authorizationToken")
    return Login(user=user, password=password)


@cache
def client(where: Place) -> ECRClient:
    """A client that is safe in several threads. Sends no request yet. Raises ToolError.

    Cached: boto3 takes a third of a second to load the definition of ECR's API.
    """
    options = Config(use_fips_endpoint=where.fips, use_dualstack_endpoint=where.dual_stack)
    made: ECRClient = _client(where, "ecr", LIMITS.merge(options))
    return made


def _client(where: Place, service: str, config: Config) -> Any:
    """A client that stops its retries once the run is interrupted."""
    import boto3  # noqa: PLC0415 - it is slow to load, and other registries do without

    with translated(f"connecting to AWS for {where.host}", where.profile):
        session: Any = boto3.session.Session(profile_name=where.profile, region_name=where.region)
        made = session.client(service, config=config)
    made.meta.events.register("before-send", lambda **_: stopping.check())
    made.meta.events.register("before-parse", _check)
    return made


def _check(operation_model: Any, response_dict: dict[str, Any], **_: object) -> None:
    """Raise StrangeError for a page of a proxy; botocore retries statuses from 500 on."""
    status, body = response_dict["status_code"], response_dict["body"]
    if operation_model.service_model.resolved_protocol != "json" or status >= SERVERS_FAULT:
        return
    try:
        document = json.loads(body.decode())
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        began = shown(body[:BEGINNING].decode(errors="replace")) or "empty"
        raise StrangeError(status=status, began=began)


@contextmanager
def translated(doing: str, profile: str | None = None) -> Iterator[None]:
    """Raise ToolError instead of boto3's errors; `doing` says what was tried.

    `profile` is the one that images.toml names, None for boto3's default.
    """
    try:
        yield
    except STRANGE as error:
        raise ToolError(f"{doing}: the answer is not one of ECR's: {error!r}", hint=WAY) from error
    except ERRORS as error:
        raise _error(doing, error, profile) from error


def _error(doing: str, error: Exception, profile: str | None) -> ToolError:
    what, hint = _explained(error, profile)
    away = isinstance(error, AWAY) or _status(error) >= SERVERS_FAULT
    return (UnavailableError if away else ToolError)(f"{doing}: {what}", hint=hint)


def _explained(error: Exception, profile: str | None) -> tuple[str, str]:
    """What happened, and a hint. Special exceptions come before the more general ones."""
    what = str(error)
    match error:
        case botocore.exceptions.NoCredentialsError():
            what = "no AWS credentials found"
            hint = "run `aws sso login`, or set AWS_PROFILE"
        case botocore.exceptions.ProfileNotFound():
            hint = (
                "fix `profile` in images.toml, or AWS_PROFILE; `aws configure list-profiles` shows "
                "the profiles"
            )
        case botocore.exceptions.NoRegionError():
            what = "no AWS region is set"
            hint = "set `region` in `[registry]` of images.toml, or AWS_REGION"
        case botocore.exceptions.ParamValidationError():
            what = f"a value is not one that ECR allows: {error}"
            hint = "fix the value in images.toml"
        case botocore.exceptions.ClientError():
            hint = _hint(error)
        case _ if isinstance(error, (*AWAY, *NETWORK)):
            hint = WAY
        case _ if isinstance(error, LOGGED_OUT):
            what = f"{_used(profile)}: {error}"
            hint = f"log in: `aws sso login{_option(profile)}`"
        case _:  # a failed MFA prompt has no text
            why = what or "an MFA code is required, and buildkit never prompts"
            what = f"{_used(profile)} cannot be used: {why}"
            endpoint = "fix AWS_ENDPOINT_URL, or " if "endpoint" in why.lower() else ""
            hint = (
                f"{endpoint}fix the profile that `aws configure list{_option(profile)}` shows, or "
                "set AWS_PROFILE"
            )
    return what, hint


def _profile(named: str | None) -> str | None:
    """The profile that boto3 uses."""
    return named or os.environ.get("AWS_DEFAULT_PROFILE") or os.environ.get("AWS_PROFILE")


def _option(named: str | None) -> str:
    return f" --profile {profile}" if (profile := _profile(named)) else ""


def _used(named: str | None) -> str:
    """The profile and its file, for an error message."""
    file = os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config"
    return f"profile `{_profile(named) or 'default'}` of {file}"


def _hint(error: botocore.exceptions.ClientError) -> str:  # noqa: PLR0911 - one per kind
    code = error.response.get("Error", {}).get("Code", "")
    if code.startswith("AccessDenied"):
        # AWS's message names the action, if not, it has the name of the operation.
        named = re.search(r"not authorized to perform: ([\w:-]+)", str(error))
        action = named[1] if named else f"ecr:{error.operation_name}"
        return f"allow the role `{action}`; permissions by command: {manual.page('publish')}"
    if "Expired" in code or "InvalidClientToken" in code or "UnrecognizedClient" in code:
        return "the AWS credentials have expired: log in again, such as with `aws sso login`"
    if "Signature" in code or code == "RequestTimeTooSkewed":
        return "check the clock of this machine with `date -u`, and the secret key"
    if "Throttl" in code or code == "LimitExceededException":
        return "AWS is throttling, or a quota is used up: retry later, or request an increase"
    if code == "InvalidParameterException" and error.operation_name == "SetRepositoryPolicy":
        return "check that all `pull-accounts` and `pull-roles` exist in the registry's partition"
    if _status(error) >= SERVERS_FAULT:
        return f"retry later, or {WAY}"
    return "run `aws sts get-caller-identity` to see which identity is used"


def _status(error: Exception) -> int:
    """The HTTP status of the answer that an error is about, 0 without one."""
    # botocore's errors of the network have the attribute, too, but no answer.
    answer = getattr(error, "response", None) or {}
    status: int = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status
