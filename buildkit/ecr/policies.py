"""The lifecycle and the policy of a repository: the parts that are ours.

Rules and statements of others are not changed. ECR's rules for a lifecycle are in its user guide,
"Lifecycle policy evaluation rules". What SageMaker needs to pull:
https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipeline-troubleshoot.html
and "CreateModel API: Execution Role Permissions" in sagemaker-roles.html beside it.
"""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

from buildkit.ecr.shapes import Selection
from buildkit.model.tag_filters import CACHE
from buildkit.support import decode
from buildkit.support.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from buildkit.config.schema import RepositoriesTable
    from buildkit.ecr.shapes import Document

PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
RULE = "buildkit: "
"""The prefix of the descriptions of our rules."""
STATEMENT = "BuildkitPull"
"""The prefix of the Sids of our statements."""
LONGEST_LIFECYCLE, LONGEST_POLICY = 30720, 10240


def allowing(missing: Iterable[tuple[str, str]]) -> Document:
    """A policy of an identity that allows these actions, each with its resource."""
    resources: dict[str, list[str]] = {}
    for action, resource in missing:
        resources.setdefault(action, []).append(resource)
    actions: dict[tuple[str, ...], list[str]] = {}
    for action, on in resources.items():
        actions.setdefault(tuple(dict.fromkeys(on)), []).append(action)
    statements = [
        {"Effect": "Allow", "Action": what, "Resource": on[0] if len(on) == 1 else [*on]}
        for on, what in actions.items()
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def rules(table: RepositoriesTable, lifecycle: Document | None) -> tuple[Document, ...]:
    """Our rules for a lifecycle, without priorities.

    Only untagged images and caches expire: a tag that may be in use never does. ECR allows one
    rule per selection of images: if others have one for the same images, ours is left out.
    """
    days = (
        ({"tagStatus": "untagged"}, "untagged images", table.untagged_days),
        ({"tagStatus": "tagged", "tagPrefixList": [CACHE]}, f"{CACHE}*", table.cache_days),
    )
    taken = [_selected(rule) for rule in _others(lifecycle)]
    return tuple(
        {
            "description": f"{RULE}{what} expire after {number} days",
            "selection": {
                **images,
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": number,
            },
            "action": {"type": "expire"},
        }
        for images, what, number in days
        if number and images not in taken
    )


def own_rules(lifecycle: Document | None) -> tuple[Document, ...]:
    """Our rules in a lifecycle, in the order of their priorities, without these."""
    ours = [rule for rule in _rules(lifecycle) if _is_ours(rule)]
    ordered = sorted(ours, key=lambda rule: int(rule["rulePriority"]))
    return tuple(
        {key: value for key, value in rule.items() if key != "rulePriority"} for rule in ordered
    )


def lifecycle_with(lifecycle: Document | None, ours: Sequence[Document]) -> str | None:
    """The text of a lifecycle with these rules and those of others; None if there are none.

    Ours take free priorities. A rule for `any` image must be the last one, so it moves to the end.
    """
    others = [dict(rule) for rule in _others(lifecycle)]
    free = (n for n in count(1) if n not in {rule["rulePriority"] for rule in others})
    every = [*others, *({"rulePriority": next(free), **rule} for rule in ours)]
    last = max((rule["rulePriority"] for rule in every), default=0)
    for rule in others:
        if rule["selection"]["tagStatus"] == "any" and rule["rulePriority"] < last:
            rule["rulePriority"] = last + 1
    ordered = sorted(every, key=lambda rule: int(rule["rulePriority"]))
    return _text({"rules": ordered}, LONGEST_LIFECYCLE, "lifecycle") if ordered else None


def statements(table: RepositoriesTable, partition: str) -> tuple[Document, ...]:
    """Our statements: who may pull, besides the repository's own account.

    Roles of other partitions are left out: ECR accepts no principals from there.
    """
    accounts = [f"arn:{partition}:iam::{account}:root" for account in table.pull_accounts]
    roles = [role for role in table.pull_roles if role.split(":")[1] == partition]
    principals: dict[str, dict[str, str | list[str]]] = {}
    if accounts:
        principals["Accounts"] = {"AWS": sorted(accounts)}
    if roles:
        principals["Roles"] = {"AWS": sorted(roles)}
    if table.pull_sagemaker:
        principals["SageMaker"] = {"Service": "sagemaker.amazonaws.com"}
    return tuple(
        {
            "Sid": f"{STATEMENT}{who}",
            "Effect": "Allow",
            "Principal": principal,
            "Action": list(PULL),
        }
        for who, principal in principals.items()
    )


def own_statements(policy: Document | None) -> tuple[Document, ...]:
    return tuple(each for each in _statements(policy) if _is_pull(each))


def policy_with(policy: Document | None, ours: Sequence[Document]) -> str | None:
    """The text of a policy with these statements and those of others; None if there are none."""
    every = [*(each for each in _statements(policy) if not _is_pull(each)), *ours]
    around = policy or {"Version": "2012-10-17"}
    return _text({**around, "Statement": every}, LONGEST_POLICY, "policy") if every else None


def plain(value: Any) -> Any:
    """A normal form: lists are sorted, and a list of one value is that value."""
    match value:
        case dict():
            return {key: plain(each) for key, each in sorted(value.items())}
        case list() | tuple():
            found = sorted(map(plain, value), key=json.dumps)
            return found[0] if len(found) == 1 else found
        case _:
            return value


def _rules(lifecycle: Document | None) -> list[Document]:
    return list((lifecycle or {}).get("rules", ()))


def _others(lifecycle: Document | None) -> list[Document]:
    return [rule for rule in _rules(lifecycle) if not _is_ours(rule)]


def _is_ours(rule: Document) -> bool:
    return str(rule.get("description", "")).startswith(RULE)


def _selected(rule: Document) -> dict[str, Any]:
    """The selection of a rule, in the form of ours."""
    selection = decode.read(Selection, rule["selection"])
    patterns = [each.removesuffix("*") for each in selection.patterns or ()]
    prefixes = [*(selection.prefixes or ()), *patterns]
    return {
        "tagStatus": selection.status,
        **({"tagPrefixList": prefixes} if prefixes else {}),
    }


def _statements(policy: Document | None) -> list[Document]:
    return list((policy or {}).get("Statement", ()))


def _is_pull(statement: Document) -> bool:
    return str(statement.get("Sid", "")).startswith(STATEMENT)


def _text(document: Document, longest: int, what: str) -> str:
    text = json.dumps(document)
    if len(text) > longest:
        raise ToolError(
            f"the {what} would have {len(text)} characters, ECR's limit is {longest}",
            hint="allow accounts instead of their roles, or remove what others have added",
        )
    return text
