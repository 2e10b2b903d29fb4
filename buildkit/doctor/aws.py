"""AWS credentials, permissions and settings of ECR: facts -> findings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from buildkit.doctor.finding import fix_of, ok, problem, warning
from buildkit.doctor.machine import set_clock
from buildkit.ecr import policies
from buildkit.ecr.failures import Trouble
from buildkit.ecr.permissions import SIMULATE
from buildkit.ecr.places import Api
from buildkit.support.amounts import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.doctor.facts import Facts
    from buildkit.doctor.finding import Finding
    from buildkit.ecr.identity import Identity
    from buildkit.ecr.permissions import Permissions

NETWORK = (
    "check the network, HTTPS_PROXY and AWS_ENDPOINT_URL; for a proxy with its own certificates, "
    "set AWS_CA_BUNDLE"
)
SHOWN = "check what `aws configure list{}` shows"
NAMES = {
    Trouble.NONE: "aws-credentials",
    Trouble.PROFILE: "aws-profile",
    Trouble.EXPIRED: "aws-expired",
    Trouble.UNKNOWN: "aws-unknown",
    Trouble.CLOCK: "aws-clock",
    Trouble.DENIED: "aws-configuration",
    Trouble.NETWORK: "aws-network",
    Trouble.OTHER: "aws-configuration",
}


def identities(facts: Facts) -> Iterator[Finding]:
    for profile, found in facts.aws.identities.items():
        if found is not None and found.trouble is None:
            named = f" (profile `{profile}`)" if profile else ""
            yield ok("aws", f"AWS takes the credentials{named} for {found.arn}")
            continue
        name, said, fix = _trouble(profile, found, facts)
        if facts.images.needs_aws:
            yield problem(name, said, fix)
        else:
            yield warning(name, f"{said}; only registries of ECR need AWS", fix)


def _trouble(profile: str | None, found: Identity | None, facts: Facts) -> tuple[str, str, str]:
    """The name, what was found, and the fix."""
    if found is None or found.trouble is None:
        return "aws-network", f"AWS did not answer within {facts.seconds:.0f} s", NETWORK
    option = f" --profile {profile}" if profile else ""
    fix = {
        Trouble.PROFILE: "choose a profile that `aws configure list-profiles` shows: "
        + ("`profile` in images.toml" if profile else "`export AWS_PROFILE=NAME`, or unset it"),
        Trouble.EXPIRED: f"log in again: `aws sso login{option}`; unset AWS_SESSION_TOKEN and the "
        "keys beside it if they are old",
        Trouble.UNKNOWN: "check the keys: `aws configure list` shows where they come from; each "
        "partition of AWS has its own",
        Trouble.CLOCK: set_clock(facts),
        Trouble.NETWORK: NETWORK,
    }.get(found.trouble) or fix_of(found.hint, SHOWN.format(option))
    return NAMES[found.trouble], found.why, fix


def permissions(facts: Facts) -> Iterator[Finding]:
    for host, found in facts.aws.permissions.items():
        if found is None:
            said = f"ECR at {host} did not answer within {facts.seconds:.0f} s"
            yield problem("aws-network", said, NETWORK)
        else:
            yield from _of_registry(host, found, facts)


def _of_registry(host: str, found: Permissions, facts: Facts) -> Iterator[Finding]:
    place = found.asked.place
    identity = facts.aws.identities.get(place.profile)
    if found.trouble is not None:
        name = NAMES[found.trouble]
        fix = NETWORK if name == "aws-network" else fix_of(found.hint, SHOWN.format(""))
        yield problem(name, f"{host}: {found.why}", fix)
        return
    foreign = identity is not None and place.account not in (None, identity.account)
    if identity is not None and foreign and found.asked.pushed:
        yield warning(
            "aws-account",
            f"{host} belongs to the account {place.account}, the credentials to {identity.account}",
            "if that is not meant, fix `account` in images.toml or choose another profile; else "
            "the repositories' policies must allow this account",
        )
    if found.missing:
        actions = [*dict.fromkeys(action for action, _ in found.missing)]
        yield problem(
            "aws-permissions",
            f"{host}: AWS does not allow {', '.join(f'`{each}`' for each in actions)}",
            f"attach this policy to {_who(identity)}:",
            details=json.dumps(policies.allowing(found.missing), indent=2),
        )
    if found.unchecked:
        actions = [*dict.fromkeys(action for action, _ in found.unchecked)]
        yield warning(
            "aws-unchecked",
            f"{host}: {count(len(actions), 'action')} could not be checked without writing: "
            f"{', '.join(actions)}",
            _compare(identity, simulated=found.simulated),
            details=json.dumps(policies.allowing(found.unchecked), indent=2),
        )
    if not found.missing and not found.unchecked and place.api is Api.ECR:
        yield ok("aws-permissions", f"AWS allows all actions that are needed in {host}")
    yield from _settings(host, found)


def _compare(identity: Identity | None, *, simulated: bool) -> str:
    who = _who(identity)
    if simulated:
        return f"compare the policies of {who}, and of the KMS key, with this one:"
    return (
        f"allow {who} `{SIMULATE}` (and `iam:GetRole`) to have them checked, or compare its "
        "policies with this one:"
    )


def _who(identity: Identity | None) -> str:
    if identity is None or not identity.arn:
        return "your user or role"
    parts = identity.arn.rpartition(":")[2].split("/")
    role = parts[0] == "assumed-role"
    return f"the role `{parts[1]}`" if role else f"the {parts[0]} `{parts[-1]}`"


def _settings(host: str, found: Permissions) -> Iterator[Finding]:
    if found.key:
        yield problem(
            "aws-key",
            f"{host}: {found.key}, and new repositories are encrypted with it",
            "enable the key in KMS, or fix `kms-key` in `[registry.repositories]` of images.toml",
        )
    if found.absent:
        yield ok(
            "ecr-repositories",
            f"{host}: the first push creates {', '.join(f'`{each}`' for each in found.absent)}",
        )
    if found.mounts is False:
        place = found.asked.place
        option = f" --profile {place.profile}" if place.profile else ""
        yield warning(
            "ecr-mounting",
            f"{host}: layers that repositories share are uploaded to each of them",
            "let ECR share layers: `aws ecr put-account-setting --name BLOB_MOUNTING --value "
            f"ENABLED --region {place.region}{option}`",
        )
