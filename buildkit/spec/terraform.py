"""Requests as Terraform text, for the provider `hashicorp/aws`.

Its resources are in https://registry.terraform.io/providers/hashicorp/aws/latest/docs, below
SageMaker; read 2026-12. There is none for batch transform, processing jobs and model packages.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from buildkit.spec.kinds import Kind
from buildkit.spec.python_text import snake

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Members = Mapping[str, Any]

RESOURCES = {  # -> the type, and the member that its argument `name` stands for, if it has one
    Kind.TRAINING_JOB: ("aws_sagemaker_training_job", None),
    Kind.MODEL: ("aws_sagemaker_model", "ModelName"),
    Kind.ENDPOINT_CONFIG: ("aws_sagemaker_endpoint_configuration", "EndpointConfigName"),
    Kind.ENDPOINT: ("aws_sagemaker_endpoint", "EndpointName"),
    Kind.ALGORITHM: ("aws_sagemaker_algorithm", None),
    Kind.MODEL_PACKAGE_GROUP: ("aws_sagemaker_model_package_group", None),
}
NAMES = {"ModelName": Kind.MODEL, "EndpointConfigName": Kind.ENDPOINT_CONFIG}
"""Members that name a resource of another request."""
MAPS = ("HyperParameters", "Environment")
"""Members that are a map, not a block."""
LONGEST_PREFIX = 37
"""Characters of `name_prefix`, to which Terraform adds 26 of 63."""
PROVIDER = """\
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.60"
    }
  }
}"""
LIFECYCLE = {"CreateBeforeDestroy": True}
"""An endpoint sees a new configuration only by its name (documentation of the resource)."""


def text(requests: Mapping[Kind, Members], region: str, name: str) -> str:
    """The resources of those requests that have one. `name` is that of the resources in AWS."""
    label = re.sub(r"[^A-Za-z0-9_]", "_", name)
    label = label if label[0].isalpha() else f"_{label}"
    made = [_resource(kind, requests, region, label) for kind in requests if kind in RESOURCES]
    return "\n\n".join([PROVIDER, *made])


def without(requests: Mapping[Kind, Members]) -> tuple[Kind, ...]:
    """The requests that have no resource."""
    return tuple(kind for kind in requests if kind not in RESOURCES)


def _resource(kind: Kind, requests: Mapping[Kind, Members], region: str, label: str) -> str:
    type_, own_name = RESOURCES[kind]
    members = {"Region": region, **requests[kind]}
    if own_name is not None:
        name = members.pop(own_name)
        if kind is Kind.ENDPOINT_CONFIG:
            members = {"NamePrefix": _prefix(name), **members, "Lifecycle": LIFECYCLE}
        else:
            members = {"Name": name, **members}
    lines = _body(members, "  ", _references(requests, label))
    return "\n".join([f"resource {_quoted(type_)} {_quoted(label)} {{", *lines, "}"])


def _prefix(name: str) -> str:
    return f"{name[: LONGEST_PREFIX - 1].rstrip('-')}-"


def _references(requests: Mapping[Kind, Members], label: str) -> Mapping[str, str]:
    """Members that name a resource which this text creates, and the expression for its name."""
    return {
        member: f"{RESOURCES[kind][0]}.{label}.name"
        for member, kind in NAMES.items()
        if kind in requests
    }


def _body(members: Members, indent: str, references: Mapping[str, str]) -> Iterator[str]:
    """The lines of a resource or block as `terraform fmt` writes them: arguments, then blocks."""
    texts = {
        snake(member): references.get(member) or _literal(value)
        for member, value in members.items()
        if not _is_nested(value)
    }
    yield from _aligned(texts, indent)
    apart = bool(texts)
    for member, value in members.items():
        for each in _nested(value):
            yield from [""] if apart else []
            apart = True
            if member in MAPS:
                yield f"{indent}{snake(member)} = {{"
                pairs = {_quoted(key): _quoted(text) for key, text in each.items()}
                yield from _aligned(pairs, f"{indent}  ")
            else:
                yield f"{indent}{snake(member)} {{"
                yield from _body(each, f"{indent}  ", references)
            yield f"{indent}}}"


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and isinstance(value[0], dict))


def _nested(value: Any) -> list[Members]:
    if not _is_nested(value):
        return []
    return value if isinstance(value, list) else [value]


def _aligned(texts: Mapping[str, str], indent: str) -> Iterator[str]:
    width = max(map(len, texts), default=0)
    for name, value in texts.items():
        yield f"{indent}{name.ljust(width)} = {value}"


def _literal(value: Any) -> str:
    match value:
        case list():
            return f"[{', '.join(map(_literal, value))}]"
        case str():
            return _quoted(value)
        case _:
            return json.dumps(value)


def _quoted(text: str) -> str:
    """A string of HCL: JSON's escapes, and `${` and `%{` doubled, which begin templates."""
    quoted = json.dumps(text, ensure_ascii=False)
    return re.sub(r"([$%])\{", r"\1\1{", quoted)
