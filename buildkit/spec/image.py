"""The URI of the image of a target: by digest if it is published, else the one that it will have.

SageMaker pulls from ECR. It is asked for ECR's usual host, also if the image was pushed to that
for FIPS or for IPv6: they lead to the same registry (ECR user guide, "Private registries").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.ecr.places import domain_of
from buildkit.model import names
from buildkit.model.hosts import ACCOUNT_DIGITS, ECR_HOST
from buildkit.prebuilt import facts
from buildkit.support.errors import UsageError
from buildkit.support.suggest import shown
from buildkit.uri.published import places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.config.images_toml import Config
    from buildkit.ledger.record import Release
    from buildkit.model.target import Target
    from buildkit.uri.published import Place

ACCOUNT = "000000000000"
"""Stands for an account that is not known."""
REGION = "us-east-1"
"""The region if none is known."""
PARTITIONS = {"amazonaws.com.cn": "aws-cn", "amazonaws.eu": "aws-eusc"}
"""By domain, of regions that images.txt of `prebuilt` does not have."""


@dataclass(frozen=True, kw_only=True)
class Where:
    """The options that choose a registry, None or empty where not given."""

    region: str | None = None
    account: str | None = None
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Image:
    """`account` is None if it is not known. `notes` is what a person should know about the URI."""

    uri: str
    region: str
    account: str | None
    notes: tuple[str, ...] = ()

    @property
    def partition(self) -> str:
        known = facts.regions().get(self.region)
        return known.partition if known else PARTITIONS.get(domain_of(self.region) or "", "aws")


def find(target: Target, config: Config, releases: Sequence[Release], where: Where) -> Image:
    """Raises UsageError for a region that AWS does not have, and for what is no account."""
    if where.region is not None:
        _domain(where.region)
    if where.account is not None and not names.ACCOUNT.fullmatch(where.account):
        raise UsageError(
            f"`{shown(where.account)}` is not an AWS account of {ACCOUNT_DIGITS} digits",
            hint="such as `--account 123456789012`",
        )
    published = [each for each in places(releases) if each.image.target == target.id]
    here = [each for each in published if _fits(each, where)]
    if here:
        place = next(each for each in here if each.record == here[-1].record)
        return _published(place, where.region or config.region)
    return _planned(target, config, where, elsewhere=bool(published))


def _fits(place: Place, where: Where) -> bool:
    return (
        where.region in (None, place.region)
        and where.account in (None, place.account)
        and (not where.hosts or place.host in where.hosts)
    )


def _published(place: Place, region: str | None) -> Image:
    image, host = place.image, _usual(place.host)
    region = place.region or region
    notes = _of_host(host)
    if region is None:
        region, notes = REGION, (*notes, _assumed())
    return Image(
        uri=f"{host}/{image.repository}@{image.digest}",
        region=region,
        account=place.account,
        notes=notes,
    )


def _planned(target: Target, config: Config, where: Where, *, elsewhere: bool) -> Image:
    """The image as a push would name it."""
    table = config.registry
    tables = (table, *table.copies)
    chosen = next((each for each in tables if where.region in (None, each.region)), table)
    free = where.region is None and where.account is None
    named = (each for each in where.hosts if free or _is_there(each, where))
    host = next(named, chosen.host if free else None)
    of_ecr = ECR_HOST.fullmatch(host or "")
    account = of_ecr["account"] if of_ecr else where.account or chosen.account or table.account
    region = of_ecr["region"] if of_ecr else where.region or chosen.region or table.region
    region = region or config.region
    notes = () if region else (_assumed(),)
    region = region or REGION
    host = _usual(host or f"{account or ACCOUNT}.dkr.ecr.{region}.{_domain(region)}")
    uri = f"{host}/{target.image}"
    place = "in that registry" if elsewhere else "yet"
    state = f"{target.id} is not published {place}: {uri} is the URI that it will have"
    return Image(uri=uri, region=region, account=account, notes=(state, *notes, *_of_host(host)))


def _is_there(host: str, where: Where) -> bool:
    """Whether a host is the registry of that region and account."""
    match = ECR_HOST.fullmatch(host)
    return (
        match is not None
        and where.region in (None, match["region"])
        and where.account in (None, match["account"])
    )


def _usual(host: str) -> str:
    match = ECR_HOST.fullmatch(host)
    if match is None or (match["style"] == "." and not match["fips"]):
        return host
    return f"{match['account']}.dkr.ecr.{match['region']}.{_domain(match['region'])}"


def _of_host(host: str) -> tuple[str, ...]:
    if ECR_HOST.fullmatch(host):
        return ()
    note = f"SageMaker pulls from ECR, and {host} is no registry of ECR"
    return (f"{note}; `--account` and `--region` choose one",)


def _assumed() -> str:
    return f"no region is set: {REGION} is assumed; `--region` chooses another one"


def _domain(region: str) -> str:
    known = facts.regions().get(region)
    domain = known.domain if known else domain_of(region)
    if domain is None:
        raise UsageError(
            f"`{shown(region)}` is not an AWS region", hint="such as `--region eu-west-1`"
        )
    return domain
