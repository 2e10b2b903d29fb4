"""Where images go: the hosts of registries, and whose API gives a login to them.

Domains come from botocore's own data of AWS's partitions. How ECR puts its hosts together is in its
user guide: "Private registries", "Making requests over IPv6", and FIPS at
https://aws.amazon.com/compliance/fips/.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.loaders import Loader

from buildkit.model import names
from buildkit.model.hosts import ECR_HOST
from buildkit.support.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkit.config.schema import PlaceTable, RegistryTable

PUBLIC = "public.ecr.aws"
LIKE_ECR = re.compile(r"dkr.?ecr|\.amazonaws\.|public\.ecr\.aws", re.IGNORECASE)
LOCAL_API = ("AWS_ENDPOINT_URL_ECR", "AWS_ENDPOINT_URL")
IGNORED = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
"""Set to true, boto3 asks AWS whatever the others say."""


class Api(str, Enum):
    """Who gives the login, and makes repositories."""

    ECR = "ecr"
    ECR_PUBLIC = "ecr-public"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A registry. `account` and `region` are of the ECR API behind it, if there is one.

    `profile` is the name of the AWS configuration to use, None for what boto3 finds.
    """

    host: str
    api: Api = Api.NONE
    account: str | None = None
    region: str | None = None
    profile: str | None = None
    fips: bool = False
    dual_stack: bool = False


@dataclass(frozen=True, kw_only=True)
class Partition:
    """`suffix` ends the hosts of ECR, `dual_stack_suffix` those that speak IPv6 too."""

    name: str
    suffix: str
    dual_stack_suffix: str


def places(registry: RegistryTable, hosts: Sequence[str]) -> tuple[Place, ...]:
    """Where images go: the given hosts, else the place of `[registry]` and its copies.

    Never the caller's own account by default: a push must be asked for by name.
    Raises UsageError if none is named, one is named twice, or one cannot be a registry.
    """
    found = [_named(host, registry) for host in hosts] or [
        _written(table, registry) for table in (registry, *registry.copies)
    ]
    seen = [place.host for place in found]
    if twice := sorted({host for host in seen if seen.count(host) > 1}):
        raise UsageError(
            f"{', '.join(twice)} is named twice",
            hint="name each registry once, in `[registry]`, `[[registry.copies]]` or `--registry`",
        )
    return tuple(found)


def private(host: str) -> Place | None:
    """The registry of ECR with this name, anybody's; None if the name is none of AWS's."""
    match = ECR_HOST.fullmatch(host.partition(":")[0])
    if match is None:
        return None
    partition = partition_of(match["region"])
    dual_stack = match["style"] == "-"
    if partition is None or match["suffix"] != _suffix(partition, dual_stack=dual_stack):
        return None
    return Place(
        host=host,
        api=Api.ECR,
        account=match["account"],
        region=match["region"],
        fips=match["fips"] is not None,
        dual_stack=dual_stack,
    )


def partition_of(region: str) -> Partition | None:
    """The partition that a region is in, or would be in by its name; None for a name of none."""
    document = next(
        (
            each
            for each in _partitions()
            if region in each["regions"] or re.match(each["regionRegex"], region)
        ),
        None,
    )
    if document is None:
        return None
    outputs = document["outputs"]
    return Partition(
        name=document["id"],
        suffix=outputs["dnsSuffix"],
        # ECR's registries leave the word `api` to the APIs.
        dual_stack_suffix=re.sub(r"^api\.", "on.", outputs["dualStackDnsSuffix"]),
    )


def _written(table: PlaceTable, registry: RegistryTable) -> Place:
    account, region = table.account or registry.account, table.region or registry.region
    if table.host is not None:
        return _with_options(_named(table.host, registry), table)
    if account is None or region is None:
        raise UsageError(
            "no registry is named",
            hint="`--registry HOST` or BUILDKIT_REGISTRY, or `account` and `region` below "
            "`[registry]` in images.toml",
        )
    partition = partition_of(region)
    if partition is None:
        raise UsageError(f"`{region}` is no region of AWS", hint="mend `region` below `[registry]`")
    words = "dkr-ecr" if table.dual_stack else "dkr.ecr"
    service = f"{words}-fips" if table.fips else words
    suffix = _suffix(partition, dual_stack=table.dual_stack)
    host = f"{account}.{service}.{region}.{suffix}"
    return _with_options(Place(host=host, api=Api.ECR, account=account, region=region), table)


def _with_options(place: Place, table: PlaceTable) -> Place:
    return replace(
        place,
        profile=table.profile,
        fips=place.fips or table.fips,
        dual_stack=place.dual_stack or table.dual_stack,
    )


def _named(host: str, registry: RegistryTable) -> Place:
    """The place of a named host.

    A registry on this machine stands in for ECR where the API of ECR is on this machine too: a
    login of AWS's own API, also through an endpoint of a VPC, opens every repository of the
    account, and goes nowhere else.
    """
    try:
        names.host(host)
    except ValueError as error:
        raise UsageError(
            str(error), hint="no `https://`, no path: a host, perhaps a port"
        ) from error
    if found := private(host):
        return replace(found, profile=registry.profile)
    if host == PUBLIC:
        return Place(host=host, api=Api.ECR_PUBLIC, region="us-east-1", profile=registry.profile)
    if LIKE_ECR.search(host):
        raise UsageError(
            f"`{host}` looks like a registry of ECR, and is none",
            hint="ECR's are called `<account>.dkr.ecr.<region>.amazonaws.com`, or as AWS calls "
            "them in other partitions",
        )
    if names.is_loopback(host) and _has_local_api():
        return Place(host=host, api=Api.ECR, account=registry.account, region=registry.region)
    return Place(host=host)


def _has_local_api() -> bool:
    """Whether boto3 asks this machine for ECR's logins: the variable for ECR comes first."""
    if os.environ.get(IGNORED, "").lower() == "true":
        return False
    address = next(filter(None, map(os.environ.get, LOCAL_API)), "")
    try:
        return names.is_this_machine(urlsplit(address).hostname or "")
    except ValueError:
        return False


def _suffix(partition: Partition, *, dual_stack: bool) -> str:
    return partition.dual_stack_suffix if dual_stack else partition.suffix


@cache
def _partitions() -> Sequence[Mapping[str, Any]]:
    # Not by a session: that reads the user's profile, which may not exist, and is not needed.
    data: Mapping[str, Any] = Loader().load_data("partitions")
    return tuple(data["partitions"])
