"""The hosts of ECR's registries, taken apart (ECR user guide, "Private registries")."""

from __future__ import annotations

import re

ECR_HOST = re.compile(
    r"(?P<account>[0-9]{12})\.dkr(?P<style>[.-])ecr(?P<fips>-fips)?"
    r"\.(?P<region>[a-z0-9-]+)\.(?P<suffix>[a-z0-9.-]+)"
)
"""Dual-stack writes `dkr-ecr`."""
