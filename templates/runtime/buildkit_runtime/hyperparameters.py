"""hyperparameters.json: decoded values, reserved names, and the script's command line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Names that SDKs and services add to the user's own (CFG-03).
KNOWN_RESERVED = frozenset(
    {
        "_tuning_objective_metric",
        "default_user_module_name",
        "sagemaker_container_log_level",
        "sagemaker_enable_cloudwatch_metrics",
        "sagemaker_job_name",
        "sagemaker_program",
        "sagemaker_region",
        "sagemaker_s3_output",
        "sagemaker_submit_directory",
    }
)


@dataclass(frozen=True)
class Hyperparameters:
    """Decoded values, sorted by name: the user's own, and those with reserved names."""

    user: Mapping[str, Any]
    reserved: Mapping[str, Any]

    def reserved_text(self, name: str) -> str:
        return as_text(self.reserved.get(name))


def decode(value: Any) -> Any:
    """The value of a JSON text, else the text itself: clients send both (CFG-02)."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return value


def _refuse_constant(name: str) -> None:
    """`NaN` and `Infinity` are not JSON: they remain the text that the user typed."""
    raise ValueError(name)


def split(raw: Mapping[str, Any]) -> Hyperparameters:
    """Decode all values, and separate reserved names from the user's."""
    decoded = {str(name): decode(raw[name]) for name in sorted(raw, key=str)}
    reserved = {name: value for name, value in decoded.items() if is_reserved(name)}
    user = {name: value for name, value in decoded.items() if not is_reserved(name)}
    return Hyperparameters(user=user, reserved=reserved)


def is_reserved(name: str) -> bool:
    return name in KNOWN_RESERVED or name.startswith("sagemaker_")


def as_argument(value: Any) -> str:
    """A value as an argument of the command line (TTK-06)."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return ",".join(f"{key}={value[key]}" for key in sorted(value))
    return str(value)


def to_arguments(user: Mapping[str, Any]) -> tuple[str, ...]:
    """`--name value` or, for one-letter names, `-n value`; sorted by name (TTK-06)."""
    words: list[str] = []
    for name in sorted(user):
        words.append(f"-{name}" if len(name) == 1 else f"--{name}")
        words.append(as_argument(user[name]))
    return tuple(words)


def as_text(value: Any) -> str:
    """A value as a variable: strings unquoted, null empty, others compact JSON (TTK-08)."""
    if value is None:
        return ""
    return value if isinstance(value, str) else compact_json(value)


def is_true(value: Any) -> bool:
    """Whether a switch is on: `true` of JSON or `True` of Python."""
    return as_text(value).strip().lower() == "true"


def compact_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
