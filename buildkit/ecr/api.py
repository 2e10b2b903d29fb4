"""The API of ECR: clients, logins, and what its refusals mean. The only boto3 import.

`AWS_ENDPOINT_URL` and the rest of boto3's own chain apply, so the code that talks to AWS is the
code that talks to a local API server.
"""

from __future__ import annotations

import base64
import os
import re
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import boto3
import botocore.exceptions
from botocore.config import Config

from buildkit.ecr.places import Api
from buildkit.model.login import Login
from buildkit.support import manual
from buildkit.support.errors import ToolError, UnavailableError
from buildkit.system import stopping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_ecr_public import ECRPublicClient

    from buildkit.ecr.places import Place

Client = TypeVar("Client", "ECRClient", "ECRPublicClient")
AWAY = (
    botocore.exceptions.EndpointConnectionError,
    botocore.exceptions.ConnectTimeoutError,
    botocore.exceptions.ReadTimeoutError,
    botocore.exceptions.ConnectionClosedError,
)
"""What boto3 raises, after its own attempts, where nobody answers."""
NETWORK = (
    botocore.exceptions.HTTPClientError,
    botocore.exceptions.ConnectionError,
    botocore.exceptions.IncompleteReadError,
)
"""What else the network does."""
LOGGED_OUT = (
    botocore.exceptions.SSOError,
    botocore.exceptions.TokenRetrievalError,
    botocore.exceptions.NoAuthTokenError,
)
NO_CREDENTIALS = (botocore.exceptions.BotoCoreError, ValueError, OSError, EOFError)
"""All the rest is about configuration: boto3 lets through what reads its files, starts a
`credential_process` or asks for an MFA code."""
SERVERS_FAULT = 500
"""The least status of an answer that is AWS's own trouble."""
CONNECT_SECONDS = 10
"""For a connection: with boto3's own 60 a silent host costs five minutes."""
READ_SECONDS = 60
"""For an answer. Only what hangs takes as long."""
ATTEMPTS = 5
LIMITS = Config(
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    retries={"mode": "standard", "max_attempts": ATTEMPTS},
)


def login(where: Place) -> Login:
    """A fresh login from GetAuthorizationToken; ECR's tokens live 12 hours. Raises ToolError.

    It is the caller's own, and opens what the caller may use of other accounts in the region, too.
    """
    with translated(f"asking ECR for a login to {where.host}", where.profile):
        if where.api is Api.ECR_PUBLIC:
            token = _public_client(where).get_authorization_token()["authorizationData"]
        else:
            token = client(where).get_authorization_token()["authorizationData"][0]
    text = base64.b64decode(token["authorizationToken"]).decode()
    user, _, password = text.partition(":")
    return Login(user=user, password=password)


@cache
def client(where: Place) -> ECRClient:
    """Asks nothing yet. Safe in several threads. Raises ToolError.

    Made once: boto3 takes a third of a second to read what ECR's API is like.
    """
    with translated(f"connecting to AWS for {where.host}", where.profile):
        options = Config(use_fips_endpoint=where.fips, use_dualstack_endpoint=where.dual_stack)
        made = _session(where).client("ecr", config=LIMITS.merge(options))
    return _interruptible(made)


def _public_client(where: Place) -> ECRPublicClient:
    with translated(f"connecting to AWS for {where.host}", where.profile):
        made = _session(where).client("ecr-public", config=LIMITS)
    return _interruptible(made)


def _interruptible(made: Client) -> Client:
    """It tries again what fails, and so also what was ended: not once the run is to end."""
    made.meta.events.register("before-send", lambda **_: stopping.check())
    return made


def _session(where: Place) -> boto3.session.Session:
    return boto3.session.Session(profile_name=where.profile, region_name=where.region)


@contextmanager
def translated(doing: str, profile: str | None = None) -> Iterator[None]:
    """Raises ToolError in the place of boto3's errors; `doing` says what was tried.

    `profile` is the one that was named, None for what boto3 finds.
    """
    try:
        yield
    except botocore.exceptions.NoCredentialsError as error:
        raise ToolError(
            f"{doing}: there are no AWS credentials",
            hint="`aws sso login`, or set AWS_PROFILE; `aws sts get-caller-identity` tells",
        ) from error
    except botocore.exceptions.ProfileNotFound as error:
        raise ToolError(
            f"{doing}: {error}",
            hint="`aws configure list-profiles`; then correct `profile` or AWS_PROFILE",
        ) from error
    except botocore.exceptions.NoRegionError as error:
        raise ToolError(
            f"{doing}: no region", hint="set `region` below `[registry]`, or AWS_REGION"
        ) from error
    except botocore.exceptions.ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        kind = UnavailableError if status >= SERVERS_FAULT else ToolError
        raise kind(f"{doing}: {error}", hint=_hint(error)) from error
    except AWAY as error:
        raise UnavailableError(
            f"{doing}: {error}", hint="check the network and AWS_ENDPOINT_URL"
        ) from error
    except NETWORK as error:
        raise ToolError(
            f"{doing}: {error}", hint="check the network and AWS_ENDPOINT_URL"
        ) from error
    except LOGGED_OUT as error:
        raise ToolError(
            f"{doing}: {_used(profile)}: {error}", hint=f"`aws sso login{_option(profile)}`"
        ) from error
    except NO_CREDENTIALS as error:
        what = "a code is asked for, and nobody can type it" if str(error) == "" else error
        also = "correct AWS_ENDPOINT_URL, or " if "endpoint" in str(error).lower() else ""
        raise ToolError(
            f"{doing}: {_used(profile)} cannot be used: {what}",
            hint=f"{also}`aws configure list{_option(profile)}` shows what is used: correct it "
            "there, or set AWS_PROFILE",
        ) from error


def _profile(named: str | None) -> str | None:
    """As boto3 finds it."""
    return named or os.environ.get("AWS_DEFAULT_PROFILE") or os.environ.get("AWS_PROFILE")


def _option(named: str | None) -> str:
    return f" --profile {profile}" if (profile := _profile(named)) else ""


def _used(named: str | None) -> str:
    """The profile and its file, for a message."""
    file = os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config"
    return f"profile `{_profile(named) or 'default'}` of {file}"


def _hint(error: botocore.exceptions.ClientError) -> str:
    code = error.response.get("Error", {}).get("Code", "")
    if code.startswith("AccessDenied"):
        # AWS's words name it; else it is called as the operation is.
        named = re.search(r"not authorized to perform: ([\w:-]+)", str(error))
        action = named[1] if named else f"ecr:{error.operation_name}"
        return f"the role needs `{action}`; what each command needs: {manual.page('publish')}"
    if "Expired" in code or "InvalidClientToken" in code or "UnrecognizedClient" in code:
        return "the AWS credentials are not valid any more: log in again"
    if "Signature" in code or code == "RequestTimeTooSkewed":
        return "is this machine's clock right (`date -u`)? is the secret key?"
    if "Throttl" in code or code == "LimitExceededException":
        return "AWS refuses more of this now, or of this kind at all: later, or ask for a quota"
    if code == "InvalidParameterException" and error.operation_name == "SetRepositoryPolicy":
        return "do all of `pull-accounts` and `pull-roles` exist, in the partition of the registry?"
    return "`aws sts get-caller-identity` tells who AWS takes you for"
