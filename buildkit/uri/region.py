"""The region of the environment: variables, then the AWS configuration file, as AWS's tools do.

This module reads the file itself: botocore knows more ways, but loads longer than a lookup takes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from buildkit.support.errors import UsageError
from buildkit.support.suggest import shown
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
PROFILES = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
"""In the order in which botocore looks (`botocore.configprovider`)."""
FILE = "~/.aws/config"
LARGEST = 2**20
"""Bytes of a configuration file. A file with thousands of profiles is smaller."""


class Region(NamedTuple):
    """A region, and where it comes from."""

    name: str
    by: str


def of(environment: Mapping[str, str]) -> Region:
    """Raises UsageError if nothing names one."""
    for name in VARIABLES:
        if region := environment.get(name):
            return Region(region, name)
    profile = next((environment[each] for each in PROFILES if environment.get(each)), "default")
    file = os.path.expanduser(environment.get("AWS_CONFIG_FILE") or FILE)  # noqa: PTH111 - pathlib takes long to load
    if region := _of_profile(file, profile):
        return Region(region, f"the profile `{shown(profile)}` of {file}")
    raise UsageError(
        "no region is set, and AWS's URIs differ by region: neither --region, nor AWS_REGION, nor "
        f"the profile `{shown(profile)}` of {file} names one",
        hint="`--region eu-west-1`, or set AWS_REGION, or `aws configure set region eu-west-1`",
    )


def _text(file: str) -> str:
    """Raises OSError unless it is a regular file, UsageError for a file that is too large.

    A device or a pipe may have no end; /dev/null stands for no file.
    """
    if not os.path.isfile(file):  # noqa: PTH113 - pathlib takes long to load
        raise OSError(f"{file} is not a regular file")
    try:
        found = reading.content(file, LARGEST)
    except ValueError as error:
        raise UsageError(
            f"the AWS configuration file {shown(file)} is larger than {LARGEST >> 20} MiB and was "
            "not read",
            hint="`--region eu-west-1`, or correct AWS_CONFIG_FILE",
        ) from error
    return found.decode("utf-8")


def _of_profile(file: str, profile: str) -> str | None:
    """None for a missing or unreadable file: AWS's own tools explain what is wrong with it."""
    import configparser  # noqa: PLC0415 - only where no variable says it
    import shlex  # noqa: PLC0415

    parser = configparser.RawConfigParser(default_section="")
    try:
        parser.read_string(_text(file))
    except (configparser.Error, OSError, UnicodeDecodeError):
        return None
    for section in parser.sections():
        try:
            words = shlex.split(section)
        except ValueError:
            continue
        if words in (["profile", profile], [profile] if profile == "default" else []):
            found = parser.get(section, "region", fallback="").strip()
            if found:
                return found
    return None
