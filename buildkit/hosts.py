"""The hosts of registries: ECR's taken apart (ECR user guide, "Private registries"), and others."""

from __future__ import annotations

import re

ECR_HOST = re.compile(
    r"(?P<account>[0-9]{12})\.dkr(?P<style>[.-])ecr(?P<fips>-fips)?"
    r"\.(?P<region>[a-z0-9-]+)\.(?P<suffix>[a-z0-9.-]+)"
)
"""Dual-stack writes `dkr-ecr`."""


def has_registry(text: str) -> bool:
    """Whether a reference names the host of a registry, as Docker tells it from a folder."""
    first, _, rest = text.partition("/")
    return bool(rest) and ("." in first or ":" in first or first == "localhost")
