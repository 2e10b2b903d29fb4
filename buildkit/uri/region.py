"""The region of the environment: variables, then the AWS files of the user, as AWS's tools do.

This module reads the files itself: botocore knows more ways, but loads longer than a lookup takes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from buildkit.support.errors import UsageError
from buildkit.support.suggest import shown
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Profiles = Mapping[str, str]  # profile -> its region, which may be empty

VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
PROFILES = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
"""In the order in which botocore looks (`botocore.configprovider`)."""
DEFAULT = "default"
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

    def path(variable: str, default: str) -> str:
        return os.path.expanduser(environment.get(variable) or default)  # noqa: PTH111 - pathlib takes long to load

    profile = next((environment[each] for each in PROFILES if environment.get(each)), DEFAULT)
    credentials = path("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
    config = path("AWS_CONFIG_FILE", "~/.aws/config")
    found = {  # what the credentials say overrides the configuration (`botocore.session`)
        credentials: _profiles(credentials, lambda section: section),
        config: _profiles(config, _profile),
    }
    for file, profiles in found.items():
        if region := (profiles or {}).get(profile):
            return Region(region, f"the profile `{shown(profile)}` of {file}")
    raise _unset(found, profile, config)


def _unset(found: Mapping[str, Profiles | None], profile: str, config: str) -> UsageError:
    """The error without a region: it names the file that lacks it, and what the file lacks."""
    hint = "`--region eu-west-1`, or set AWS_REGION"
    broken = [shown(file) for file, profiles in found.items() if profiles is None]
    if broken:
        lack = f"the AWS configuration file {broken[0]} cannot be read"
        hint = f"{hint}, or fix that file: UTF-8, `[…]`, then lines with `=`; no name twice"
    elif profile != DEFAULT and not any(profile in (each or ()) for each in found.values()):
        lack = f"the profile `{shown(profile)}` does not exist in {shown(config)}"
        hint = f"`aws configure list-profiles` lists the profiles; {hint}"
    else:
        lack = f"the profile `{shown(profile)}` of {shown(config)} names no region"
        hint = f"{hint}, or `aws configure set region eu-west-1`"
    return UsageError(
        "no region is set, and AWS's URIs differ by region: --region and AWS_REGION are missing, "
        f"and {lack}",
        hint=hint,
    )


def _profiles(file: str, of_section: Callable[[str], str | None]) -> Profiles | None:
    """The profiles with their regions; None if the file cannot be read. A missing file has none."""
    import configparser  # noqa: PLC0415 - only where no variable says it

    if file == os.devnull or not os.path.lexists(file):
        return {}
    if not os.path.isfile(file):  # noqa: PTH113 - pathlib takes long to load
        return None  # a device or a pipe, which may have no end
    parser = configparser.RawConfigParser(default_section="")
    try:
        text = reading.content(file, LARGEST)
    except OSError:
        return None
    except ValueError as error:
        raise UsageError(
            f"the AWS configuration file {shown(file)} is larger than {LARGEST >> 20} MiB and was "
            "not read",
            hint="`--region eu-west-1`, or correct AWS_CONFIG_FILE",
        ) from error
    try:
        parser.read_string(text.decode())
    except (configparser.Error, UnicodeDecodeError):
        return None
    found: dict[str, str] = {}
    for section in parser.sections():
        if (name := of_section(section)) is not None:
            found[name] = found.get(name) or parser.get(section, "region", fallback="").strip()
    return found


def _profile(section: str) -> str | None:
    """The profile of a section of the configuration; None for any other section."""
    import shlex  # noqa: PLC0415 - only where no variable says it

    try:
        *kind, name = shlex.split(section) or [""]
    except ValueError:
        return None
    return name if kind == ["profile"] or section == DEFAULT else None
