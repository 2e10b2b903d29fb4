"""boto3's errors -> messages with hints."""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import botocore.exceptions
import botocore.parsers

from buildkit.support import addresses, decode, manual, proxies
from buildkit.support.errors import ToolError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

Value = TypeVar("Value")
STALLED = (
    botocore.exceptions.ConnectTimeoutError,
    botocore.exceptions.ReadTimeoutError,
)
AWAY = (
    *STALLED,
    botocore.exceptions.EndpointConnectionError,
    botocore.exceptions.ConnectionClosedError,
)
"""Errors of boto3, after its own retries, if nothing answers."""


class StrangeError(botocore.exceptions.BotoCoreError):
    """An answer that the service does not give: botocore reads many of them as empty ones."""

    fmt = "the answer is not one of {service}'s: {found}"


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
STRANGE = (
    botocore.parsers.ResponseParserError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    UnicodeError,
    json.JSONDecodeError,
)
"""What an answer causes that is not one of the service's."""
MOVED = 300
"""The lowest HTTP status of an answer that is no success."""
SERVERS_FAULT = 500
"""The lowest HTTP status of an error on AWS's side."""
CLOCK = "RequestTimeTooSkewed|Signature (?:expired|not yet current)"
DENIED = "^AccessDenied|^UnauthorizedOperation"
UNKNOWN = "InvalidClientToken|UnrecognizedClient|Signature|AuthFailure"
"""What the codes or texts of AWS's errors contain."""
WAY = "check the network, AWS_ENDPOINT_URL and HTTPS_PROXY; `buildkit doctor` finds the cause"
CERTIFICATES = "set AWS_CA_BUNDLE to the file of your network's certificates"
ENDPOINTS = ("", "_ECR", "_ECR_PUBLIC", "_SSO", "_SSO_OIDC", "_STS")
"""How the names of the variables end whose addresses are called: for all services, and for some."""
PICKS = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
"""Variables that choose a profile or a file, so that a message with their value is about that."""
CONTAINER = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")


class Trouble(Enum):
    """What an error is about."""

    NONE = "no credentials"
    PROFILE = "profile"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    CLOCK = "clock"
    DENIED = "denied"
    NETWORK = "network"
    OTHER = "other"


def trouble(error: ToolError) -> Trouble:
    """What an error of `translated` or `of_credentials` is about."""
    cause = error.__cause__
    match cause:
        case botocore.exceptions.NoCredentialsError():
            return Trouble.NONE
        case botocore.exceptions.ProfileNotFound():
            return Trouble.PROFILE
        case botocore.exceptions.ClientError():
            code = str(cause.response.get("Error", {}).get("Code", ""))
            kinds = ((Trouble.CLOCK, CLOCK), (Trouble.EXPIRED, "Expired"), (Trouble.DENIED, DENIED))
            found = (kind for kind, sign in kinds if re.search(sign, f"{code} {cause}"))
            unknown = Trouble.UNKNOWN if re.search(UNKNOWN, code) else Trouble.OTHER
            return next(found, unknown)
        case _ if isinstance(cause, LOGGED_OUT):
            return Trouble.EXPIRED
        case _ if isinstance(cause, (*AWAY, *NETWORK)):
            return Trouble.NETWORK
        case _:
            return Trouble.OTHER


def read(kind: type[Value], answer: object) -> Value:
    """Read an answer of ECR into a type. Raises StrangeError for another shape."""
    try:
        return decode.read(kind, answer)
    except ValueError as error:
        raise StrangeError(service="ECR", found=error) from error


@contextmanager
def translated(doing: str, profile: str | None = None) -> Iterator[None]:
    """Raise ToolError instead of boto3's errors; `doing` says what was tried.

    `profile` is the one that images.toml names, None for boto3's default.
    """
    try:
        yield
    except STRANGE as error:
        what = "the answer is not one of AWS's: a value is missing, or has another type"
        raise ToolError(f"{doing}: {what}", hint=WAY) from error
    except ERRORS as error:
        raise _error(doing, error, profile) from error


@contextmanager
def of_credentials(doing: str, profile: str | None) -> Iterator[None]:
    """As `translated`, for what gives credentials: a profile, a program, or another service."""
    try:
        yield
    except botocore.exceptions.ParamValidationError as error:
        raise ToolError(
            f"{doing}: {_used(profile)} has a value that AWS does not allow: {error}",
            hint=_profile_hint(profile),
        ) from error
    except STRANGE as error:
        raise _no_credentials(doing, profile) from error
    except ERRORS as error:
        match error:
            case botocore.exceptions.HTTPClientError(kwargs={"error": UnicodeError()}):
                raise _no_credentials(doing, profile) from error
            case botocore.exceptions.CredentialRetrievalError(
                kwargs={"provider": "container-role", "error_msg": why}
            ):
                raise _no_credentials(doing, profile, f": {why}") from error
            case ValueError() if str(error).startswith("Unsupported host"):
                raise _no_credentials(doing, profile, f": {error}") from error
            case _:
                raise _error(doing, error, profile) from error


def _no_credentials(doing: str, profile: str | None, why: str = "") -> ToolError:
    """The error for a source of credentials that returns something else."""
    named = next((each for each in CONTAINER if os.environ.get(each)), None)
    if named:
        return ToolError(
            f"{doing}: the address in {named} does not return credentials{addresses.hidden(why)}",
            hint=f"check {named}, and that no proxy answers for that address",
        )
    return ToolError(
        f"{doing}: the service or program of {_used(profile)} does not return credentials",
        hint=f"check the network and HTTPS_PROXY; `aws configure list{_option(profile)}` shows "
        "where credentials come from",
    )


def _error(doing: str, error: Exception, profile: str | None) -> ToolError:
    what, hint = _explained(error, profile)
    away = isinstance(error, AWAY) or _status(error) >= SERVERS_FAULT
    kind = UnavailableError if away else ToolError
    return kind(f"{doing}: {addresses.hidden(what)}", hint=hint)


def _explained(error: Exception, profile: str | None) -> tuple[str, str]:
    """What happened, and a hint. Special exceptions come before the more general ones."""
    what = str(error)
    match error:
        case botocore.exceptions.NoCredentialsError():
            of_profile = f"{_used(profile)} has no credentials"
            what = of_profile if _profile(profile) else "no AWS credentials found"
            hint = f"run `aws sso login{_option(profile)}`, or set AWS_PROFILE"
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
        case _ if isinstance(error, LOGGED_OUT):
            what = f"{_used(profile)}: {error}"
            hint = f"log in: `aws sso login{_option(profile)}`"
        case _ if bad := _bad_address():
            what = f"{bad} is not the address of an API"
            hint = f"fix {bad}: `https://HOST` or `http://HOST:PORT`"
        case _ if isinstance(error, (*AWAY, *NETWORK)):
            what, hint = _of_network(error, profile)
        case _:
            what, hint = _of_configuration(error, profile)
    return what, hint


def _of_configuration(error: Exception, profile: str | None) -> tuple[str, str]:
    """A variable that cannot be used; without one, a profile."""
    match error:
        case botocore.exceptions.PartialCredentialsError(kwargs={"provider": "env", **facts}):
            missing = facts["cred_var"]
            return (
                f"AWS_ACCESS_KEY_ID is set, but {missing} is not",
                f"set {missing}, or unset AWS_ACCESS_KEY_ID",
            )
        case botocore.exceptions.ConfigParseError(kwargs={"path": path, "error": why}):
            said = f"the AWS configuration file {path} cannot be read{_line(why)}"
            return said, f"fix {path}: UTF-8, `[…]`, then lines with `=`; no name twice"
        case _ if variable := _variable(str(error)):
            return f"{variable} cannot be used: {error}", f"fix or unset {variable}"
        case EOFError():
            what = f"{_used(profile)} requires an MFA code, and buildkit never prompts"
            command = f"aws configure export-credentials{_option(profile)} --format env"
            return what, f'`eval "$({command})"` asks for the code; then rerun without a profile'
        case _:
            return f"{_used(profile)} cannot be used: {error}", _profile_hint(profile)


def _line(error: object) -> str:
    """The number of the line that configparser does not understand: its text may be a secret."""
    wrong = getattr(error, "errors", ())
    number = wrong[0][0] if wrong else getattr(error, "lineno", None)
    return f": line {number}" if number else ""


def _of_network(error: Exception, profile: str | None) -> tuple[str, str]:
    match error:
        case botocore.exceptions.HTTPClientError(kwargs={"error": ValueError() as why}) if (
            "header" in str(why)
        ):
            what = "the AWS credentials contain a line break, or another control character"
            where = f"the profile that {_shown(profile)}"
            return what, f"check AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN, or {where}"
        case botocore.exceptions.SSLError():
            return str(error), CERTIFICATES
        case botocore.exceptions.ProxyConnectionError(kwargs=facts):
            proxy = f"the proxy {facts['proxy_url']}"
            if status := proxies.refusal(facts["error"]):
                return f"{proxy} refuses the connection: {status}", proxies.hint(status, "AWS")
            return f"{proxy} does not answer", "check HTTPS_PROXY and the network"
        case _:
            return str(error), WAY


def _bad_address() -> str | None:
    """The variable whose address boto3 cannot use, if there is one."""
    for name in (f"AWS_ENDPOINT_URL{end}" for end in ENDPOINTS):
        if value := os.environ.get(name):
            try:
                parts = urlsplit(value)
                usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
            except ValueError:
                usable = False
            if not usable or re.search(r"\s", value):
                return name
    return None


def _variable(message: str) -> str | None:
    """The setting of AWS in the environment whose value a message is about, if there is one."""
    for name, value in sorted(os.environ.items()):
        about = value and re.search(rf"(?<![\w-]){re.escape(value)}(?![\w-])", message)
        if about and name.startswith("AWS_") and name not in PICKS:
            return name
    return None


def _profile(named: str | None) -> str | None:
    """The profile that boto3 uses."""
    return named or os.environ.get("AWS_DEFAULT_PROFILE") or os.environ.get("AWS_PROFILE")


def _option(named: str | None) -> str:
    return f" --profile {profile}" if (profile := _profile(named)) else ""


def _used(named: str | None) -> str:
    """The profile and its file, for an error message."""
    file = os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config"
    return f"profile `{_profile(named) or 'default'}` of {file}"


def _profile_hint(named: str | None) -> str:
    return f"fix the profile that {_shown(named)}, or set AWS_PROFILE"


def _shown(named: str | None) -> str:
    return f"`aws configure list{_option(named)}` shows"


def _hint(error: botocore.exceptions.ClientError) -> str:  # noqa: PLR0911 - one per kind
    code = error.response.get("Error", {}).get("Code", "")
    if code.startswith("AccessDenied"):
        # AWS's message names the action, if not, it has the name of the operation.
        named = re.search(r"not authorized to perform: ([\w:-]+)", str(error))
        action = named[1] if named else f"ecr:{error.operation_name}"
        return (
            f"allow the role `{action}`; `buildkit doctor` prints all missing actions as a policy; "
            f"permissions by command: {manual.page('publish')}"
        )
    if "Expired" in code:
        return "the AWS credentials have expired: log in again, such as with `aws sso login`"
    if "InvalidClientToken" in code or "UnrecognizedClient" in code:
        return (
            "AWS does not know these credentials: `aws configure list` shows where they come from; "
            "each partition of AWS has its own"
        )
    if "Signature" in code or code == "RequestTimeTooSkewed":
        return "check the clock of this machine with `date -u`, and the secret key"
    if "Throttl" in code or code == "LimitExceededException":
        return "AWS is throttling, or a quota is used up: retry later, or request an increase"
    if code == "InvalidParameterException" and error.operation_name == "SetRepositoryPolicy":
        return "check that all `pull-accounts` and `pull-roles` exist in the registry's partition"
    if _status(error) >= SERVERS_FAULT:
        return f"retry later, or {WAY}"
    return "run `buildkit doctor`, which shows the identity and what it may not do"


def _status(error: Exception) -> int:
    """The HTTP status of the answer that an error is about, 0 without one."""
    # botocore's errors of the network have the attribute, too, but no answer.
    answer = getattr(error, "response", None) or {}
    status: int = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status
