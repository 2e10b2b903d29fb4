"""Requests as Python text: calls of boto3, or of version 3 of the SageMaker Python SDK.

The SDK's classes have the names of the API's shapes, and their fields those of its members in
snake case: `sagemaker.core.resources` and `sagemaker.core.shapes`, which are generated from the API
(sagemaker-core 2.27.0). `ModelTrainer` is that of sagemaker-train 1.27.0.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from buildkit.spec.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Requests = Mapping[Kind, Mapping[str, Any]]

INDENT = "    "
WIDTH = 88
WAITERS = {
    Kind.TRAINING_JOB: ("training_job_completed_or_stopped", "TrainingJobName"),
    Kind.ENDPOINT: ("endpoint_in_service", "EndpointName"),
    Kind.TRANSFORM_JOB: ("transform_job_completed_or_stopped", "TransformJobName"),
    Kind.PROCESSING_JOB: ("processing_job_completed_or_stopped", "ProcessingJobName"),
}
SHAPES = {  # member -> the class of the SDK, the shape of the API
    "PrimaryContainer": "ContainerDefinition",
    "ProductionVariants": "ProductionVariant",
    "TransformInput": "TransformInput",
    "DataSource": "TransformDataSource",
    "S3DataSource": "TransformS3DataSource",
    "TransformOutput": "TransformOutput",
    "TransformResources": "TransformResources",
    "ProcessingInputs": "ProcessingInput",
    "S3Input": "ProcessingS3Input",
    "ProcessingOutputConfig": "ProcessingOutputConfig",
    "Outputs": "ProcessingOutput",
    "S3Output": "ProcessingS3Output",
    "ProcessingResources": "ProcessingResources",
    "ClusterConfig": "ProcessingClusterConfig",
    "StoppingCondition": "ProcessingStoppingCondition",
    "AppSpecification": "AppSpecification",
}
"""Of the requests that `create` of a resource sends."""
BY_BOTO3 = (Kind.ALGORITHM, Kind.MODEL_PACKAGE)
"""`create` of these refuses an InferenceSpecification: `sagemaker.core.shapes` has that of model
cards under the name, without content types and instance types."""
ARTIFACTS = "trainer._latest_training_job.model_artifacts.s3_model_artifacts"
WORD = re.compile(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z0-9])(?=[A-Z])")


def boto3(requests: Requests, region: str) -> str:
    text = ["import boto3", f'sagemaker = boto3.client("sagemaker", region_name={_text(region)})']
    for kind, members in requests.items():
        text += [_call(f"sagemaker.{kind.method}", members.items())]
        if waiter := WAITERS.get(kind):
            name, member = waiter
            wait = f"sagemaker.get_waiter({_text(name)}).wait"
            text[-1] += f"\n{_call(wait, [(member, members[member])])}"
    return "\n\n".join([text[0], "\n\n".join(text[1:])])


def sdk(requests: Requests, region: str) -> str:
    """A script for the package `sagemaker`, version 3."""
    shapes = set[str]()
    trained = _trained(requests)
    body = []
    for kind, members in requests.items():
        if kind is Kind.TRAINING_JOB:
            body.append(_trainer(members, region, shapes))
        elif kind in BY_BOTO3:
            fields = {key: _shaped(key, value, None, trained) for key, value in members.items()}
            body.append(_call(f"client.{kind.method}", fields.items()))
        else:
            shaped = ((key, _shaped(key, value, shapes, trained)) for key, value in members.items())
            fields = {**{snake(key): value for key, value in shaped}, "region": region}
            body.append(_waited(kind, _call(f"{kind.resource}.create", fields.items())))
    if any(kind in BY_BOTO3 for kind in requests):
        body.insert(0, f'client = boto3.client("sagemaker", region_name={_text(region)})')
    return "\n\n".join(["\n".join(_imports(requests, shapes)), *body])


def _imports(requests: Requests, shapes: set[str]) -> Iterator[str]:
    if any(kind in (Kind.TRAINING_JOB, *BY_BOTO3) for kind in requests):
        yield "import boto3"
    if trainer := requests.get(Kind.TRAINING_JOB):
        yield from _of_trainer(trainer)
    others = {kind for kind in requests if kind not in (Kind.TRAINING_JOB, *BY_BOTO3)}
    yield from _from("sagemaker.core.resources", {kind.resource for kind in others})
    yield from _from("sagemaker.core.shapes", shapes)


def snake(member: str) -> str:
    return "_".join(WORD.split(member)).lower()


class _Made:
    """A call that makes a value, in the place of the value."""

    def __init__(self, name: str, fields: Sequence[tuple[str, Any]]) -> None:
        self.name = name
        self.fields = fields


class _Trained:
    """The address of the model archive, which `ModelTrainer` knows: it names the job itself."""


def _trained(requests: Requests) -> str | None:
    """The address of the archive that the training job of these requests writes."""
    if (job := requests.get(Kind.TRAINING_JOB)) is None:
        return None
    folder = job["OutputDataConfig"]["S3OutputPath"]
    return f"{folder}{job['TrainingJobName']}/output/model.tar.gz"


def _shaped(member: str, value: Any, used: set[str] | None, trained: str | None) -> Any:
    """A value with objects of the SDK where the API has structures; without `used`, with dicts."""
    if member == "ModelDataUrl" and value == trained:
        return _Trained()
    if isinstance(value, list):
        return [_shaped(member, each, used, trained) for each in value]
    if used is None and isinstance(value, dict):
        return {key: _shaped(key, each, used, trained) for key, each in value.items()}
    shape = SHAPES.get(member)
    if used is None or shape is None or not isinstance(value, dict):
        return value
    used.add(shape)
    inside = ((key, _shaped(key, each, used, trained)) for key, each in value.items())
    return _Made(shape, [(snake(key), each) for key, each in inside])


def _waited(kind: Kind, made: str) -> str:
    if kind is Kind.ENDPOINT:
        return f'endpoint = {made}\nendpoint.wait_for_status("InService")'
    if kind in WAITERS:
        name = kind.value.replace("-", "_")
        return f"{name} = {made}\n{name}.wait()"
    return made


def _trainer(members: Mapping[str, Any], region: str, used: set[str]) -> str:
    """Without `source_code`, the job starts the image's own `train`."""
    algorithm, compute = members["AlgorithmSpecification"], members["ResourceConfig"]
    fields: list[tuple[str, Any]] = [
        ("training_image", algorithm["TrainingImage"]),
        ("role", members["RoleArn"]),
        ("base_job_name", members["TrainingJobName"]),
        ("compute", _plain("Compute", compute)),
        ("stopping_condition", _plain("StoppingCondition", members["StoppingCondition"])),
        ("output_data_config", _plain("OutputDataConfig", members["OutputDataConfig"])),
        ("hyperparameters", members.get("HyperParameters")),
        ("environment", members.get("Environment")),
    ]
    if config := members.get("CheckpointConfig"):
        fields.append(("checkpoint_config", _plain("CheckpointConfig", config)))
    session = _Made("boto3.Session", [("region_name", region)])
    fields.append(("sagemaker_session", _Made("Session", [("boto_session", session)])))
    text = f"trainer = {_call('ModelTrainer', [each for each in fields if each[1]])}"
    if metrics := algorithm.get("MetricDefinitions"):
        used.add("MetricDefinition")
        found = _literal([_plain("MetricDefinition", each) for each in metrics], "")
        text += f"\ntrainer = trainer.with_metric_definitions({found})"
    inputs = [
        _Made(
            "InputData",
            [
                ("channel_name", each["ChannelName"]),
                ("data_source", each["DataSource"]["S3DataSource"]["S3Uri"]),
            ],
        )
        for each in members.get("InputDataConfig", ())
    ]
    given = [("input_data_config", inputs)] if inputs else []
    return f"{text}\n{_call('trainer.train', given)}"


def _of_trainer(members: Mapping[str, Any]) -> Iterator[str]:
    """The imports for `_trainer`."""
    names = {"Compute", "OutputDataConfig", "StoppingCondition"}
    names |= {"CheckpointConfig"} if "CheckpointConfig" in members else set()
    names |= {"InputData"} if "InputDataConfig" in members else set()
    yield "from sagemaker.core.helper.session_helper import Session"
    yield "from sagemaker.train import ModelTrainer"
    yield from _from("sagemaker.core.training.configs", names)


def _plain(name: str, members: Mapping[str, Any]) -> _Made:
    return _Made(name, [(snake(key), value) for key, value in members.items()])


def _from(module: str, names: set[str]) -> Iterator[str]:
    line = f"from {module} import {', '.join(sorted(names))}"
    if not names:
        return
    if len(line) <= WIDTH:
        yield line
    else:
        listed = "".join(f"{INDENT}{name},\n" for name in sorted(names))
        yield f"from {module} import (\n{listed})"


def _call(name: str, fields: Any, indent: str = "") -> str:
    """`name(key=value, …)`, on one line if it is short."""
    parts = [f"{key}={_literal(value, indent + INDENT)}" for key, value in fields]
    return _joined(f"{name}(", parts, ")", indent)


def _literal(value: Any, indent: str) -> str:
    match value:
        case _Made():
            return _call(value.name, value.fields, indent)
        case _Trained():
            return ARTIFACTS
        case dict():
            parts = [f"{_text(k)}: {_literal(v, indent + INDENT)}" for k, v in value.items()]
            return _joined("{", parts, "}", indent)
        case list():
            parts = [_literal(each, indent + INDENT) for each in value]
            return _joined("[", parts, "]", indent)
        case str():
            return _text(value)
        case _:
            return repr(value)


def _joined(opening: str, parts: list[str], closing: str, indent: str) -> str:
    line = f"{opening}{', '.join(parts)}{closing}"
    if len(indent) + len(line) <= WIDTH - len(INDENT) and "\n" not in line:
        return line
    inside = "".join(f"{indent}{INDENT}{part},\n" for part in parts)
    return f"{opening}\n{inside}{indent}{closing}"


def _text(text: str) -> str:
    """A Python literal in double quotes, of ASCII."""
    escaped = text.encode("unicode_escape").decode().replace('"', '\\"')
    return f'"{escaped}"'
