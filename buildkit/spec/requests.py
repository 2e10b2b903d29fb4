"""Values -> the parameters of a request, as AWS's API reference describes them.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html, and the pages
of the other operations, read 2026-12. `tests/unit/spec` checks every request of every shipped
target against botocore's model of the API.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from buildkit.model.features import Feature
from buildkit.spec.kinds import ARM, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from buildkit.spec.values import Values

    Parameters = dict[str, Any]

DISK = 30
"""Gigabytes of the volume of a job."""
HOUR = 3600
COUNT = 1
VARIANT = "all"
TABULAR = "text/csv"
"""The content type of channels if no payload shows another one."""
BY_LINE = ("text/csv", "application/jsonlines", "text/libsvm", "text/plain")
"""Content types with a record per line, which batch transform can split."""
SUBMIT = "sagemaker_submit_directory"
PROCESSING = "/opt/ml/processing"
CHECKPOINTS = "/opt/ml/checkpoints"
INTEGER = re.compile(r"[-+]?[0-9]+")
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?", re.IGNORECASE)


def parameters(kind: Kind, values: Values) -> Parameters:
    return MAKERS[kind](values)


def hyperparameters(values: Values) -> dict[str, str]:
    """Those of the samples, and where the user's script is."""
    code = {} if values.code is None else {SUBMIT: values.code}
    return {**dict(values.samples.hyperparameters), **code}


def _training_job(values: Values) -> Parameters:
    target, samples = values.target, values.samples
    return _filled(
        TrainingJobName=values.name,
        AlgorithmSpecification=_filled(
            TrainingImage=values.image,
            TrainingInputMode="File",
            MetricDefinitions=_metrics(values),
        ),
        RoleArn=values.role,
        HyperParameters=hyperparameters(values),
        Environment=dict(samples.environment),
        InputDataConfig=[_channel(name, values) for name, _ in samples.channels],
        OutputDataConfig={"S3OutputPath": values.s3("models/")},
        ResourceConfig={
            "InstanceType": values.instance_type,
            "InstanceCount": COUNT,
            "VolumeSizeInGB": DISK,
        },
        StoppingCondition={"MaxRuntimeInSeconds": HOUR},
        CheckpointConfig={"S3Uri": values.s3("checkpoints/"), "LocalPath": CHECKPOINTS}
        if Feature.CHECKPOINTS in target.features
        else None,
    )


def _channel(name: str, values: Values) -> Parameters:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": values.s3(f"input/{name}/"),
        "S3DataDistributionType": "FullyReplicated",
    }
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def _metrics(values: Values) -> list[Parameters]:
    return [{"Name": name, "Regex": regex} for name, regex in values.samples.metrics]


def _model(values: Values) -> Parameters:
    return {
        "ModelName": values.name,
        "PrimaryContainer": _container(values),
        "ExecutionRoleArn": values.role,
    }


def _container(values: Values) -> Parameters:
    return _filled(
        Image=values.image,
        ModelDataUrl=values.model,
        Environment=dict(values.samples.environment),
    )


def _endpoint_config(values: Values) -> Parameters:
    variant = _filled(
        VariantName=VARIANT,
        ModelName=values.name,
        InstanceType=values.instance_type,
        InitialInstanceCount=COUNT,
        ContainerStartupHealthCheckTimeoutInSeconds=values.samples.startup_seconds,
        InferenceAmiVersion=values.inference_ami,
    )
    return {"EndpointConfigName": values.name, "ProductionVariants": [variant]}


def _endpoint(values: Values) -> Parameters:
    return {"EndpointName": values.name, "EndpointConfigName": values.name}


def _transform_job(values: Values) -> Parameters:
    payload = next(iter(values.samples.payloads), None)
    content_type = payload.content_type if payload else None
    by_line = (content_type or "").partition(";")[0].strip() in BY_LINE
    source = {"S3DataType": "S3Prefix", "S3Uri": values.s3("transform/input/")}
    return {
        "TransformJobName": values.name,
        "ModelName": values.name,
        "BatchStrategy": "MultiRecord" if by_line else "SingleRecord",
        "TransformInput": _filled(
            DataSource={"S3DataSource": source},
            ContentType=content_type,
            SplitType="Line" if by_line else None,
        ),
        "TransformOutput": _filled(
            S3OutputPath=values.s3("transform/output/"),
            Accept=payload.accept if payload else None,
            AssembleWith="Line" if by_line else None,
        ),
        "TransformResources": _filled(
            InstanceType=values.instance_type,
            InstanceCount=COUNT,
            TransformAmiVersion=values.transform_ami,
        ),
    }


def _algorithm(values: Values) -> Parameters:
    features, channels = values.target.features, values.samples.channels
    modes = ["File", "Pipe"] if Feature.PIPE_MODE in features else ["File"]
    training = _filled(
        TrainingImage=values.image,
        SupportedHyperParameters=[
            _hyperparameter(name, value) for name, value in hyperparameters(values).items()
        ],
        SupportedTrainingInstanceTypes=list(values.instance_types),
        SupportsDistributedTraining=Feature.TWO_NODE in features,
        MetricDefinitions=_metrics(values),
        TrainingChannels=[
            {
                "Name": name,
                "IsRequired": True,
                "SupportedContentTypes": list(values.content_types) or [TABULAR],
                "SupportedInputModes": modes,
            }
            for name in dict(channels) or ["training"]
        ],
    )
    serves = values.target.purpose.serves
    container = {"Image": values.image}  # the model is that of a training job
    return _filled(
        AlgorithmName=values.name,
        TrainingSpecification=training,
        InferenceSpecification=_inference(values, container) if serves else None,
    )


def _hyperparameter(name: str, value: str) -> Parameters:
    return {
        "Name": name,
        "Type": _type_of(value),
        "IsTunable": False,
        "IsRequired": False,
        "DefaultValue": value,
    }


def _type_of(value: str) -> str:
    if INTEGER.fullmatch(value):
        return "Integer"
    return "Continuous" if NUMBER.fullmatch(value) else "FreeText"


def _inference(values: Values, container: Parameters) -> Parameters:
    transforms = values.target.platform != ARM
    return _filled(
        Containers=[container],
        SupportedTransformInstanceTypes=list(values.instance_types) if transforms else None,
        SupportedRealtimeInferenceInstanceTypes=list(values.instance_types),
        SupportedContentTypes=list(values.content_types),
        SupportedResponseMIMETypes=list(values.answers),
    )


def _model_package_group(values: Values) -> Parameters:
    return {"ModelPackageGroupName": values.name}


def _model_package(values: Values) -> Parameters:
    return {
        "ModelPackageGroupName": values.name,
        "InferenceSpecification": _inference(values, _container(values)),
        "ModelApprovalStatus": "PendingManualApproval",
    }


def _processing_job(values: Values) -> Parameters:
    return _filled(
        ProcessingJobName=values.name,
        ProcessingInputs=[_processing_input(name, values) for name, _ in values.samples.channels],
        ProcessingOutputConfig={
            "Outputs": [
                {
                    "OutputName": "output",
                    "S3Output": {
                        "S3Uri": values.s3("processing/output/"),
                        "LocalPath": f"{PROCESSING}/output",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ]
        },
        ProcessingResources={
            "ClusterConfig": {
                "InstanceCount": COUNT,
                "InstanceType": values.instance_type,
                "VolumeSizeInGB": DISK,
            }
        },
        StoppingCondition={"MaxRuntimeInSeconds": HOUR},
        AppSpecification={"ImageUri": values.image},
        Environment=dict(values.samples.environment),
        RoleArn=values.role,
    )


def _processing_input(name: str, values: Values) -> Parameters:
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": values.s3(f"input/{name}/"),
            "LocalPath": f"{PROCESSING}/input/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3DataDistributionType": "FullyReplicated",
        },
    }


def _filled(**members: Any) -> Parameters:
    """The members without those that are None or empty, which the API takes as not given."""
    return {key: value for key, value in members.items() if value not in (None, [], {})}


MAKERS: Mapping[Kind, Callable[[Values], Parameters]] = {
    Kind.TRAINING_JOB: _training_job,
    Kind.MODEL: _model,
    Kind.ENDPOINT_CONFIG: _endpoint_config,
    Kind.ENDPOINT: _endpoint,
    Kind.TRANSFORM_JOB: _transform_job,
    Kind.ALGORITHM: _algorithm,
    Kind.MODEL_PACKAGE_GROUP: _model_package_group,
    Kind.MODEL_PACKAGE: _model_package,
    Kind.PROCESSING_JOB: _processing_job,
}
