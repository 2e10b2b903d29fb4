"""The drift between the settings of a repository, as ECR shows it, and the wanted ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from buildkit.config.values import OWNER
from buildkit.ecr import policies
from buildkit.support.amounts import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from buildkit.ecr.shapes import Document
    from buildkit.ecr.wanted import Wanted


class Aspect(str, Enum):
    """A setting of a repository. `ENCRYPTION` cannot change after the creation."""

    MUTABILITY = "tag immutability"
    SCAN = "scan on push"
    ENCRYPTION = "encryption"
    LIFECYCLE = "lifecycle"
    POLICY = "pull policy"
    TAGS = "tags"


@dataclass(frozen=True, kw_only=True)
class Found:
    """A repository as ECR shows it. `lifecycle` and `policy` are None if it has none."""

    arn: str
    mutability: str
    filters: tuple[str, ...]
    scan_on_push: bool
    encryption: str
    kms_key: str | None
    tags: tuple[tuple[str, str], ...]
    lifecycle: Document | None = None
    policy: Document | None = None

    @property
    def ours(self) -> bool:
        return OWNER in self.tags

    @property
    def partition(self) -> str:
        return self.arn.split(":")[1]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference, as text for people."""

    aspect: Aspect
    before: str
    after: str

    @property
    def fixable(self) -> bool:
        return self.aspect is not Aspect.ENCRYPTION

    def __str__(self) -> str:
        end = "" if self.fixable else " (cannot be changed: recreate the repository)"
        return f"{self.aspect.value}: {self.before} -> {self.after}{end}"


def drift(wanted: Wanted, found: Found) -> tuple[Change, ...]:
    """What has to change. What others added to the repository does not count."""
    table, have = wanted.table, dict(found.tags)
    rules = policies.own_rules(found.lifecycle), policies.rules(table, found.lifecycle)
    pulls = policies.own_statements(found.policy), policies.statements(table, found.partition)
    lacking = [(key, value) for key, value in wanted.tags if have.get(key) != value]
    rows = (
        (Aspect.MUTABILITY, _moving(found) != _moving(wanted), _moving(found), _moving(wanted)),
        (
            Aspect.SCAN,
            found.scan_on_push != table.scan_on_push,
            _switch(found.scan_on_push),
            _switch(table.scan_on_push),
        ),
        (
            Aspect.ENCRYPTION,
            found.encryption != table.encryption or not _is_key(table.kms_key, found.kms_key),
            _encryption(found.encryption, found.kms_key),
            _encryption(table.encryption, table.kms_key),
        ),
        (Aspect.LIFECYCLE, _differ(*rules), _brief(rules[0]), _brief(rules[1])),
        (Aspect.POLICY, _differ(*pulls), _brief(pulls[0]), _brief(pulls[1])),
        (
            Aspect.TAGS,
            bool(lacking),
            _words(f"{key}={have[key]}" for key, _ in lacking if key in have),
            _words(f"{key}={value}" for key, value in lacking),
        ),
    )
    return tuple(
        Change(aspect=aspect, before=before, after=after)
        for aspect, differs, before, after in rows
        if differs
    )


def _differ(before: Sequence[Document], after: Sequence[Document]) -> bool:
    return bool(policies.plain(before) != policies.plain(after))


def _brief(documents: Sequence[Document]) -> str:
    return _words(map(_part, documents))


def _is_key(wanted: str | None, found: str | None) -> bool:
    """Whether the key is the wanted one; True where that cannot be known.

    ECR shows the ARN of a key, and only KMS knows which key an alias names.
    """
    if wanted is None or found is None or "alias/" in wanted:
        return True
    return found.rpartition("/")[2] == wanted.rpartition("/")[2]


def _moving(found: Wanted | Found) -> str:
    filters = f" ({', '.join(sorted(found.filters))})" if found.filters else ""
    return f"{found.mutability}{filters}"


def _switch(on: bool) -> str:  # noqa: FBT001 - a word for a boolean
    return "on" if on else "off"


def _encryption(kind: str, key: str | None) -> str:
    return f"{kind} ({key})" if key else kind


def _part(document: Document) -> str:
    """A rule or a statement of ours in short; as JSON if it was edited."""
    match policies.plain(document):
        case {"selection": {"countNumber": number, "countUnit": "days", "tagPrefixList": prefix}}:
            return f"{prefix}* after {count(number, 'day')}"
        case {"selection": {"countNumber": number, "countUnit": "days", "tagStatus": status}}:
            return f"{status} after {count(number, 'day')}"
        case {"Effect": "Allow", "Principal": {"AWS": who}, "Action": actions} | {
            "Effect": "Allow", "Principal": {"Service": who}, "Action": actions
        } if actions == list(policies.PULL):  # fmt: skip
            return who if isinstance(who, str) else ", ".join(who)
        case other:
            return json.dumps(other)


def _words(parts: Iterable[str]) -> str:
    return ", ".join(parts) or "none"
