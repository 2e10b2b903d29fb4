"""What all tables of images.toml share: no unknown keys, and no changes after reading."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict

from buildkit.model import names


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    twice = sorted({str(getattr(v, "value", v)) for v in values if values.count(v) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} is listed twice")
    return values


STRICT = ConfigDict(
    extra="forbid", frozen=True, alias_generator=lambda name: name.replace("_", "-")
)
Distinct = AfterValidator(_distinct)
Line = Annotated[str, AfterValidator(names.plain)]
