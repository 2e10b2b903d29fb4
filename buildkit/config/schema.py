"""The schema of images.toml, format 1: which keys there are, and their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import regex
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
)

from buildkit.config import sentences
from buildkit.config.fields import STRICT, Distinct, Line
from buildkit.config.repositories import RepositoriesTable
from buildkit.model import names
from buildkit.model.features import Feature  # noqa: TC001 - pydantic reads it
from buildkit.model.target import Device, Purpose
from buildkit.support import suggest
from buildkit.support.addresses import cut, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

PATTERN_WORDS = (
    "name", "version", "framework_version", "revision", "device", "python", "py", "purpose"
)  # fmt: skip
ALIAS_WORDS = (*PATTERN_WORDS, "major", "minor")


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
    try:
        groups = regex.compile(text).groups
    except regex.error as error:
        raise ValueError(f"{text!r} is not a regular expression: {error}") from error
    if groups == 0:
        raise ValueError(f"{text!r} has no group `(…)` that captures the number")
    return text


def _every_device(value: object) -> object:
    if not isinstance(value, (str, dict)):
        raise ValueError(  # noqa: TRY004 - pydantic collects no TypeError
            f"expected an image or a table `{{ … }}`, found {sentences.written(value)}"
        )
    for_all = isinstance(value, str) or "prebuilt" in value
    return {device.value: value for device in Device} if for_all else value


def _key_of_base(key: object) -> object:
    known = [*(device.value for device in Device), "prebuilt"]
    if key not in known:
        raise ValueError("; ".join(filter(None, sentences.unknown(str(key), known))))
    return key


def _kind_of_base(value: object) -> str:
    return "prebuilt image" if isinstance(value, (dict, Prebuilt)) else "pattern"


def _matching(pattern: Any, what: str) -> AfterValidator:
    return AfterValidator(lambda text: names.full(pattern, what, text))


def _each_header_once(headers: dict[str, str]) -> dict[str, str]:
    found: set[str] = set()
    for name in headers:
        if name.lower() in found:
            raise ValueError(
                f"the header {name!r} is listed twice: case does not matter in headers"
            )
        found.add(name.lower())
    return headers


def _not_too_many(hyperparameters: dict[str, str]) -> dict[str, str]:
    if len(hyperparameters) > names.MOST_HYPERPARAMETERS:
        raise ValueError(
            f"{len(hyperparameters)} hyperparameters are too many: SageMaker accepts at most "
            f"{names.MOST_HYPERPARAMETERS}"
        )
    return hyperparameters


Header = Annotated[Line, AfterValidator(names.header)]
HeaderName = Annotated[Line, AfterValidator(names.header_name)]
ContentType = Annotated[Line, AfterValidator(names.content_type)]
Hyperparameter = Annotated[Line, AfterValidator(names.hyperparameter)]
HyperparameterValue = Annotated[str, AfterValidator(names.hyperparameter_value)]
Variable = Annotated[
    str, _matching(names.ARGUMENT, "the name of a variable (letters, digits, `_`)")
]
Channel = Annotated[str, _matching(names.CHANNEL, "a channel (letters, digits, `.`, `_`, `-`; 64)")]
Label = Annotated[str, _matching(names.LABEL, "a label (letters, digits, `.`, `_`, `-`, `/`)")]
Month = Annotated[str, _matching(names.MONTH, "a month such as `2023-09`")]
Pattern = Annotated[Line, AfterValidator(_pattern)]
AliasPattern = Annotated[Line, AfterValidator(_alias_pattern)]
Name = Annotated[
    str, _matching(names.NAME, "a name (lower-case letters, digits, single `.`, `_`, `-` between)")
]
Version = Annotated[
    str, _matching(names.VERSION, "a version (letters, digits, `.`, `+`, `-`, `_`)")
]
Python = Annotated[str, _matching(names.PYTHON, "a Python version such as `3.11`")]
Platform = Annotated[str, _matching(names.PLATFORM, "linux/amd64 or linux/arm64")]
Argument = Annotated[str, _matching(names.ARGUMENT, "an argument name (letters, digits, `_`)")]
Regex = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_regex)]
Region = Annotated[str, _matching(names.REGION, "a region such as `eu-west-1`")]


class Model(BaseModel):
    model_config = STRICT


class Cell(Model):
    """A rule about cells. Each given value has to match; `*` matches as in file names."""

    version: Line = "*"
    device: Line = "*"
    python: Line = "*"
    purpose: Line = "*"


class NewCell(Model):
    """A whole cell, added to the product of the axes."""

    version: Version
    device: Device
    python: Python
    purpose: Purpose | None = None


class PayloadTable(Model):
    content_type: ContentType
    body: Line
    answer: Line | None = None
    accept: Header | None = None
    headers: Annotated[dict[HeaderName, Header], AfterValidator(_each_header_once)] = {}


class SamplesTable(Model):
    hyperparameters: Annotated[
        dict[Hyperparameter, HyperparameterValue], AfterValidator(_not_too_many)
    ] = {}
    channels: dict[Channel, Line] = {}
    code: Line | None = None
    model: Line | None = None
    payload: tuple[PayloadTable, ...] = ()
    metrics: dict[Annotated[Line, Field(min_length=1)], Regex] = {}
    objective: Line | None = None
    startup_seconds: Annotated[int, Field(strict=True, ge=60, le=3600)] | None = None
    environment: dict[Variable, Annotated[str, AfterValidator(names.variable)]] = {}


def _not_a_key(name: str) -> str:
    if name in (field.alias or key for key, field in SamplesTable.model_fields.items()):
        raise ValueError(
            f"`{name}` is a key of samples, not a name for them; write it below `[samples.<name>]`"
        )
    return name


SamplesName = Annotated[Name, AfterValidator(_not_a_key)]


class CellSamples(SamplesTable):
    """The samples of a cell. `use` names a table `[samples.<use>]` for the keys not given here."""

    use: Line | None = None

    @field_validator("use")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        if name not in (known := info.context or {}):
            raise ValueError(f"unknown samples {quoted(name)}; {_instead_of(name, tuple(known))}")
        return name


def _instead_of(name: str, known: Sequence[str]) -> str:
    if near := suggest.near_names(name, known):
        return f"did you mean `{near[0]}`?"
    if known:
        return suggest.listed("known samples", known)
    return f"write a table `[samples.{suggest.shown(name)}]`"


def _named(value: object) -> object:
    """`samples = "iris"` is short for `samples = { use = "iris" }`."""
    if not isinstance(value, (str, dict, CellSamples)):
        raise ValueError(  # noqa: TRY004 - pydantic collects no TypeError
            f"expected a name or a table `{{ … }}`, found {sentences.written(value)}"
        )
    return {"use": value} if isinstance(value, str) else value


def _completed(samples: CellSamples, info: ValidationInfo) -> CellSamples:
    """Samples with the keys of the table that they use, except those that they give themselves."""
    if samples.use is None:
        return samples
    named: SamplesTable = (info.context or {})[samples.use]
    missing = named.model_fields_set - samples.model_fields_set
    return samples.model_copy(update={key: getattr(named, key) for key in missing})


class PrebuiltTable(Model):
    """One of AWS's images, see `prebuilt.question.Query`. The target gives missing keys."""

    framework: Pattern
    version: Pattern = "{framework_version}"
    device: Pattern = "{device}"
    python: Pattern = "{python}"
    purpose: Pattern | None = None
    base_framework: Pattern | None = None
    container_version: Pattern | None = None
    region: Region | None = None


class Prebuilt(Model):
    prebuilt: PrebuiltTable


Base = Annotated[
    Annotated[Pattern, Tag("pattern")] | Annotated[Prebuilt, Tag("prebuilt image")],
    Discriminator(_kind_of_base),
]
KeyOfBase = Annotated[Device, BeforeValidator(_key_of_base)]
Bases = Annotated[dict[KeyOfBase, Base], BeforeValidator(_every_device)]


class Facts(Model):
    """What a cell is made of. Each key of an override replaces that of the image as a whole."""

    template: Line | None = None
    base: Bases | None = None
    packages: tuple[Pattern, ...] = ()
    requirements: Pattern | None = None
    indexes: Annotated[tuple[Pattern, ...], Distinct] = ()
    lock: Pattern | None = None
    args: dict[Argument, Pattern] = {}
    labels: dict[Label, Pattern] = {}
    context: Line | None = None
    platform: Platform = "linux/amd64"
    repository: Pattern | None = None
    tag: Pattern | None = None
    aliases: Annotated[tuple[AliasPattern, ...], Distinct] | None = None
    features: Annotated[tuple[Feature, ...], Distinct] = ()
    end_of_life: Month | None = None
    network: Annotated[bool, Field(strict=True)] = False
    samples: Annotated[CellSamples, BeforeValidator(_named), AfterValidator(_completed)] = (
        CellSamples()
    )


class Override(Facts):
    when: Cell


class Axes(Facts):
    pythons: Annotated[tuple[Python, ...], Field(min_length=1), Distinct] = ("3.11",)
    devices: Annotated[tuple[Device, ...], Field(min_length=1), Distinct] = (Device.CPU,)
    purposes: Annotated[tuple[Purpose, ...], Field(min_length=1), Distinct] = (Purpose.BOTH,)


class Image(Axes):
    versions: Annotated[tuple[Version, ...], Field(min_length=1), Distinct]
    include: tuple[NewCell, ...] = ()
    exclude: tuple[Cell, ...] = ()
    override: tuple[Override, ...] = ()


class PlaceTable(Model):
    """A registry: an ECR account and region, or the name of a host."""

    account: Annotated[str, _matching(names.ACCOUNT, "an AWS account of 12 digits")] | None = None
    region: Region | None = None
    host: Annotated[str, AfterValidator(names.host)] | None = None
    profile: Annotated[Line, Field(min_length=1)] | None = None
    fips: bool = False
    dual_stack: bool = False


class RegistryTable(PlaceTable):
    """Where images are pushed. `copies` without an account have that of the table."""

    copies: tuple[PlaceTable, ...] = ()
    prefix: Annotated[str, AfterValidator(names.prefix)] = ""
    repository: Pattern | None = None
    tag: Pattern = "{version}-{device}-{py}"
    aliases: Annotated[tuple[AliasPattern, ...], Distinct] = ()
    repositories: RepositoriesTable = RepositoriesTable()

    @field_validator("repository")
    @classmethod
    def _whole(cls, pattern: str | None, info: ValidationInfo) -> str | None:
        if pattern is not None and info.data.get("prefix"):
            raise ValueError(
                "`prefix` only applies to default names, and `repository` is a whole name; remove "
                "one of the two"
            )
        return pattern

    @field_validator("repositories")
    @classmethod
    def _key_in_each_region(
        cls, table: RepositoriesTable, info: ValidationInfo
    ) -> RepositoriesTable:
        copies = [each.region for each in info.data.get("copies", ()) if each.region]
        for region in (info.data.get("region") or table.region, *copies):
            if table.region not in (None, region):
                raise ValueError(
                    f"`kms-key` is in {table.region} and does not work in {region}; `alias/<name>` "
                    "is looked up in each region"
                )
        return table


class File(Model):
    """The top level. Its parts are validated one by one, so that one report has all problems."""

    format: Literal[1] = 1
    defaults: Axes = Axes()
    registry: RegistryTable = RegistryTable()
    substitutes: dict[Line, Line] = {}
    samples: dict[SamplesName, SamplesTable] = {}
    image: dict[Name, Image] = {}
