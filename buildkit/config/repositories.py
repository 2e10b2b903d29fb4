"""The shape of `[registry.repositories]`: the settings of ECR repositories.

The limits are those of ECR: CreateRepository, and "Tagging a private repository" in its user guide.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator

from buildkit.config.fields import STRICT, Distinct, Line
from buildkit.model import names
from buildkit.support.addresses import quoted

OWNER = ("managed-by", "buildkit")
"""The tag of repositories that buildkit created or adopted."""
MOST_TAGS = 50
LONGEST_KEY, LONGEST_VALUE = 128, 256
TAG_TEXT = re.compile(r"[\w .:/=+@-]*")
ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,576}")
KMS_KEY = re.compile(
    r"(?:arn:aws[a-z-]*:kms:(?P<region>[a-z0-9-]+):[0-9]{12}:)?"
    r"(?:alias/[A-Za-z0-9/_-]{1,250}|(?:key/)?[0-9a-f-]{36}|(?:key/)?mrk-[0-9a-f]{32})"
)


def _account(text: str) -> str:
    return names.full(names.ACCOUNT, "an AWS account of 12 digits", text)


def _role(text: str) -> str:
    return names.full(ROLE, "the ARN of a role (`arn:aws:iam::<account>:role/<name>`)", text)


def _kms_key(text: str) -> str:
    return names.full(KMS_KEY, "a KMS key (`alias/<name>`, a key id or an ARN)", text)


def _tags(tags: dict[str, str]) -> dict[str, str]:
    for key, value in tags.items():
        if key == OWNER[0]:
            raise ValueError(f"the tag `{key}` is reserved for buildkit")
        if not 1 <= len(key) <= LONGEST_KEY or len(value) > LONGEST_VALUE:
            raise ValueError(
                f"the tag {quoted(key)} has a wrong length: a key has 1 to {LONGEST_KEY} "
                f"characters, a value up to {LONGEST_VALUE}"
            )
        if key.lower().startswith("aws:") or not all(map(TAG_TEXT.fullmatch, (key, value))):
            raise ValueError(
                f"{quoted(key)} = {quoted(value)} is not a tag "
                "(letters, digits, blanks, `.:/=+@_-`; not `aws:…`)"
            )
    if len(tags) >= MOST_TAGS:
        raise ValueError(
            f"{len(tags)} tags are too many; at most {MOST_TAGS - 1} fit beside buildkit's"
        )
    return tags


Days = Annotated[int, Field(strict=True, ge=0, le=3650)]
Account = Annotated[str, AfterValidator(_account)]
Role = Annotated[str, AfterValidator(_role)]


class RepositoriesTable(BaseModel):
    """The settings of each repository. Days count from the push; 0 means for ever."""

    model_config = STRICT

    mutability: Literal["immutable", "mutable"] = "immutable"
    scan_on_push: bool = True
    encryption: Literal["AES256", "KMS", "KMS_DSSE"] = "AES256"
    kms_key: Annotated[str, AfterValidator(_kms_key)] | None = None
    untagged_days: Days = 30
    cache_days: Days = 30
    pull_accounts: Annotated[tuple[Account, ...], Distinct] = ()
    pull_roles: Annotated[tuple[Role, ...], Distinct] = ()
    pull_sagemaker: bool = False
    tags: Annotated[dict[Line, Line], AfterValidator(_tags)] = {}

    @field_validator("kms_key")
    @classmethod
    def _of_kms(cls, key: str | None, info: ValidationInfo) -> str | None:
        if key is not None and info.data.get("encryption") == "AES256":
            raise ValueError('a key needs `encryption = "KMS"` or `"KMS_DSSE"`')
        return key

    @property
    def region(self) -> str | None:
        """The region in the ARN of the key; None for a key that each region looks up."""
        match = KMS_KEY.fullmatch(self.kms_key or "")
        return match["region"] if match else None
