"""docs/guide/sagemaker.md: what its boto3 examples pass is what AWS's description of its API allows."""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import botocore.loaders
import pytest
from botocore import xform_name
from botocore.model import ServiceModel
from botocore.waiter import WaiterModel

from tests.support import aws_api

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "sagemaker.md").read_text()
BLOCKS = [text for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "boto3" in text]
ROLE = "arn:aws:iam::123456789012:role/sagemaker"
URI = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/my-algorithm:1.0-cpu-py311"
ANSWERS = {
    "describe_training_job": {"ModelArtifacts": {"S3ModelArtifacts": "s3://bucket/model.tar.gz"}},
    "invoke_endpoint": {"Body": BytesIO(b"[0]")},
}


class Client:
    """A client that sends nothing: it checks parameters, and patterns and limits, as AWS does."""

    def __init__(self, name: str, *, region_name: str, called: list[str]) -> None:
        assert region_name == "eu-west-1"
        loader = botocore.loaders.Loader()
        self.called = called
        self.model = ServiceModel(loader.load_service_model(name, "service-2"))
        self.operations = {xform_name(each): each for each in self.model.operation_names}
        if name == "sagemaker":
            waiters = WaiterModel(loader.load_service_model(name, "waiters-2"))
            self.waiters = {
                xform_name(each): waiters.get_waiter(each) for each in waiters.waiter_names
            }

    def __getattr__(self, name: str) -> Any:
        def call(**given: Any) -> Any:
            self.check(self.operations[name], given)
            self.called.append(name)
            return ANSWERS.get(name, {})

        return call

    def get_waiter(self, name: str) -> Any:
        operation = self.waiters[name].operation
        return type("Waiter", (), {"wait": lambda _self, **given: self.check(operation, given)})()

    def check(self, operation: str, given: dict[str, Any]) -> None:
        aws_api.check(self.model, operation, given)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda text: text.split("sagemaker.", 1)[1][:24])
def test_an_example_passes_what_the_api_takes(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(boto3, "client", lambda name, **given: Client(name, called=called, **given))
    text = (
        block.replace('"ROLE"', repr(ROLE)).replace('"URI"', repr(URI)).replace("BUCKET", "bucket")
    )
    exec(compile(text, "docs/guide/sagemaker.md", "exec"), {})
    assert called


def test_all_three_uses_are_there() -> None:
    assert [len(BLOCKS), "create_training_job" in BLOCKS[0]] == [3, True]
    assert "invoke_endpoint" in BLOCKS[1]
    assert "create_transform_job" in BLOCKS[2]


def test_a_wrong_parameter_would_be_seen() -> None:
    client = Client("sagemaker", region_name="eu-west-1", called=[])
    with pytest.raises(AssertionError):
        client.create_model(ModelName="a", PrimaryContainer={"Immage": URI})
    with pytest.raises(AssertionError):
        client.create_model(ModelName="under_score")


@pytest.mark.parametrize("page", ["sagemaker.md", "ci.md", "publish.md", "networks.md"])
def test_each_policy_is_json_and_names_actions_that_exist(page: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "guide" / page).read_text()
    loader = botocore.loaders.Loader()
    for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL):
        policy = json.loads(block)
        assert policy["Version"] == "2012-10-17"
        for statement in policy["Statement"]:
            actions = statement["Action"]
            for action in [actions] if isinstance(actions, str) else actions:
                service, _, name = action.partition(":")
                if service in ("ecr", "logs", "cloudwatch", "sts"):
                    model = ServiceModel(loader.load_service_model(service, "service-2"))
                    assert name in model.operation_names or action in NOT_OPERATIONS, action


NOT_OPERATIONS = ("ecr:BatchImportUpstreamImage",)
"""Permissions that are no calls of a client's."""
