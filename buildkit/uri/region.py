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
DEFAULT = "default"
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
    profile = next((environment[each] for each in PROFILES if environment.get(each)), DEFAULT)
    file = os.path.expanduser(environment.get("AWS_CONFIG_FILE") or FILE)  # noqa: PTH111 - pathlib takes long to load
    profiles = _profiles(file)
    if region := (profiles or {}).get(profile):
        return Region(region, f"the profile `{shown(profile)}` of {file}")
    raise _unset(profiles, profile, file)


def _unset(profiles: Mapping[str, str] | None, profile: str, file: str) -> UsageError:
    """The error without a region: it names the source that was read last, and what it lacks."""
    hint = "`--region eu-west-1`, or set AWS_REGION"
    if profiles is None:
        found = f"the AWS configuration file {shown(file)} cannot be read"
    elif profile not in (DEFAULT, *profiles):
        found = f"the profile `{shown(profile)}` does not exist in {shown(file)}"
        hint = f"`aws configure list-profiles` lists the profiles; {hint}"
    else:
        found = f"the profile `{shown(profile)}` of {shown(file)} names no region"
        hint = f"{hint}, or `aws configure set region eu-west-1`"
    return UsageError(
        "no region is set, and AWS's URIs differ by region: --region and AWS_REGION are missing, "
        f"and {found}",
        hint=hint,
    )


def _text(file: str) -> str:
    """Raises OSError unless it is a regular file, UsageError for a file that is too large.

    A device or a pipe may have no end.
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


def _profiles(file: str) -> Mapping[str, str] | None:
    """The profiles with their regions, empty for none; None if the file cannot be read.

    A missing file has no profiles.
    """
    import configparser  # noqa: PLC0415 - only where no variable says it
    import shlex  # noqa: PLC0415

    if file == os.devnull or not os.path.lexists(file):
        return {}
    parser = configparser.RawConfigParser(default_section="")
    try:
        parser.read_string(_text(file))
    except (configparser.Error, OSError, UnicodeDecodeError):
        return None
    found: dict[str, str] = {}
    for section in parser.sections():
        try:
            words = shlex.split(section)
        except ValueError:
            continue
        if words and words in ([DEFAULT], ["profile", words[-1]]):
            region = parser.get(section, "region", fallback="").strip()
            found[words[-1]] = found.get(words[-1]) or region
    return found
