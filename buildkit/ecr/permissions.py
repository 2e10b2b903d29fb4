"""What the caller may do in ECR and KMS, found out without writing: for `buildkit doctor`.

IAM's simulation knows all actions. If the caller may not use that, actions that only read are
tried, with digests and tags that do not exist; those that write stay unchecked.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from buildkit.ecr import api, failures
from buildkit.ecr.failures import Trouble
from buildkit.ecr.places import Api
from buildkit.support.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from buildkit.config.schema import RepositoriesTable
    from buildkit.ecr.identity import Identity
    from buildkit.ecr.places import Place

    Action = tuple[str, str]

LOGIN, PUBLIC_LOGIN = "ecr:GetAuthorizationToken", "ecr-public:GetAuthorizationToken"
PULL = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
PUSH = (
    "ecr:DescribeRepositories",
    "ecr:BatchCheckLayerAvailability",
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:CompleteLayerUpload",
    "ecr:PutImage",
    "ecr:ListImages",
    *PULL,
)
READ = ("ecr:DescribeRepositories", "ecr:BatchCheckLayerAvailability", "ecr:ListImages")
"""Actions of a push that only read, besides those of a pull."""
CREATE = ("ecr:CreateRepository", "ecr:TagResource")
LIFECYCLE, POLICY = "ecr:PutLifecyclePolicy", "ecr:SetRepositoryPolicy"
KEY = ("kms:DescribeKey", "kms:CreateGrant")
NO_DIGEST = f"sha256:{'0' * 64}"
NO_TAG = "buildkit-doctor"
MOUNTING = "BLOB_MOUNTING"
MOST = 4
"""Repositories of a registry that are checked: policies mostly name a prefix for all of them."""
SIMULATE = "iam:SimulatePrincipalPolicy"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be done with repositories of one ECR registry: `pushed` to, `pulled` from."""

    place: Place
    pushed: tuple[str, ...] = ()
    pulled: tuple[str, ...] = ()
    table: RepositoriesTable | None = None

    @property
    def named(self) -> tuple[str, ...]:
        return (*self.pushed[:MOST], *self.pulled[:MOST])

    def arn(self, partition: str, repository: str) -> str:
        region = self.place.region or "*"  # a registry on this machine may have none
        return f"arn:{partition}:ecr:{region}:{self.place.account}:repository/{repository}"


@dataclass(frozen=True, kw_only=True)
class Permissions:
    """What the caller may not do, with the resource of each action.

    `unchecked` are actions that only a write would show, because the caller may not simulate, or
    (`simulated`) because the simulation does not know all that a real call has. `absent` are
    repositories that do not exist. `key` says what is wrong with the KMS key. `why` is the error
    of a registry that could not be asked. `mounts`: layers can be mounted from other repositories;
    None: unknown.
    """

    asked: Asked
    missing: tuple[Action, ...] = ()
    unchecked: tuple[Action, ...] = ()
    absent: tuple[str, ...] = ()
    key: str = ""
    mounts: bool | None = None
    simulated: bool = False
    trouble: Trouble | None = None
    why: str = ""
    hint: str = ""


class _AbsentError(Exception):
    """The repository or the key does not exist."""


@dataclass(kw_only=True)
class _Probe:
    """Calls that read, and what they show."""

    client: Any
    allowed: set[Action] = field(default_factory=set)
    missing: list[Action] = field(default_factory=list)

    def may(self, action: str, resource: str, call: Callable[..., Any], **values: Any) -> Any:
        """The answer; None if the caller may not ask, or what was asked for does not exist.

        Raises ToolError for an error of the network.
        """
        try:
            with failures.translated(f"trying `{action}`"):
                answer = call(**values)
        except _AbsentError:
            self.allowed.add((action, resource))
            raise
        except ToolError as error:
            kind = failures.trouble(error)
            if kind is Trouble.DENIED:
                self.missing.append((action, resource))
            elif kind is not Trouble.OTHER:
                raise
            else:
                self.allowed.add((action, resource))
            return None
        self.allowed.add((action, resource))
        return answer


def look(asked: Asked, identity: Identity) -> Permissions:
    place = replace(asked.place, account=asked.place.account or identity.account)
    try:
        return _look(replace(asked, place=place), identity)
    except ToolError as error:
        kind = failures.trouble(error)
        return Permissions(asked=asked, trouble=kind, why=error.message, hint=error.hint or "")


def _look(asked: Asked, identity: Identity) -> Permissions:
    if asked.place.api is Api.ECR_PUBLIC:
        public = _Probe(client=api.quick(asked.place, "ecr-public"))
        public.may(PUBLIC_LOGIN, "*", public.client.get_authorization_token)
        return Permissions(asked=asked, missing=tuple(public.missing))
    probe = _Probe(client=api.quick(asked.place, "ecr"))
    probe.may(LOGIN, "*", probe.client.get_authorization_token)
    absent = _absent(probe, asked, identity)
    arn, trouble = _key(asked, identity, probe) if asked.table and absent else ("", "")
    wanted = dict.fromkeys(_wanted(asked, identity, absent, arn))
    simulated = _simulated(asked, identity, [*wanted])
    if simulated is None or simulated:
        _read(probe, asked, identity, absent)
    denied: list[Action] = []
    if simulated is None:
        tried = {LOGIN, *PULL, *READ, KEY[0]}
        unchecked = tuple(each for each in wanted if each[0] not in tried)
    else:
        real = {*probe.allowed, *probe.missing}
        denied = [each for each, sure in simulated.items() if sure and each not in real]
        unchecked = tuple(each for each, sure in simulated.items() if not sure and each not in real)
    missing = dict.fromkeys((*probe.missing, *denied))
    answer = probe.client.get_account_setting if len(asked.pushed) > 1 else None
    return Permissions(
        asked=asked,
        missing=tuple(missing),
        unchecked=unchecked,
        absent=absent,
        key=trouble,
        simulated=simulated is not None,
        mounts=None if answer is None else _mounts(answer),
    )


def _absent(probe: _Probe, asked: Asked, identity: Identity) -> tuple[str, ...]:
    """The repositories that do not exist, as far as the caller may know."""
    found = []
    client = probe.client
    for name in asked.pushed[:MOST]:
        try:
            probe.may(
                READ[0],
                asked.arn(identity.partition, name),
                _unless(
                    client.exceptions.RepositoryNotFoundException, client.describe_repositories
                ),
                repositoryNames=[name],
                registryId=asked.place.account,
            )
        except _AbsentError:
            found.append(name)
    return tuple(found)


def _unless(absent: type[Exception], call: Callable[..., Any]) -> Callable[..., Any]:
    def called(**values: Any) -> Any:
        try:
            return call(**values)
        except absent as error:
            raise _AbsentError from error

    return called


def _wanted(
    asked: Asked, identity: Identity, absent: Sequence[str], key: str
) -> Iterator[tuple[str, str]]:
    """Each action with its resource; those for creating only if a repository is missing."""
    yield LOGIN, "*"
    table = asked.table
    for name in asked.pushed[:MOST]:
        on = asked.arn(identity.partition, name)
        yield from ((action, on) for action in PUSH)
        if name in absent and table is not None:
            yield from ((action, on) for action in CREATE)
            if table.untagged_days or table.cache_days:
                yield LIFECYCLE, on
            if table.pull_accounts or table.pull_roles or table.pull_sagemaker:
                yield POLICY, on
    if key:
        yield from ((action, key) for action in KEY)
    for name in asked.pulled[:MOST]:
        yield from ((action, asked.arn(identity.partition, name)) for action in PULL)


def _key(asked: Asked, identity: Identity, probe: _Probe) -> tuple[str, str]:
    """The ARN of the KMS key for new repositories, and what is wrong with it."""
    key = None if asked.table is None else asked.table.kms_key
    if key is None:
        return "", ""
    region, account = asked.place.region, asked.place.account
    arn = (
        key if key.startswith("arn:") else f"arn:{identity.partition}:kms:{region}:{account}:{key}"
    )
    client = api.quick(asked.place, "kms")
    before = len(probe.missing)
    try:
        call = _unless(client.exceptions.NotFoundException, client.describe_key)
        answer = probe.may(KEY[0], arn, call, KeyId=key)
    except _AbsentError:
        return "", f"KMS has no key `{key}` in {region}"
    if answer is None:
        return arn, "" if len(probe.missing) > before else f"the KMS key `{key}` cannot be used"
    facts = answer["KeyMetadata"]
    state = facts.get("KeyState", "Enabled")
    return facts.get("Arn", arn), "" if state == "Enabled" else f"the KMS key `{key}` is {state}"


def _simulated(
    asked: Asked, identity: Identity, wanted: Sequence[Action]
) -> dict[Action, bool] | None:
    """The actions that IAM would not allow, and whether that is sure; None: may not simulate.

    The simulation lacks what conditions ask for, such as the region or the VPC of a call, and the
    policy of a KMS key, which alone may allow its use.
    """
    if identity.arn.endswith(":root"):
        return {}
    by_resource: dict[str, list[str]] = {}
    for action, resource in wanted:
        by_resource.setdefault(resource, []).append(action)
    client = api.quick(asked.place, "iam")
    denied: dict[Action, bool] = {}
    source = _principal(client, identity)
    for resource, actions in by_resource.items():
        try:
            with failures.translated(f"trying `{SIMULATE}`"):
                pages = client.get_paginator("simulate_principal_policy").paginate(
                    PolicySourceArn=source, ActionNames=actions, ResourceArns=[resource]
                )
                results = [each for page in pages for each in page["EvaluationResults"]]
        except ToolError:
            return None
        for each in results:
            if each["EvalDecision"] != "allowed":
                action = str(each["EvalActionName"])
                sure = not each.get("MissingContextValues") and action not in KEY
                denied[action, resource] = sure
    return denied


def _principal(client: Any, identity: Identity) -> str:
    """The user or role of the caller. The ARN of a session lacks the path of its role."""
    prefix, colon, name = identity.arn.partition(":assumed-role/")
    if not colon:
        return identity.arn
    role = name.partition("/")[0]
    try:
        with failures.translated("reading the role"):
            return str(client.get_role(RoleName=role)["Role"]["Arn"])
    except ToolError:
        return f"{prefix.replace(':sts:', ':iam:')}:role/{role}"


def _read(probe: _Probe, asked: Asked, identity: Identity, absent: Sequence[str]) -> None:
    """Try what only reads. ECR checks permissions before it looks for the repository."""
    client = probe.client
    layers: Mapping[str, Any] = {"layerDigests": [NO_DIGEST]}
    for name in asked.named:
        on = asked.arn(identity.partition, name)
        where = {"repositoryName": name, "registryId": asked.place.account}
        tag = {"imageIds": [{"imageTag": NO_TAG}]}
        probe.may(PULL[0], on, client.batch_get_image, **where, **tag)
        probe.may(PULL[1], on, client.get_download_url_for_layer, **where, layerDigest=NO_DIGEST)
        if name in asked.pushed and name not in absent:
            probe.may(READ[1], on, client.batch_check_layer_availability, **where, **layers)
            probe.may(READ[2], on, client.list_images, **where, maxResults=1)


def _mounts(ask: Callable[..., Any]) -> bool | None:
    try:
        with failures.translated("reading the account's settings"):
            return bool(ask(name=MOUNTING)["value"] == "ENABLED")
    except ToolError:
        return None
