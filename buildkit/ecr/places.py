"""The hosts of registries, and the AWS API behind them.

Domains come from botocore's data about AWS's partitions. The form of ECR's hosts is in its user
guide: "Private registries", "Making requests over IPv6", and FIPS at
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

from buildkit.config.problems import Problem
from buildkit.model import names
from buildkit.model.hosts import ECR_HOST, one_name
from buildkit.support.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from buildkit.config.schema import PlaceTable, RegistryTable
    from buildkit.config.toml import Where

PUBLIC = "public.ecr.aws"
DOCKER_HUB_NAMES = ("docker.io", "index.docker.io")
STAND_IN = re.compile(r"\.localhost\.localstack\.cloud(?::[0-9]+)?\Z", re.IGNORECASE)
"""The hosts of LocalStack, which imitates AWS: they lead to this machine."""
LIKE_ECR = re.compile(r"dkr.?ecr|\.amazonaws\.|public\.ecr\.aws", re.IGNORECASE)
REGION = re.compile(
    r"(?:us|eu|ap|sa|ca|me|af|il|mx|cn|us-gov|eusc-de|us-iso|us-isob|us-isof|eu-isoe)-[a-z]+-[0-9]+"
)
"""The names of regions in botocore's `partitions`, which takes long to load."""
FIPS_REGIONS = frozenset({
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "us-gov-east-1", "us-gov-west-1",
})  # fmt: skip
"""Where ECR has FIPS endpoints, as in botocore's `endpoints`, which takes too long to load here."""
NO_FIPS = (
    "botocore knows no FIPS endpoint of ECR in `{region}`; remove this key, or name the registry "
    "by `host`"
)
NO_REGISTRY = "no `{missing}`: a registry is named by `account` and `region`, or by `host`"
LOCAL_API = ("AWS_ENDPOINT_URL_ECR", "AWS_ENDPOINT_URL")
IGNORED = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
"""If true, boto3 ignores the endpoint variables."""


class Api(str, Enum):
    """The API that gives logins, and creates repositories."""

    ECR = "ecr"
    ECR_PUBLIC = "ecr-public"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A registry. `account` and `region` are those of the ECR API behind it, if there is one.

    `profile` is the AWS profile to use, None for boto3's default.
    """

    host: str
    api: Api = Api.NONE
    account: str | None = None
    region: str | None = None
    profile: str | None = None
    fips: bool = False
    dual_stack: bool = False


def places(registry: RegistryTable, hosts: Sequence[str]) -> tuple[Place, ...]:
    """The registries to publish to: the given hosts, else `[registry]` and its copies.

    The caller's own account is never the default: a push needs an explicit registry. Raises
    UsageError if none is named, one is named twice, or a host cannot be a registry.
    """
    found = [_named(host, registry) for host in hosts] or [
        _written(table, registry) for table in (registry, *registry.copies)
    ]
    seen = [one_name(place.host.lower()) for place in found]
    if twice := sorted({p.host for p in found if seen.count(one_name(p.host.lower())) > 1}):
        raise UsageError(
            f"{' and '.join(twice)} are one registry"
            if len(twice) > 1
            else f"{twice[0]} is named twice",
            hint="name each registry once, in `[registry]`, `[[registry.copies]]` or `--registry`",
        )
    return tuple(found)


def private(host: str) -> Place | None:
    """The ECR registry with this host, in any account; None for a host outside ECR."""
    match = ECR_HOST.fullmatch(host.partition(":")[0])
    if match is None:
        return None
    dual_stack = match["style"] == "-"
    if match["suffix"] != domain_of(match["region"], dual_stack=dual_stack):
        return None
    return Place(
        host=host,
        api=Api.ECR,
        account=match["account"],
        region=match["region"],
        fips=match["fips"] is not None,
        dual_stack=dual_stack,
    )


def domain_of(region: str, *, dual_stack: bool = False) -> str | None:
    """The domain of ECR's hosts in a region, also of a new region by its name; else None."""
    for partition in _partitions():
        if region in partition["regions"] or re.match(partition["regionRegex"], region):
            outputs = partition["outputs"]
            # ECR's registries use `on.` where APIs use `api.`.
            dual = re.sub(r"^api\.", "on.", outputs["dualStackDnsSuffix"])
            return str(dual if dual_stack else outputs["dnsSuffix"])
    return None


def problems(registry: RegistryTable) -> Iterator[Problem]:
    """Registries of images.toml in a region that does not exist, or almost with a host of ECR.

    Also a host with another account or region beside it, and FIPS where ECR has no such endpoint.

    Without these, the tables that name no registry, or one that another table names.
    """
    wrong = []
    for at, table in _tables(registry):
        if table.host is not None and (message := _why_not(table.host)):
            wrong.append(Problem(path=(*at, "host"), message=message))
        wrong += _contradictions(at, table, table.region or registry.region)
        if table.region is not None and not _is_region(table.region):
            message = f"`{table.region}` is not an AWS region"
            wrong.append(Problem(path=(*at, "region"), message=message))
    yield from wrong or _unfinished(registry)


def _tables(registry: RegistryTable) -> Iterator[tuple[Where, PlaceTable]]:
    yield ("registry",), registry
    for number, copy in enumerate(registry.copies):
        yield ("registry", "copies", number), copy


def _unfinished(registry: RegistryTable) -> Iterator[Problem]:
    """Tables without an account or a region, and registries that are named twice.

    A region alone is that of prebuilt images.
    """
    seen = set()
    for at, table in _tables(registry):
        account, region = table.account or registry.account, table.region or registry.region
        name = one_name(table.host.lower()) if table.host else f"{account}.{region}"
        if table.host is None and None in (account, region):
            missing = "region" if account else "account"
            if table is not registry or account or registry.copies:
                yield Problem(path=at, message=NO_REGISTRY.format(missing=missing))
        elif name in seen:
            yield Problem(path=at, message="this registry is named twice; remove one of the two")
        seen.add(name)


def _contradictions(at: Where, table: PlaceTable, region: str | None) -> Iterator[Problem]:
    """FIPS where it is not, and an account or region beside a host of ECR, which would count."""
    if (
        table.fips
        and table.host is None
        and region
        and _is_region(region)
        and region not in FIPS_REGIONS
    ):
        yield Problem(path=(*at, "fips"), message=NO_FIPS.format(region=region))
    match = ECR_HOST.fullmatch((table.host or "").partition(":")[0])
    for key, own in match.groupdict().items() if match else ():
        given = getattr(table, key) if key in ("account", "region") else None
        if given not in (None, own):
            message = f"`{given}` contradicts `host`, which is in {key} `{own}`; remove one of them"
            yield Problem(path=(*at, key), message=message)


def _why_not(host: str) -> str | None:
    """Why a host that looks like one of ECR is none; None for all others."""
    if host == PUBLIC or not LIKE_ECR.search(host) or STAND_IN.search(host):
        return None
    match = ECR_HOST.fullmatch(host.partition(":")[0])
    if match is None:
        return _almost(host)
    if not _is_region(match["region"]):
        return f"`{host}` is not an ECR registry: `{match['region']}` is not an AWS region"
    return None


def _almost(host: str) -> str:
    return f"`{host}` looks like an ECR registry, but is not one"


def _is_region(name: str) -> bool:
    """Whether AWS has the region, or may have it. botocore is asked if the name is unusual."""
    return REGION.fullmatch(name) is not None or domain_of(name) is not None


def _written(table: PlaceTable, registry: RegistryTable) -> Place:
    place = _named(table.host or _ecr_host(table, registry), registry)
    return replace(
        place,
        profile=table.profile,
        fips=place.fips or table.fips,
        dual_stack=place.dual_stack or table.dual_stack,
    )


def _ecr_host(table: PlaceTable, registry: RegistryTable) -> str:
    account, region = table.account or registry.account, table.region or registry.region
    if account is None or region is None:
        raise UsageError(
            "no registry is configured",
            hint="use `--registry HOST` or BUILDKIT_REGISTRY, or set `account` and `region` in "
            "`[registry]` of images.toml",
        )
    domain = domain_of(region, dual_stack=table.dual_stack)
    if domain is None:
        raise UsageError(
            f"`{region}` is not an AWS region", hint="fix `region` in `[registry]` of images.toml"
        )
    words = "dkr-ecr" if table.dual_stack else "dkr.ecr"
    service = f"{words}-fips" if table.fips else words
    return f"{account}.{service}.{region}.{domain}"


def _named(host: str, registry: RegistryTable) -> Place:
    """The registry with this host.

    A registry on this machine stands in for ECR only if the ECR API is on this machine, too. A
    login from AWS, also through a VPC endpoint, opens every repository of the account, so it is
    sent to ECR alone.
    """
    try:
        names.host(host)
    except ValueError as error:
        raise UsageError(
            str(error), hint="write `HOST` or `HOST:PORT`, without `https://` and without a path"
        ) from error
    if found := private(host):
        return replace(found, profile=registry.profile)
    if host == PUBLIC:
        return Place(host=host, api=Api.ECR_PUBLIC, region="us-east-1", profile=registry.profile)
    if host in DOCKER_HUB_NAMES:
        raise UsageError(
            f"`{host}` is Docker Hub, and SageMaker does not pull images from there",
            hint="publish to ECR: `<account>.dkr.ecr.<region>.amazonaws.com`",
        )
    if LIKE_ECR.search(host) and not STAND_IN.search(host):
        raise UsageError(
            _why_not(host) or _almost(host),
            hint="write `<account>.dkr.ecr.<region>.amazonaws.com`, or the domain of your "
            "partition",
        )
    if (names.is_loopback(host) or STAND_IN.search(host)) and _has_local_api():
        # boto3 itself does not read AWS_REGION.
        region = registry.region or os.environ.get("AWS_REGION") or None
        return Place(host=host, api=Api.ECR, account=registry.account, region=region)
    return Place(host=host)


def _has_local_api() -> bool:
    """Whether boto3 calls the ECR API on this machine: the variable for ECR comes first."""
    if os.environ.get(IGNORED, "").lower() == "true":
        return False
    address = next(filter(None, map(os.environ.get, LOCAL_API)), "")
    try:
        return names.is_this_machine(urlsplit(address).hostname or "")
    except ValueError:
        return False


@cache
def _partitions() -> Sequence[Mapping[str, Any]]:
    from botocore.loaders import Loader  # noqa: PLC0415 - it loads slowly

    # Not through a session, which would read the user's profile: that may not exist.
    data: Mapping[str, Any] = Loader().load_data("partitions")
    return tuple(data["partitions"])
