"""The hosts of registries: ECR's taken apart (ECR user guide, "Private registries"), and others."""

from __future__ import annotations

import re

SUFFIXES = (
    "amazonaws.com", "on.aws",
    "amazonaws.com.cn", "on.amazonwebservices.com.cn",
    "amazonaws.eu", "on.amazonwebservices.eu",
    "c2s.ic.gov", "on.aws.ic.gov",
    "sc2s.sgov.gov", "on.aws.scloud",
    "cloud.adc-e.uk", "on.cloud-aws.adc-e.uk",
    "csp.hci.ic.gov", "on.aws.hci.ic.gov",
)  # fmt: skip
"""What the hosts of AWS's partitions end with, and those that speak IPv6, too (botocore's
`partitions`, which takes too long to load here). A host with another end is anybody's."""
ECR_HOST = re.compile(
    r"(?P<account>[0-9]{12})\.dkr(?P<style>[.-])ecr(?P<fips>-fips)?"
    rf"\.(?P<region>[a-z0-9-]+)\.(?P<suffix>{'|'.join(map(re.escape, SUFFIXES))})"
)
"""To be matched with all of a name. Dual-stack writes `dkr-ecr`."""


def has_registry(text: str) -> bool:
    """Whether a reference names the host of a registry, as Docker tells it from a folder."""
    first, _, rest = text.partition("/")
    return bool(rest) and ("." in first or ":" in first or first == "localhost")
