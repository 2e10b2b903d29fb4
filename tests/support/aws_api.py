"""Whether AWS's API takes the parameters of a request, by botocore's model of the API."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.loaders
import regex
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def model(service: str) -> ServiceModel:
    return ServiceModel(botocore.loaders.Loader().load_service_model(service, "service-2"))


def check(service: ServiceModel, operation: str, given: Mapping[str, Any]) -> None:
    shape = service.operation_model(operation).input_shape
    assert shape is not None
    assert not ParamValidator().validate(given, shape).generate_report()
    check_text(shape, given)


def check_text(shape: Any, value: Any) -> None:
    """What botocore leaves to the service: patterns, lengths and the words of an enumeration."""
    match shape.type_name:
        case "structure":
            for key, inner in value.items():
                check_text(shape.members[key], inner)
        case "list":
            assert shape.metadata.get("min", 0) <= len(value), shape.name
            assert len(value) <= shape.metadata.get("max", len(value)), shape.name
            for inner in value:
                check_text(shape.member, inner)
        case "map":
            assert len(value) <= shape.metadata.get("max", len(value)), shape.name
            for key, inner in value.items():
                check_text(shape.key, key)
                check_text(shape.value, inner)
        case "string":
            assert not shape.enum or value in shape.enum, (shape.name, value)
            pattern = shape.metadata.get("pattern")
            assert not pattern or regex.fullmatch(pattern, value), (shape.name, value)
            assert len(value) <= shape.metadata.get("max", len(value)), (shape.name, value)
        case _:
            pass
