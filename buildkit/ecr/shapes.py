"""What ECR shows of logins and repositories -> frozen values, and the policies as documents.

A policy has parts of others, which are written back as they were found: it is kept as a document
whose parts that buildkit reads have been checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, cast

from buildkit.registry import shapes
from buildkit.support import decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    Document = Mapping[str, Any]

Arn = Annotated[str, decode.Form(re.compile(r"arn:[\w-]+:[!-~]+"), "is not an ARN")]


@dataclass(frozen=True, kw_only=True)
class Token:
    text: str = field(metadata=decode.key("authorizationToken"))


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The answer to GetAuthorizationToken."""

    tokens: tuple[Token, ...] = field(metadata=decode.key("authorizationData"))

    def __post_init__(self) -> None:
        if not self.tokens:
            raise ValueError(".authorizationData: an empty list")


@dataclass(frozen=True, kw_only=True)
class PublicToken:
    """The same of ECR Public, which has one registry."""

    token: Token = field(metadata=decode.key("authorizationData"))


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Tags that may move in a repository whose tags are immutable."""

    text: str = field(metadata=decode.key("filter"))


@dataclass(frozen=True, kw_only=True)
class Scanning:
    on_push: bool = field(default=False, metadata=decode.key("scanOnPush"))


@dataclass(frozen=True, kw_only=True)
class Encryption:
    kind: str = field(default="AES256", metadata=decode.key("encryptionType"))
    key: str | None = field(default=None, metadata=decode.key("kmsKey"))


@dataclass(frozen=True, kw_only=True)
class Description:
    """A repository in the answers to DescribeRepositories and CreateRepository."""

    name: str = field(metadata=decode.key("repositoryName"))
    arn: Arn = field(metadata=decode.key("repositoryArn"))
    mutability: str = field(metadata=decode.key("imageTagMutability"))
    filters: tuple[Filter, ...] | None = field(
        default=None, metadata=decode.key("imageTagMutabilityExclusionFilters")
    )
    scanning: Scanning | None = field(
        default=None, metadata=decode.key("imageScanningConfiguration")
    )
    encryption: Encryption | None = field(
        default=None, metadata=decode.key("encryptionConfiguration")
    )


@dataclass(frozen=True, kw_only=True)
class Repositories:
    """The answer to DescribeRepositories for one name."""

    repositories: tuple[Description, ...]

    def __post_init__(self) -> None:
        if len(self.repositories) != 1:
            raise ValueError(f".repositories: a list of {len(self.repositories)}, not of one")


@dataclass(frozen=True, kw_only=True)
class Created:
    """The answer to CreateRepository."""

    repository: Description


@dataclass(frozen=True, kw_only=True)
class Tag:
    key: str = field(metadata=decode.key("Key"))
    value: str = field(metadata=decode.key("Value"))


@dataclass(frozen=True, kw_only=True)
class Tags:
    """The answer to ListTagsForResource."""

    tags: tuple[Tag, ...]


@dataclass(frozen=True, kw_only=True)
class LifecycleText:
    """The answer to GetLifecyclePolicy."""

    text: str = field(metadata=decode.key("lifecyclePolicyText"))


@dataclass(frozen=True, kw_only=True)
class PolicyText:
    """The answer to GetRepositoryPolicy."""

    text: str = field(metadata=decode.key("policyText"))


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The images that a rule of a lifecycle is about."""

    status: str = field(metadata=decode.key("tagStatus"))
    prefixes: tuple[str, ...] | None = field(default=None, metadata=decode.key("tagPrefixList"))
    patterns: tuple[str, ...] | None = field(default=None, metadata=decode.key("tagPatternList"))


@dataclass(frozen=True, kw_only=True)
class Rule:
    priority: int = field(metadata=decode.key("rulePriority"))
    selection: Selection
    description: str | None = None


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Statement:
    sid: str | None = field(default=None, metadata=decode.key("Sid"))


@dataclass(frozen=True, kw_only=True)
class Policy:
    statements: tuple[Statement, ...] = field(default=(), metadata=decode.key("Statement"))


def lifecycle(text: str) -> Document | None:
    """A lifecycle policy, None for an empty text. Raises ValueError for another shape."""
    if not text:
        return None
    found = shapes.parsed(text.encode())
    decode.read(Lifecycle, found)
    return cast("Document", found)


def policy(text: str) -> Document | None:
    """A repository policy, None for an empty text. Raises ValueError for another shape.

    Its statements are a list, also if AWS has one that is not in a list.
    """
    if not text:
        return None
    found = shapes.parsed(text.encode())
    if isinstance(found, dict) and isinstance(found.get("Statement"), dict):
        found["Statement"] = [found["Statement"]]
    decode.read(Policy, found)
    return cast("Document", found)
