"""The API of ECR: clients and logins. The only boto3 import.

`AWS_ENDPOINT_URL` and the rest of boto3's own chain apply, so the code that talks to AWS is the
code that talks to a local API server.
"""

from __future__ import annotations

import base64
import json
import os
import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from buildkit.ecr import failures, shapes
from buildkit.ecr.failures import STALLED, StrangeError
from buildkit.ecr.places import Api
from buildkit.model.login import Login
from buildkit.support.suggest import shown
from buildkit.system import console, stopping

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_ecr import ECRClient

    from buildkit.ecr.places import Place

BEGINNING = 80
"""Bytes that a message shows of a strange answer."""
SERVICES = {"ecr-public": "ECR", "sso-oidc": "SSO"}
"""Names of services that are not their identifiers in capitals."""
XML_ROOT = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<(\w+)[\s>]")
CONNECT_SECONDS = 10
"""For a connection: with boto3's default of 60, a silent host takes five minutes."""
READ_SECONDS = 20
"""For the next bytes of an answer: the limit only ends a call that hangs."""
ATTEMPTS = 5
STALLS = 2
"""Attempts for an answer that stops in the middle: more of them would wait for minutes."""
LIMITS = Config(
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
)
QUICK_CONNECT_SECONDS = 3
QUICK_READ_SECONDS = 5
QUICK = Config(
    connect_timeout=QUICK_CONNECT_SECONDS,
    read_timeout=QUICK_READ_SECONDS,
    retries={"mode": "standard", "total_max_attempts": 1},
)
"""For `buildkit doctor`, which says what does not answer, and retries nothing."""
ANY_REGION = "us-east-1"
"""For a service that answers the same in all regions."""


def login(where: Place, ask: Any = None) -> Login:
    """A fresh login from GetAuthorizationToken; ECR's tokens live 12 hours. Raises ToolError.

    The login also opens the repositories of other accounts that the caller may use. `ask` is a
    client to use instead of the cached one.
    """
    with failures.translated(f"requesting an ECR login for {where.host}", where.profile):
        if where.api is Api.ECR_PUBLIC:
            public = _client(where, "ecr-public", LIMITS).get_authorization_token()
            token = failures.read(shapes.PublicToken, public).token
        else:
            answer = (ask or client(where)).get_authorization_token()
            token = failures.read(shapes.Tokens, answer).tokens[0]
        return _login(token.text)


def _login(token: str) -> Login:
    """Raises StrangeError for what is not a token."""
    try:
        user, colon, password = base64.b64decode(token, validate=True).decode().partition(":")
    except ValueError:
        user = colon = password = ""
    if not colon:
        raise StrangeError(service="ECR", found="its token is not a user and a password")
    return Login(user=user, password=password)


@cache
def client(where: Place) -> ECRClient:
    """A client that is safe in several threads. ECR gets no request yet. Raises ToolError.

    Cached: boto3 takes a third of a second to load the definition of ECR's API.
    """
    made: ECRClient = _client(where, "ecr", LIMITS.merge(_options(where)))
    return made


def quick(where: Place, service: str) -> Any:
    """A client that sends each request once, and waits for seconds. Raises ToolError."""
    config = _options(where) if service == "ecr" else Config()
    place = replace(where, region=where.region or _own_region(where) or ANY_REGION)
    return _client(place, service, config.merge(QUICK), QUICK)


def _own_region(where: Place) -> str | None:
    """The region of the environment or the profile: other partitions refuse those of AWS."""
    import boto3  # noqa: PLC0415 - it is slow to load

    if where.api is Api.ECR_PUBLIC:
        return None
    with failures.of_credentials(f"connecting to AWS for {where.host}", where.profile):
        found = boto3.session.Session(profile_name=where.profile).region_name
    return os.environ.get("AWS_REGION") or found


def _options(where: Place) -> Config:
    return Config(use_fips_endpoint=where.fips, use_dualstack_endpoint=where.dual_stack)


def _client(where: Place, service: str, config: Config, limits: Config = LIMITS) -> Any:
    """A client with credentials. It stops its retries once the run is interrupted.

    The limits and checks are also those of the clients that give the credentials, such as STS.
    """
    import boto3  # noqa: PLC0415 - it is slow to load, and other registries do without

    doing = f"connecting to AWS for {where.host}"
    with failures.of_credentials(doing, where.profile):
        session: Any = boto3.session.Session(profile_name=where.profile, region_name=where.region)
        inner = session._session  # noqa: SLF001 - boto3 has no other way
        inner.set_default_client_config(limits)
        roles = inner.get_component("credential_provider").get_provider("assume-role")
        roles._prompter = _refuse  # noqa: SLF001 - as above
        inner.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_time)
        session.events.register("before-send", lambda **_: stopping.check())
        session.events.register("before-parse", _check)
        if limits is LIMITS:
            session.events.register_first("needs-retry", _limit_stalls)
        if (found := session.get_credentials()) is not None:
            found.get_frozen_credentials()
    with failures.translated(doing, where.profile):
        return session.client(service, config=config)


def _refuse(_question: str) -> str:
    """boto3 would ask for an MFA code, and wait on a terminal for as long as nobody types one."""
    raise EOFError


def _limit_stalls(
    endpoint: Any, attempts: int, caught_exception: Exception | None = None, **_: object
) -> None:
    """Say that a service does not answer, and raise the error of the last attempt."""
    if not isinstance(caught_exception, STALLED) or attempts >= ATTEMPTS:
        return
    if isinstance(caught_exception, ReadTimeoutError) and attempts >= STALLS:
        raise caught_exception
    host = urlsplit(endpoint.host).hostname
    console.say(f"{host} does not answer: trying again", fg="yellow")


def _check(operation_model: Any, response_dict: dict[str, Any], **_: object) -> None:
    """Raise StrangeError for a page of a proxy. The body of one from 500 on is left out.

    botocore retries these statuses, but could not read the page.
    """
    status, body = response_dict["status_code"], response_dict["body"]
    model = operation_model.service_model
    if model.resolved_protocol == "query":
        good = status < failures.MOVED
        usable = _is_xml(body, f"{operation_model.name}Response" if good else "ErrorResponse")
    else:
        usable = _is_json(body)
    if usable:
        return
    if status >= failures.SERVERS_FAULT:
        response_dict["body"] = b""
        return
    began = shown(body[:BEGINNING].decode(errors="replace")) or "empty"
    service = SERVICES.get(model.service_name, model.service_name.upper())
    raise StrangeError(service=service, found=f"status {status}, {began}")


def _time(value: Any) -> datetime:
    """Raises StrangeError for what is no time; botocore raises ValueError, as for a bad profile."""
    from botocore.utils import parse_timestamp  # noqa: PLC0415 - loaded with boto3

    try:
        found: datetime = parse_timestamp(value)
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:
        raise StrangeError(service="AWS", found=f"`{shown(str(value))}` is not a time") from error
    return found


def _is_json(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body.decode()), dict)
    except (ValueError, RecursionError):
        return False


def _is_xml(body: bytes, root: str) -> bool:
    """Whether a document begins as the answers of STS do."""
    found = XML_ROOT.match(body)
    return found is not None and found[1].decode() == root
