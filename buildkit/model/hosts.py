"""The hosts of registries, and the parts of ECR's (ECR user guide, "Private registries")."""

from __future__ import annotations

import re

DOCKER_HUB = "registry-1.docker.io"
SUFFIXES = (
    "amazonaws.com", "on.aws",
    "amazonaws.com.cn", "on.amazonwebservices.com.cn",
    "amazonaws.eu", "on.amazonwebservices.eu",
    "c2s.ic.gov", "on.aws.ic.gov",
    "sc2s.sgov.gov", "on.aws.scloud",
    "cloud.adc-e.uk", "on.cloud-aws.adc-e.uk",
    "csp.hci.ic.gov", "on.aws.hci.ic.gov",
)  # fmt: skip
"""The domains of AWS's partitions, with and without IPv6, as in botocore's `partitions`, which
takes too long to load here. All other hosts are not AWS's."""
ACCOUNT_DIGITS = 12
ECR_HOST = re.compile(
    rf"(?P<account>[0-9]{{{ACCOUNT_DIGITS}}})"
    r"\.dkr(?P<style>[.-])ecr(?P<fips>-fips)?"
    rf"\.(?P<region>[a-z0-9-]+)\.(?P<suffix>{'|'.join(map(re.escape, SUFFIXES))})"
)
"""For `fullmatch` on a host. Dual-stack hosts have `dkr-ecr`."""


def wrong_account(host: str) -> str | None:
    """The account in a host that is one of ECR's, except that an account has other digits."""
    account, _, rest = host.partition(".")
    alike = account.isdigit() and ECR_HOST.fullmatch(f"{'0' * ACCOUNT_DIGITS}.{rest}")
    return account if alike and len(account) != ACCOUNT_DIGITS else None


def of_ecr(host: str) -> re.Match[str] | None:
    """The parts of one of ECR's hosts, which may name the port of HTTPS; None for all others."""
    return ECR_HOST.fullmatch(host.removesuffix(":443"))


def one_name(host: str) -> str:
    """The same name for all hosts of one ECR registry: IPv4 or dual-stack, FIPS, with `:443`."""
    match = of_ecr(host)
    return f"{match['account']}.{match['region']}" if match else host


def has_registry(text: str) -> bool:
    """Whether a reference begins with the host of a registry, by Docker's rule."""
    first, _, rest = text.partition("/")
    return bool(rest) and ("." in first or ":" in first or first == "localhost")
