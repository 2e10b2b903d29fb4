"""The values of images.toml: for each kind, what pydantic accepts."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core.core_schema import no_info_after_validator_function

from buildkit.model import names
from buildkit.support.addresses import cut, quoted

Value = TypeVar("Value")
PATTERN_WORDS = (
    "name", "version", "framework_version", "revision", "device", "python", "py", "purpose"
)  # fmt: skip
ALIAS_WORDS = (*PATTERN_WORDS, "major", "minor")
OWNER = ("managed-by", "buildkit")
"""The tag of repositories that buildkit created or adopted."""
A_TIME = "a time such as `20261101T000000Z`"
MOST_TAGS = 50
LONGEST_KEY, LONGEST_VALUE = 128, 256
"""ECR's limits for the tags of a repository ("Tagging a private repository" in its user guide)."""
TAG_TEXT = re.compile(r"[\w .:/=+@-]*")
ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,576}")
KMS_KEY = re.compile(
    r"(?:arn:aws[a-z-]*:kms:(?P<region>[a-z0-9-]+):[0-9]{12}:)?"
    r"(?:alias/[A-Za-z0-9/_-]{1,250}|(?:key/)?[0-9a-f-]{36}|(?:key/)?mrk-[0-9a-f]{32})"
)


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    twice = sorted({str(getattr(v, "value", v)) for v in values if values.count(v) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} is listed twice")
    return values


@dataclass(frozen=True)
class _Matching:
    """An annotation of a string: the whole of it matches a pattern. JSON Schema has the pattern."""

    pattern: re.Pattern[str]
    what: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, found: Any, handler: GetJsonSchemaHandler) -> Any:
        unnamed = re.sub(r"\(\?P<\w+>", "(?:", self.pattern.pattern)
        return {**handler(found), "pattern": f"^(?:{unnamed})$"}

    def _check(self, text: str) -> str:
        return names.full(self.pattern, self.what, text)


def _real_time(text: str) -> str:
    """Raises ValueError for a day that no month has, and for an hour that no day has."""
    try:
        time.strptime(text, "%Y%m%dT%H%M%SZ")
    except ValueError as error:
        raise ValueError(f"{quoted(text)} is not {A_TIME}") from error
    return text


def _pattern(text: str, words: tuple[str, ...] = PATTERN_WORDS) -> str:
    for match in names.PATTERN_WORD.finditer(text):
        if (word := match["word"]) is not None and word not in words:
            known = ", ".join(f"{{{known}}}" for known in words)
            raise ValueError(f"unknown word {{{cut(word)}}} in {quoted(text)}; known: {known}")
    if "{" in (rest := names.PATTERN_WORD.sub("", text)) or "}" in rest:
        raise ValueError(
            f"a single brace in {quoted(text)}; write `{{{{` or `}}}}` for a literal brace"
        )
    return text


def _alias_pattern(text: str) -> str:
    if "{{" in text or "}}" in text:
        raise ValueError(f"{quoted(text)} contains a brace, which no tag can have")
    return _pattern(text, ALIAS_WORDS)


def _regex(text: str) -> str:
    import regex  # noqa: PLC0415 - few files have one, and it is slow to load

    try:
        groups = regex.compile(text).groups
    except regex.error as error:
        raise ValueError(f"{text!r} is not a regular expression: {error}") from error
    if groups == 0:
        raise ValueError(f"{text!r} has no group `(…)` that captures the number")
    return text


def _headers(headers: dict[str, str]) -> dict[str, str]:
    found: set[str] = set()
    for name in headers:
        if name.lower() in found:
            raise ValueError(
                f"the header {name!r} is listed twice: case does not matter in headers"
            )
        found.add(name.lower())
    return headers


def _hyperparameters(values: dict[str, str]) -> dict[str, str]:
    if len(values) > names.MOST_HYPERPARAMETERS:
        raise ValueError(
            f"{len(values)} hyperparameters are too many: SageMaker accepts at most "
            f"{names.MOST_HYPERPARAMETERS}"
        )
    return values


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
                "(letters, digits, spaces, `.:/=+@_-`; not `aws:…`)"
            )
    if len(tags) >= MOST_TAGS:
        raise ValueError(
            f"{len(tags)} tags are too many; at most {MOST_TAGS - 1} fit beside buildkit's"
        )
    return tags


Flag = Annotated[bool, Field(strict=True)]
"""`true` or `false`: pydantic would also take `1`, `"yes"` and `"off"`."""
Distinct = Annotated[tuple[Value, ...], AfterValidator(_distinct)]
NonEmpty = Annotated[tuple[Value, ...], Field(min_length=1), AfterValidator(_distinct)]
Line = Annotated[str, AfterValidator(names.plain)]
Pattern = Annotated[Line, AfterValidator(_pattern)]
AliasPattern = Annotated[Line, AfterValidator(_alias_pattern)]
Regex = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_regex)]

Name = Annotated[
    str, _Matching(names.NAME, "a name (lower-case letters, digits, single `.`, `_`, `-` between)")
]
Version = Annotated[
    str, _Matching(names.VERSION, "a version (letters, digits, `.`, `+`, `-`, `_`)")
]
Python = Annotated[str, _Matching(names.PYTHON, "a Python version such as `3.11`")]
Package = Annotated[str, _Matching(names.PACKAGE, "the name of a package such as `pyspark`")]
Platform = Annotated[str, _Matching(names.PLATFORM, "linux/amd64 or linux/arm64")]
Argument = Annotated[str, _Matching(names.ARGUMENT, "an argument name (letters, digits, `_`)")]
Label = Annotated[str, _Matching(names.LABEL, "a label (letters, digits, `.`, `_`, `-`, `/`)")]
Snapshot = Annotated[str, _Matching(names.SNAPSHOT, A_TIME), AfterValidator(_real_time)]
Month = Annotated[str, _Matching(names.MONTH, "a month such as `2023-09`")]

HeaderName = Annotated[Line, AfterValidator(names.header_name)]
Header = Annotated[Line, AfterValidator(names.header)]
Headers = Annotated[dict[HeaderName, Header], AfterValidator(_headers)]
ContentType = Annotated[Line, AfterValidator(names.content_type)]
Hyperparameter = Annotated[Line, AfterValidator(names.hyperparameter)]
HyperparameterValue = Annotated[str, AfterValidator(names.hyperparameter_value)]
Hyperparameters = Annotated[
    dict[Hyperparameter, HyperparameterValue], AfterValidator(_hyperparameters)
]
Channel = Annotated[str, _Matching(names.CHANNEL, "a channel (letters, digits, `.`, `_`, `-`; 64)")]
Variable = Annotated[
    str, _Matching(names.ARGUMENT, "the name of a variable (letters, digits, `_`)")
]
VariableValue = Annotated[str, AfterValidator(names.variable)]

Account = Annotated[str, _Matching(names.ACCOUNT, "an AWS account of 12 digits")]
Region = Annotated[str, _Matching(names.REGION, "a region such as `eu-west-1`")]
Host = Annotated[str, AfterValidator(names.host)]
Prefix = Annotated[str, AfterValidator(names.prefix)]
Role = Annotated[str, _Matching(ROLE, "the ARN of a role (`arn:aws:iam::<account>:role/<name>`)")]
KmsKey = Annotated[str, _Matching(KMS_KEY, "a KMS key (`alias/<name>`, a key id or an ARN)")]
Days = Annotated[int, Field(strict=True, ge=0, le=3650)]
Tags = Annotated[dict[Line, Line], AfterValidator(_tags)]
