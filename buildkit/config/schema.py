"""The tables of images.toml, format 1: which keys each has, and which table decides a key."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)

from buildkit.config import validation, values
from buildkit.model.features import Feature  # noqa: TC001 - pydantic reads it
from buildkit.model.target import Device, Purpose
from buildkit.support import suggest
from buildkit.support.addresses import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.config.toml import Where


class Model(BaseModel):
    """No table has unknown keys, and none changes after reading.

    `defer_build`: pydantic compiles only the tables that a file is validated by, and each once.
    A default that is an instance would compile its table on its own.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        defer_build=True,
        alias_generator=lambda name: name.replace("_", "-"),
    )


class Cell(Model):
    """A rule about cells. Each given value has to match; `*` matches as in file names."""

    version: values.Line = "*"
    device: values.Line = "*"
    python: values.Line = "*"
    purpose: values.Line = "*"


class NewCell(Model):
    """A whole cell, added to the product of the axes."""

    version: values.Version
    device: Device
    python: values.Python
    purpose: Purpose | None = None


class PayloadTable(Model):
    content_type: values.ContentType
    body: values.Line
    answer: values.Line | None = None
    accept: values.Header | None = None
    headers: values.Headers = {}


class SamplesTable(Model):
    hyperparameters: values.Hyperparameters = {}
    channels: dict[values.Channel, values.Line] = {}
    code: values.Line | None = None
    model: values.Line | None = None
    adapter: values.Line | None = None
    payload: tuple[PayloadTable, ...] = ()
    metrics: dict[Annotated[values.Line, Field(min_length=1)], values.Regex] = {}
    objective: values.Line | None = None
    startup_seconds: Annotated[int, Field(strict=True, ge=60, le=3600)] | None = None
    environment: dict[values.Variable, values.VariableValue] = {}


def _not_a_key(name: str) -> str:
    if name in (field.alias or key for key, field in SamplesTable.model_fields.items()):
        raise ValueError(
            f"`{name}` is a key of samples, not a name for them; write it below `[samples.<name>]`"
        )
    return name


SamplesName = Annotated[values.Name, AfterValidator(_not_a_key)]


class CellSamples(SamplesTable):
    """The samples of a cell. `use` names a table `[samples.<use>]` for the keys not given here."""

    use: values.Line | None = None

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
            f"expected a name or a table `{{ … }}`, found {validation.written(value)}"
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

    framework: values.Pattern
    version: values.Pattern = "{framework_version}"
    device: values.Pattern = "{device}"
    python: values.Pattern = "{python}"
    purpose: values.Pattern | None = None
    base_framework: values.Pattern | None = None
    container_version: values.Pattern | None = None
    region: values.Region | None = None


class Prebuilt(Model):
    prebuilt: PrebuiltTable


def _every_device(value: object) -> object:
    if not isinstance(value, (str, dict)):
        raise ValueError(  # noqa: TRY004 - pydantic collects no TypeError
            f"expected an image or a table `{{ … }}`, found {validation.written(value)}"
        )
    for_all = isinstance(value, str) or "prebuilt" in value
    return {device.value: value for device in Device} if for_all else value


def _key_of_base(key: object) -> object:
    known = [*(device.value for device in Device), "prebuilt"]
    if key not in known:
        unknown = validation.unknown_key((str(key),), known)
        raise ValueError("; ".join(filter(None, (unknown.message, unknown.known))))
    return key


def _kind_of_base(value: object) -> str:
    return "prebuilt image" if isinstance(value, (dict, Prebuilt)) else "pattern"


Base = Annotated[
    Annotated[values.Pattern, Tag("pattern")] | Annotated[Prebuilt, Tag("prebuilt image")],
    Discriminator(_kind_of_base),
]
KeyOfBase = Annotated[Device, BeforeValidator(_key_of_base)]
Bases = Annotated[
    dict[KeyOfBase, Base],
    BeforeValidator(_every_device, json_schema_input_type=Base | dict[Device, Base]),
]


def _file_or_false(value: object, pattern: ValidatorFunctionWrapHandler) -> object:
    if value is False:
        return value
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - pydantic collects no TypeError
            f"expected a file or `false`, found {validation.written(value)}"
        )
    return pattern(value)


Lock = Annotated[
    values.Pattern,
    WrapValidator(_file_or_false, json_schema_input_type=values.Pattern | Literal[False]),
]
"""A file with the packages, or False: no lock pins them."""


class Facts(Model):
    """What a cell is made of. Each key of an override replaces that of the image as a whole."""

    template: values.Line | None = None
    dockerfile: values.Pattern | None = None
    target: values.Pattern | None = None
    base: Bases | None = None
    packages: tuple[values.Pattern, ...] = ()
    requirements: values.Pattern | None = None
    indexes: values.Distinct[values.Pattern] = ()
    lock: Lock | None = None
    source_builds: values.Distinct[values.Package] = ()
    apt_snapshot: values.Snapshot | None = None
    cuda_compat: values.Pattern | None = None
    args: dict[values.Argument, values.Pattern] = {}
    labels: dict[values.Label, values.Pattern] = {}
    context: values.Line | None = None
    platform: values.Platform = "linux/amd64"
    repository: values.Pattern | None = None
    tag: values.Pattern | None = None
    aliases: values.Distinct[values.AliasPattern] | None = None
    features: values.Distinct[Feature] = ()
    end_of_life: values.Month | None = None
    network: values.Flag = False
    samples: Annotated[
        CellSamples,
        BeforeValidator(_named, json_schema_input_type=values.Line | CellSamples),
        AfterValidator(_completed),
    ] = Field(default={}, validate_default=True)


class Override(Facts):
    when: Cell


class Axes(Facts):
    pythons: values.NonEmpty[values.Python] = ("3.11",)
    devices: values.NonEmpty[Device] = (Device.CPU,)
    purposes: values.NonEmpty[Purpose] = (Purpose.BOTH,)


class Image(Axes):
    versions: values.NonEmpty[values.Version]
    include: tuple[NewCell, ...] = ()
    exclude: tuple[Cell, ...] = ()
    override: tuple[Override, ...] = ()


class PlaceTable(Model):
    """A registry: an ECR account and region, or the name of a host."""

    account: values.Account | None = None
    region: values.Region | None = None
    host: values.Host | None = None
    profile: Annotated[values.Line, Field(min_length=1)] | None = None
    fips: values.Flag = False
    dual_stack: values.Flag = False


class RepositoriesTable(Model):
    """The settings of each ECR repository. Days count from the push; 0 means for ever."""

    mutability: Literal["immutable", "mutable"] = "immutable"
    scan_on_push: values.Flag = True
    encryption: Literal["AES256", "KMS", "KMS_DSSE"] = "AES256"
    kms_key: values.KmsKey | None = None
    untagged_days: values.Days = 30
    cache_days: values.Days = 30
    pull_accounts: values.Distinct[values.Account] = ()
    pull_roles: values.Distinct[values.Role] = ()
    pull_sagemaker: values.Flag = False
    tags: values.Tags = {}

    @field_validator("kms_key")
    @classmethod
    def _of_kms(cls, key: str | None, info: ValidationInfo) -> str | None:
        if key is not None and info.data.get("encryption") == "AES256":
            raise ValueError('a key needs `encryption = "KMS"` or `"KMS_DSSE"`')
        return key

    @property
    def region(self) -> str | None:
        """The region in the ARN of the key; None for a key that each region looks up."""
        match = values.KMS_KEY.fullmatch(self.kms_key or "")
        return match["region"] if match else None


class RegistryTable(PlaceTable):
    """Where images are pushed. `copies` without an account have that of the table.

    `build_cache`: a build that publishes keeps its steps there, for other machines.
    """

    copies: tuple[PlaceTable, ...] = ()
    build_cache: values.Flag = False
    prefix: values.Prefix = ""
    repository: values.Pattern | None = None
    tag: values.Pattern = "{version}-{device}-{py}"
    aliases: values.Distinct[values.AliasPattern] = ()
    repositories: RepositoriesTable = Field(default={}, validate_default=True)

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


def _no_equal(value: object) -> object:
    """To Python, `true` and `1.0` are equal to 1."""
    if isinstance(value, (bool, float)):
        raise ValueError(f"{validation.written(value)} is not 1")  # noqa: TRY004 - as above
    return value


FILE = {
    "format": Annotated[Literal[1], BeforeValidator(_no_equal)],
    "defaults": Axes,
    "registry": RegistryTable,
    "substitutes": dict[values.Line, values.Line],
    "samples": dict[SamplesName, SamplesTable],
    "image": dict[values.Name, Image],
}
"""The keys of the top level. They are validated one by one, so that one report has all problems."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where images.toml writes the facts of a cell. The first layer with a key decides that key.

    The last two layers are the image and `[defaults]`.
    """

    layers: tuple[tuple[Where, Facts], ...]

    @cached_property
    def _written(self) -> dict[str, tuple[Where, Any]]:
        """The table in which each key is written, and its value."""
        below = reversed(self.layers)
        return {
            key: (at, getattr(layer, key)) for at, layer in below for key in layer.model_fields_set
        }

    @cached_property
    def _values(self) -> dict[str, Any]:
        _, default = self.layers[-1]
        unwritten = {key: getattr(default, key) for key in Facts.model_fields}
        return {**unwritten, **{key: value for key, (_, value) in self._written.items()}}

    def has(self, key: str) -> bool:
        return key in self._written

    def given(self, key: str) -> Any:
        """The value that the author wrote, else the schema's default."""
        return self._values[key]

    def rank(self, key: str) -> int:
        """The number of the layer that decides a key: 0 is the last override that matches."""
        written = (n for n, (_, layer) in enumerate(self.layers) if key in layer.model_fields_set)
        return next(written, len(self.layers))

    def at(self, key: str) -> Where:
        """Where a key is written, or where the image could write it; the key as the file has it."""
        layer = self._written[key][0] if key in self._written else self.layers[-2][0]
        return (*layer, key.replace("_", "-"))


def given(key: str, *layers: Facts) -> Any:
    """The value of the first layer in which the author wrote the key, else the schema's default."""
    return next(
        (getattr(layer, key) for layer in layers if key in layer.model_fields_set),
        getattr(layers[-1], key),
    )
