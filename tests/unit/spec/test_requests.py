"""The requests of `buildkit spec`: each is what AWS's API takes, for every target of every file."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import moto
import pytest

from buildkit.amis import facts
from buildkit.config import images_toml
from buildkit.matrix import matrix
from buildkit.model.features import Feature
from buildkit.model.target import Device, Purpose
from buildkit.spec import machine, python_text, spec, terraform
from buildkit.spec.image import Where
from buildkit.spec.kinds import Kind, allowed, why_not
from buildkit.support.errors import BuildkitError, UsageError
from tests.support import aws_api, projects, releases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.config.images_toml import Config
    from buildkit.ledger.record import Release
    from buildkit.model.target import Target
    from buildkit.spec.spec import Spec

ROOT = Path(__file__).parents[3]
FILES = (
    "images.toml",
    "examples/aws-toolkits/images.toml",
    "examples/dockerfile/images.toml",
    "tests/e2e/everything/images.toml",
)
NOT_OF_MOTO = {Kind.ALGORITHM}
IMAGES = """
[registry]
account = "123456789012"
region = "eu-west-1"
copies = [{ region = "cn-north-1", account = "210987654321" }]

[image.demo]
versions = ["1.0"]
base = "python:3.11-slim"
template = "basic"
"""
ARM = IMAGES + 'platform = "linux/arm64"\n'
GPU = IMAGES + 'devices = ["gpu"]\npackages = ["{package}"]\n'
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


@cache
def shipped() -> tuple[tuple[Config, Target], ...]:
    configs = [images_toml.read(ROOT / file, use_environment=False) for file in FILES]
    return tuple((each, target) for each in configs for target in matrix.expand(each))


def made(config: Config, target: Target, *asked: Kind, **given: Any) -> Spec:
    options: dict[str, Any] = {"where": Where(), **given}
    return spec.make(target, asked, spec.Options(**options), config, ())


def of(text: str = IMAGES, *asked: Kind, records: Sequence[Release] = (), **given: Any) -> Spec:
    config = projects.parse(text)
    (target,) = matrix.expand(config)
    options: dict[str, Any] = {"where": Where(), **given}
    return spec.make(target, asked, spec.Options(**options), config, records)


IDS = [target.id for _, target in shipped()]


@pytest.mark.parametrize(("config", "target"), shipped(), ids=IDS)
def test_every_request_of_every_target_is_what_the_api_takes(
    config: Config, target: Target
) -> None:
    found = made(config, target)
    assert found.requests.keys() == {*allowed(target)}
    for kind, parameters in found.requests.items():
        aws_api.check(aws_api.model("sagemaker"), kind.operation, parameters)


def test_all_kinds_are_among_them() -> None:
    assert {kind for _, target in shipped() for kind in allowed(target)} == {*Kind}


def test_moto_accepts_every_request_that_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: no server, no network."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    sent = set()
    with moto.mock_aws():
        client = boto3.client("sagemaker", region_name="us-east-1")
        for config, target in shipped():
            # moto's list of instance types for endpoints is older than G5.
            types = ("ml.g4dn.xlarge",) if target.device is Device.GPU else ()
            where = Where(account="123456789012")
            found = made(config, target, role="sagemaker", where=where, instance_types=types)
            for kind, parameters in found.requests.items():
                if kind not in NOT_OF_MOTO:
                    answer = getattr(client, kind.method)(**parameters)
                    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
                    sent.add(kind)
    assert sent == {*Kind} - NOT_OF_MOTO


@pytest.mark.parametrize(("config", "target"), shipped(), ids=IDS)
def test_boto3_text_makes_the_same_requests(config: Config, target: Target) -> None:
    found = made(config, target)
    calls = {
        node.func.attr: {each.arg: ast.literal_eval(each.value) for each in node.keywords}
        for node in ast.walk(ast.parse(python_text.boto3(found.requests, found.values.region)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    for kind, parameters in found.requests.items():
        assert calls[kind.method] == parameters


@pytest.mark.parametrize(("config", "target"), shipped(), ids=IDS)
def test_sdk_text_compiles_and_imports_what_it_uses(config: Config, target: Target) -> None:
    found = made(config, target)
    assert found.values.image in python_text.sdk(found.requests, found.values.region)
    for requests in (found.requests, *({kind: each} for kind, each in found.requests.items())):
        check_names(python_text.sdk(requests, found.values.region))


def check_names(text: str) -> None:
    tree = ast.parse(text)
    compile(tree, "sdk", "exec")
    imported = [
        alias.name
        for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    ]
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    kept = {"trainer", "endpoint", "transform_job", "processing_job", "client"}
    assert sorted(imported) == sorted(used - kept)


def test_classes_of_the_sdk_are_the_shapes_of_the_api() -> None:
    """Wherever a request has a structure that a resource of the SDK is created with."""

    def shapes(shape: Any, value: Any, member: str = "") -> None:
        if shape.type_name == "structure":
            if member:
                seen[member] = shape.name
            for key, each in value.items():
                shapes(shape.members[key], each, key)
        elif shape.type_name == "list":
            for each in value:
                shapes(shape.member, each, member)

    seen: dict[str, str] = {}
    for config, target in shipped():
        for kind, parameters in made(config, target).requests.items():
            if kind is not Kind.TRAINING_JOB and kind not in python_text.BY_BOTO3:
                operation = aws_api.model("sagemaker").operation_model(kind.operation)
                shapes(operation.input_shape, parameters)
    assert seen == python_text.SHAPES


def test_sdk_text_hosts_the_archive_of_its_own_job() -> None:
    """`ModelTrainer` adds the time to the name of a job."""
    both = python_text.sdk(of().requests, "eu-west-1")
    assert f"model_data_url={python_text.ARTIFACTS}," in both
    assert f'"ModelDataUrl": {python_text.ARTIFACTS},' in both
    alone = python_text.sdk(of(IMAGES, Kind.MODEL).requests, "eu-west-1")
    assert "models/demo-1-0-cpu-py311/output/model.tar.gz" in alone


def test_terraform_text_is_whole() -> None:
    found = of(IMAGES, Kind.MODEL, Kind.ENDPOINT_CONFIG, Kind.ENDPOINT, bucket="b-1", role="r")
    text = terraform.text(found.requests, "eu-west-1", found.values.name)
    assert (
        text.partition("\n\n")[2]
        == f"""\
resource "aws_sagemaker_model" "demo_1_0_cpu_py311" {{
  name               = "demo-1-0-cpu-py311"
  region             = "eu-west-1"
  execution_role_arn = "arn:aws:iam::123456789012:role/r"

  primary_container {{
    image          = "{ECR}/demo:1.0-cpu-py311"
    model_data_url = "s3://b-1/demo/models/demo-1-0-cpu-py311/output/model.tar.gz"
  }}
}}

resource "aws_sagemaker_endpoint_configuration" "demo_1_0_cpu_py311" {{
  name_prefix = "demo-1-0-cpu-py311-"
  region      = "eu-west-1"

  production_variants {{
    variant_name           = "all"
    model_name             = aws_sagemaker_model.demo_1_0_cpu_py311.name
    instance_type          = "ml.m5.large"
    initial_instance_count = 1
  }}

  lifecycle {{
    create_before_destroy = true
  }}
}}

resource "aws_sagemaker_endpoint" "demo_1_0_cpu_py311" {{
  name                 = "demo-1-0-cpu-py311"
  region               = "eu-west-1"
  endpoint_config_name = aws_sagemaker_endpoint_configuration.demo_1_0_cpu_py311.name
}}"""
    )


def test_terraform_text_has_strings_that_begin_no_template() -> None:
    samples = 'samples.environment = { A = "${x} %{y} \\"", B = "1" }\n'
    text = terraform.text(of(IMAGES + samples, Kind.MODEL).requests, "eu-west-1", "1-demo")
    assert '"A" = "$${x} %%{y} \\""' in text
    assert 'resource "aws_sagemaker_model" "_1_demo"' in text


def test_terraform_names_a_model_that_it_does_not_create() -> None:
    text = terraform.text(of(IMAGES, Kind.ENDPOINT_CONFIG).requests, "eu-west-1", "demo")
    assert re.search(r'model_name +="?| model_name +.*"demo-1-0-cpu-py311"', text)
    assert "aws_sagemaker_model." not in text


def test_a_published_image_is_named_by_its_digest() -> None:
    record = releases.release(releases.image(host=ECR, letter="a"))
    found = of(records=[record])
    assert found.values.image == f"{ECR}/demo@{releases.digest('a')}"
    assert found.values.region == "eu-west-1"
    assert found.notes == (
        "placeholders to replace: --role for REPLACE-ROLE, --bucket for REPLACE-BUCKET",
    )
    other = of(records=[record], where=Where(region="us-west-2"))
    assert other.values.image.startswith("123456789012.dkr.ecr.us-west-2.amazonaws.com/demo:1.0")
    assert "is not published in that registry" in other.notes[0]


def test_the_last_publication_counts_in_its_first_registry() -> None:
    second = ECR.replace("eu-west-1", "eu-west-3")
    images = [
        releases.image(letter="a", host=ECR),
        releases.image(
            letter="b", locations=(f"{second}/demo:1.0-cpu-py311", f"{ECR}/demo:1.0-cpu-py311")
        ),
    ]
    records = [releases.release(each) for each in images]
    assert of(records=records).values.image == f"{second}/demo@{releases.digest('b')}"
    here = of(records=records, where=Where(region="eu-west-1")).values.image
    assert here == f"{ECR}/demo@{releases.digest('b')}"


@pytest.mark.parametrize(
    ("text", "where", "image", "note"),
    [
        pytest.param(IMAGES, Where(), f"{ECR}/demo:1.0-cpu-py311", "not published yet", id="file"),
        pytest.param(
            IMAGES,
            Where(region="cn-north-1"),
            "210987654321.dkr.ecr.cn-north-1.amazonaws.com.cn/demo:1.0-cpu-py311",
            "not published yet",
            id="copy",
        ),
        pytest.param(
            IMAGES.partition("[image")[1] + IMAGES.partition("[image")[2],
            Where(),
            "000000000000.dkr.ecr.us-east-1.amazonaws.com/demo:1.0-cpu-py311",
            "us-east-1 is assumed",
            id="nothing known",
        ),
        pytest.param(
            IMAGES,
            Where(hosts=("127.0.0.1:5050",)),
            "127.0.0.1:5050/demo:1.0-cpu-py311",
            "127.0.0.1:5050 is no registry of ECR",
            id="no ECR",
        ),
        pytest.param(
            IMAGES,
            Where(hosts=("127.0.0.1:5050", ECR.replace("west", "north")), region="eu-north-1"),
            "123456789012.dkr.ecr.eu-north-1.amazonaws.com/demo:1.0-cpu-py311",
            "not published yet",
            id="the host of the region",
        ),
        pytest.param(
            IMAGES,
            Where(hosts=("127.0.0.1:5050",), account="210987654321"),
            "210987654321.dkr.ecr.eu-west-1.amazonaws.com/demo:1.0-cpu-py311",
            "not published yet",
            id="an account, and a host elsewhere",
        ),
        pytest.param(
            IMAGES,
            Where(hosts=("123456789012.dkr-ecr-fips.us-east-2.on.aws",)),
            "123456789012.dkr.ecr.us-east-2.amazonaws.com/demo:1.0-cpu-py311",
            "not published yet",
            id="FIPS and IPv6",
        ),
    ],
)
def test_the_uri_of_an_image_that_is_not_published(
    text: str, where: Where, image: str, note: str
) -> None:
    found = of(text, where=where)
    assert found.values.image == image
    assert note in " ".join(found.notes)


def test_a_role_is_in_the_partition_of_the_region() -> None:
    role = of(where=Where(region="cn-north-1"), role="team/sagemaker").values.role
    assert role == "arn:aws-cn:iam::210987654321:role/team/sagemaker"
    assert of(role=role).values.role == role


def test_a_bucket_may_have_a_prefix() -> None:
    values = of(bucket="s3://my-bucket/team/").values
    assert values.s3("models/") == "s3://my-bucket/team/demo/models/"


@pytest.mark.parametrize(
    "given",
    [
        {"role": "a b"},
        {"bucket": "Capital"},
        {"bucket": "s3:/b"},
        {"name": "a_b"},
        {"name": "a" * 64},
        {"model_data": "model.tar.gz"},
        {"where": Where(region="moon-1")},
        {"instance_types": ("m5.large",)},
        {"instance_types": ("ml.m6g.large",)},
        {"instance_types": ("ml.m5.huge",)},
    ],
    ids=str,
)
def test_an_option_that_aws_would_refuse_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(BuildkitError) as caught:
        of(**given)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("package", "options", "inference", "transform", "note"),
    [
        pytest.param(
            "torch==2.13.0", {}, "al2023-ami-sagemaker-inference-gpu-4-1", None,
            "no TransformAmiVersion: batch transform: no AMI fits without cuda-compat, CUDA 13.0",
            id="CUDA 13",
        ),
        pytest.param(
            "torch==2.5.1", {}, "al2-ami-sagemaker-inference-gpu-3-1",
            "al2-ami-sagemaker-batch-gpu-535", "without PTX, CUDA 12.4", id="CUDA 12.4",
        ),
        pytest.param(
            "torch==2.5.1", {"instance_types": ("ml.p3.2xlarge",)},
            "al2-ami-sagemaker-inference-gpu-2", "al2-ami-sagemaker-batch-gpu-535",
            "it is unknown whether ml.p3 accepts that AMI", id="a family that an AMI is not for",
        ),
        pytest.param(
            "demo-of-nobody", {}, None, None, "the CUDA version of the image is unknown",
            id="unknown",
        ),
    ],
)  # fmt: skip
def test_an_image_with_cuda_asks_for_its_ami(
    package: str, options: dict[str, Any], inference: str | None, transform: str | None, note: str
) -> None:
    found = of(GPU.replace("{package}", package), **options)
    (variant,) = found.requests[Kind.ENDPOINT_CONFIG]["ProductionVariants"]
    resources = found.requests[Kind.TRANSFORM_JOB]["TransformResources"]
    assert variant.get("InferenceAmiVersion") == inference
    assert resources.get("TransformAmiVersion") == transform
    assert note in " ".join(found.notes)
    assert variant["InstanceType"].startswith(("ml.g", "ml.p"))


def test_an_image_for_gpus_does_not_run_without_one() -> None:
    with pytest.raises(UsageError, match="has no NVIDIA GPU") as caught:
        of(GPU.replace("{package}", "torch==2.5.1"), instance_types=("ml.m5.large",))
    assert caught.value.hint == "`--instance-type ml.g5.xlarge`"


def test_default_instance_types_are_in_the_enumerations_of_the_api() -> None:
    shapes = {
        "TrainingInstanceType",
        "ProductionVariantInstanceType",
        "TransformInstanceType",
        "ProcessingInstanceType",
    }
    for name in shapes:
        shape: Any = aws_api.model("sagemaker").shape_for(name)
        enum = shape.enum
        assert {*machine.CPU, *machine.GPU} <= {*enum}, name
        graviton = {each for each in enum if re.match(r"ml\.[a-z]+[0-9]+g[a-z]*\.", each)}
        assert bool(graviton) is (name == "ProductionVariantInstanceType"), name
        assert {*machine.GRAVITON} <= graviton or not graviton


def test_every_default_gpu_is_known_to_accept_an_ami() -> None:
    families = {each.split(".")[1] for each in machine.GPU}
    for job in (facts.ENDPOINT, facts.TRANSFORM):
        newest = [each for each in facts.amis() if each.job == job][-1]
        assert families <= {*newest.default, *newest.others}


def test_an_image_for_arm_is_hosted_on_graviton_and_nothing_else() -> None:
    found = of(ARM)
    assert [*found.requests] == [
        Kind.MODEL,
        Kind.ENDPOINT_CONFIG,
        Kind.ENDPOINT,
        Kind.MODEL_PACKAGE_GROUP,
        Kind.MODEL_PACKAGE,
    ]
    (variant,) = found.requests[Kind.ENDPOINT_CONFIG]["ProductionVariants"]
    assert variant["InstanceType"] == "ml.m6g.large"
    inference = found.requests[Kind.MODEL_PACKAGE]["InferenceSpecification"]
    assert "SupportedTransformInstanceTypes" not in inference
    with pytest.raises(UsageError, match="no instance for `training-job` with an ARM processor"):
        of(ARM, Kind.TRAINING_JOB)


@pytest.mark.parametrize(
    ("purpose", "wanted"),
    [
        (Purpose.TRAINING, {Kind.TRAINING_JOB, Kind.ALGORITHM}),
        (Purpose.INFERENCE, {*Kind} - {Kind.TRAINING_JOB, Kind.ALGORITHM, Kind.PROCESSING_JOB}),
        (Purpose.BOTH, {*Kind} - {Kind.PROCESSING_JOB}),
        (Purpose.PROCESSING, {Kind.PROCESSING_JOB}),
    ],
)
def test_the_purpose_decides_what_is_asked(purpose: Purpose, wanted: set[Kind]) -> None:
    target = replace(of().values.target, purpose=purpose)
    assert {*allowed(target)} == wanted
    processing = replace(target, features=(Feature.PROCESSING,))
    assert why_not(processing, Kind.PROCESSING_JOB) is None


def test_a_request_that_the_purpose_excludes_is_refused() -> None:
    with pytest.raises(UsageError, match="needs an image that trains") as caught:
        of(IMAGES + 'purposes = ["inference"]\n', Kind.ALGORITHM)
    assert caught.value.hint is not None
    assert "model" in caught.value.hint


def test_samples_are_in_the_requests() -> None:
    samples = """
[image.demo.samples]
hyperparameters = { depth = "3", rate = "1e-3", kind = "tree" }
environment = { THREADS = "2" }
metrics = { loss = "loss=([0-9.]+)" }
startup-seconds = 600
"""
    found = of(IMAGES + 'features = ["checkpoints", "pipe-mode", "two-node"]\n' + samples)
    job = found.requests[Kind.TRAINING_JOB]
    assert job["HyperParameters"] == {"depth": "3", "rate": "1e-3", "kind": "tree"}
    assert job["Environment"] == {"THREADS": "2"}
    assert job["AlgorithmSpecification"]["MetricDefinitions"] == [
        {"Name": "loss", "Regex": "loss=([0-9.]+)"}
    ]
    assert job["CheckpointConfig"]["S3Uri"] == "s3://REPLACE-BUCKET/demo/checkpoints/"
    (variant,) = found.requests[Kind.ENDPOINT_CONFIG]["ProductionVariants"]
    assert variant["ContainerStartupHealthCheckTimeoutInSeconds"] == 600
    training = found.requests[Kind.ALGORITHM]["TrainingSpecification"]
    types = {each["Name"]: each["Type"] for each in training["SupportedHyperParameters"]}
    assert types == {"depth": "Integer", "rate": "Continuous", "kind": "FreeText"}
    assert training["TrainingChannels"][0]["SupportedInputModes"] == ["File", "Pipe"]
    assert training["SupportsDistributedTraining"] is True


def test_names_fit_and_jobs_lead_to_models() -> None:
    found = of(IMAGES.replace("1.0", f"1.0+{'a' * 60}"), model_data="s3://b/m.tar.gz")
    assert len(found.values.name) <= 63
    assert found.requests[Kind.MODEL]["PrimaryContainer"]["ModelDataUrl"] == "s3://b/m.tar.gz"
    for kind, parameters in found.requests.items():
        aws_api.check(aws_api.model("sagemaker"), kind.operation, parameters)
    assert json.loads(json.dumps(found.requests[Kind.MODEL])) == found.requests[Kind.MODEL]
