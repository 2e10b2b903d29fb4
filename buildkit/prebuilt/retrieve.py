"""`image_uri`: a question in the words of the SageMaker SDK, so that its calls move as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.prebuilt.lookup import look_up, refuse_other_than_text
from buildkit.prebuilt.question import Query
from buildkit.support.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

INSTEAD = {  # parameters that this data cannot answer -> the hint
    "model_id": "JumpStart looks up the image of a model over the network: use the SDK for it",
    "model_version": "JumpStart looks up the image of a model over the network: use the SDK for it",
    "hub_arn": "a hub looks up the images of its models over the network: use the SDK for it",
    "config_name": "JumpStart looks up the image of a model over the network: use the SDK for it",
    "sdk_version": "remove it: the data has the SDK version of each image",
}


def image_uri(  # noqa: PLR0917 - in the SDK's order
    framework: str,
    region: str,
    version: str | None = None,
    py_version: str | None = None,
    instance_type: str | None = None,
    accelerator_type: str | None = None,
    image_scope: str | None = None,
    container_version: str | None = None,
    distribution: Mapping[str, object] | None = None,
    base_framework_version: str | None = None,
    training_compiler_config: object = None,
    model_id: str | None = None,
    model_version: str | None = None,
    hub_arn: str | None = None,
    tolerate_vulnerable_model: bool = False,  # noqa: ARG001, FBT001, FBT002 - as below
    tolerate_deprecated_model: bool = False,  # noqa: ARG001, FBT001, FBT002 - as below
    sdk_version: str | None = None,
    inference_tool: str | None = None,
    serverless_inference_config: object = None,
    sagemaker_session: object = None,  # noqa: ARG001 - only a model of JumpStart needs it
    config_name: str | None = None,
    model_type: object = None,  # noqa: ARG001 - as above
    *,
    device: str | None = None,
) -> str:
    """The URI of one of AWS's prebuilt images, from the arguments of the SageMaker SDK.

    The parameters are those of `sagemaker.image_uris.retrieve`, so that calls work unchanged;
    `device`, such as `gpu`, replaces an instance type. An instance family that buildkit does not
    know is accepted with any `device`, unverified. Of the three configurations only their presence
    matters. docs/guide/moving-from-the-sdk.md lists the differences; `look_up` uses the words of
    this project.

    Raises NothingSelectedError if no image matches, and UsageError if several do, or for a model
    of JumpStart.
    """
    given = {
        "model_id": model_id, "model_version": model_version, "hub_arn": hub_arn,
        "config_name": config_name, "sdk_version": sdk_version,
    }  # fmt: skip
    for name, value in given.items():
        if value:  # an empty text counts as None, as in the SDK
            raise UsageError(f"`{name}` is not supported", hint=INSTEAD[name])
    refuse_other_than_text({
        "framework": framework, "region": region, "version": version, "py_version": py_version,
        "instance_type": instance_type, "accelerator_type": accelerator_type,
        "image_scope": image_scope, "container_version": container_version,
        "base_framework_version": base_framework_version,
    })  # fmt: skip
    if training_compiler_config:
        framework = f"{framework}-training-compiler"
    elif inference_tool:
        framework = f"{framework}-{inference_tool}"
    serverless = bool(serverless_inference_config)
    query = Query(
        framework=framework,
        region=region,
        version=version,
        python=py_version,
        device="cpu" if serverless else device,
        instance_type=None if serverless else instance_type,
        purpose=image_scope,
        base_framework=base_framework_version,
        accelerator=accelerator_type,
        container_version=container_version,
        smdistributed="smdistributed" in (distribution or ()),
    )
    return look_up(query).uri
