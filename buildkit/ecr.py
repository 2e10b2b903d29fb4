"""The AWS adapter: where a registry is, its login, its repositories. The only boto3 import.

`AWS_ENDPOINT_URL` and the rest of boto3's own chain apply, so the code that talks to AWS is the
code that talks to a local API server.
"""

from __future__ import annotations

import base64
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import botocore.exceptions
from botocore.config import Config

from buildkit import names
from buildkit.errors import ToolError, UsageError
from buildkit.model import Login

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_ecr import ECRClient

    from buildkit.schema import Registry

DUAL_STACK = "on.aws"

LIMITS = Config(connect_timeout=5, read_timeout=20)
"""Seconds, of each of boto3's attempts: with its own 60 a silent host costs five minutes."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A registry: its host, and the account and region whose ECR API stands behind it."""

    host: str
    account: str | None
    region: str | None


def place(registry: Registry, host: str | None) -> Place:
    """Where images go: the given host, else images.toml's, else the ECR of its account and region.

    Never the caller's own account by default: a push must be asked for by name.
    Raises UsageError if none is named.
    """
    host = host or registry.host
    if host is not None:
        return _of_host(host, registry)
    if registry.account is None or registry.region is None:
        raise UsageError(
            "no registry is named",
            hint="`--registry HOST` or BUILDKIT_REGISTRY, or `account` and `region` below "
            "`[registry]` in images.toml",
        )
    suffix = _dns_suffix(registry.region)
    return Place(
        host=f"{registry.account}.dkr.ecr.{registry.region}.{suffix}",
        account=registry.account,
        region=registry.region,
    )


def _of_host(host: str, registry: Registry) -> Place:
    """The place of a named host: ECR's own, or one on this machine that stands in for it.

    ECR's login is sent to no other: whoever has it can push to every repository of the account.
    """
    try:
        names.host(host)
    except ValueError as error:
        raise UsageError(
            str(error), hint="no `https://`, no path: a host, perhaps a port"
        ) from error
    if found := private(host):
        return found
    if names.is_loopback(host):
        return Place(host=host, account=registry.account, region=registry.region)
    raise UsageError(
        f"`{host}` is no registry of ECR, and none on this machine",
        hint="ECR's login goes nowhere else; an ECR registry is called "
        "`<account>.dkr.ecr.<region>.amazonaws.com`",
    )


def private(host: str) -> Place | None:
    """The registry of ECR with this name, anybody's; None if the name is none of AWS's."""
    match = names.ECR_HOST.fullmatch(host.partition(":")[0])
    if match and match["suffix"] in (_dns_suffix(match["region"]), DUAL_STACK):
        return Place(host=host, account=match["account"], region=match["region"])
    return None


def login(where: Place) -> Login:
    """A fresh login from GetAuthorizationToken; ECR's tokens live 12 hours. Raises ToolError.

    It is the caller's own, and opens what the caller may use of other accounts in the region, too.
    """
    with _translated(f"asking ECR for a login to {where.host}"):
        data = _client(where).get_authorization_token()["authorizationData"]
    text = base64.b64decode(data[0]["authorizationToken"]).decode()
    user, _, password = text.partition(":")
    return Login(user=user, password=password)


def ensure_repository(where: Place, name: str) -> bool:
    """Create the repository if it is missing; its tags can then never be overwritten.

    Returns whether it was created. Raises ToolError.
    """
    client = _client(where)
    named = {"registryId": where.account} if where.account else {}
    with _translated(f"looking for the repository `{name}`"):
        try:
            client.describe_repositories(repositoryNames=[name], **named)  # type: ignore[arg-type]
        except client.exceptions.RepositoryNotFoundException:
            pass
        else:
            return False
    with _translated(f"creating the repository `{name}`"):
        try:
            client.create_repository(
                repositoryName=name,
                imageTagMutability="IMMUTABLE",
                imageScanningConfiguration={"scanOnPush": True},
                **named,  # type: ignore[arg-type]
            )
        except client.exceptions.RepositoryAlreadyExistsException:
            return False  # somebody else was quicker
    return True


def _client(where: Place) -> ECRClient:
    with _translated("connecting to AWS"):
        return boto3.client("ecr", region_name=where.region, config=LIMITS)


def _dns_suffix(region: str) -> str:
    session = boto3.session.Session()
    with _translated(f"looking for the partition of `{region}`"):
        partition = session.get_partition_for_region(region)
    partitions = session._session.get_data("partitions")["partitions"]  # noqa: SLF001 - see below
    # boto3 hands out a partition's name but not its DNS suffix, botocore's data has both.
    return next(str(p["outputs"]["dnsSuffix"]) for p in partitions if p["id"] == partition)


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except botocore.exceptions.NoCredentialsError as error:
        raise ToolError(
            f"{doing}: there are no AWS credentials",
            hint="`aws sso login`, or set AWS_PROFILE; `aws sts get-caller-identity` tells",
        ) from error
    except botocore.exceptions.NoRegionError as error:
        raise ToolError(
            f"{doing}: no region", hint="set `region` below `[registry]`, or AWS_REGION"
        ) from error
    except botocore.exceptions.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise ToolError(f"{doing}: {error}", hint=_hint(code)) from error
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise ToolError(
            f"{doing}: {error}", hint="check the network and AWS_ENDPOINT_URL"
        ) from error


def _hint(code: str) -> str:
    if code.startswith("AccessDenied"):
        return "the role needs ecr:GetAuthorizationToken, the push actions, ecr:CreateRepository"
    if "Expired" in code or "InvalidClientToken" in code or "UnrecognizedClient" in code:
        return "the AWS credentials are not valid any more: log in again"
    return "`aws sts get-caller-identity` tells who AWS takes you for"
