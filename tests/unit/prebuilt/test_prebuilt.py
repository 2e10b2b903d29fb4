"""AWS's prebuilt images. `make test-uri` compares all of them with the SageMaker SDK's answers."""

from __future__ import annotations

import ast
import itertools
import random
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from buildkit import Query, image_uri, look_up
from buildkit.prebuilt import facts, instances, naming
from buildkit.support.errors import BuildkitError, NothingSelectedError, UsageError
from tests.support.thorough import THOROUGH

NO_MACHINES = ("ml.eia", "ml.geospatial.")
"""Accelerators, and what runs only the images of SageMaker geospatial."""


@pytest.mark.parametrize(
    ("asked", "uri"),
    [
        pytest.param(
            {"framework": "pytorch", "version": "2.5.1", "purpose": "training", "device": "cpu", "python": "3.11", "region": "eu-west-1"},
            "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.5.1-cpu-py311",
            id="a deep learning container",
        ),
        pytest.param(
            {"framework": "pytorch", "version": "2.5", "purpose": "training", "instance_type": "ml.g5.xlarge", "python": "py311", "region": "cn-north-1"},
            "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/pytorch-training:2.5-gpu-py311",
            id="a short version, an instance type, another partition",
        ),
        pytest.param(
            {"framework": "sklearn", "version": "1.2-1", "region": "us-isob-east-1"},
            "281123927165.dkr.ecr.us-isob-east-1.sc2s.sgov.gov/sagemaker-scikit-learn:1.2-1-cpu-py3",
            id="one image for every purpose",
        ),
        pytest.param(
            {"framework": "xgboost", "version": "latest", "region": "us-east-1"},
            "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:latest",
            id="a tag that tells nothing",
        ),
        pytest.param(
            {"framework": "model-monitor", "region": "us-west-2"},
            "159807026194.dkr.ecr.us-west-2.amazonaws.com/sagemaker-model-monitor-analyzer",
            id="no tag",
        ),
        pytest.param(
            {"framework": "huggingface", "version": "4.28", "base_framework": "pytorch2.0", "purpose": "training", "region": "eu-west-1"},
            "763104351884.dkr.ecr.eu-west-1.amazonaws.com/huggingface-pytorch-training:2.0.0-transformers4.28.1-gpu-py310-cu118-ubuntu20.04",
            id="a base framework",
        ),
        pytest.param(
            {"framework": "pytorch", "version": "1.12", "instance_type": "ml.c7g.xlarge", "region": "eu-west-1"},
            "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference-graviton:1.12.1-cpu-py38-ubuntu20.04-sagemaker",
            id="Graviton",
        ),
        pytest.param(
            {"framework": "pytorch", "version": "1.11", "instance_type": "ml.trn1.2xlarge", "region": "us-east-1"},
            "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training-neuron:1.11.0-neuron-py38-sdk2.4.0-ubuntu20.04",
            id="Trainium",
        ),
        pytest.param(
            {"framework": "tensorflow", "version": "1.14", "accelerator": "ml.eia1.medium", "region": "us-east-1"},
            "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference-eia:1.14-cpu",
            id="Elastic Inference",
        ),
        pytest.param(
            {"framework": "chainer", "version": "5.0.0", "purpose": "training", "device": "gpu", "python": "py3", "region": "us-west-2"},
            "520713654638.dkr.ecr.us-west-2.amazonaws.com/sagemaker-chainer:5.0.0-gpu-py3",
            id="a legacy account",
        ),
        pytest.param(
            {"framework": "spark", "version": "3.3", "container_version": "v1", "python": "py39", "region": "us-west-2"},
            "153931337802.dkr.ecr.us-west-2.amazonaws.com/sagemaker-spark-processing:3.3-cpu-py39-v1",
            id="the end of a tag",
        ),
        pytest.param(
            {"framework": "pytorch", "version": "1.6", "purpose": "training", "device": "gpu", "python": "py36", "region": "us-west-2", "smdistributed": True},
            "763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:1.6-gpu-py36-cu110-ubuntu18.04-v3",
            id="distributed training",
        ),
        pytest.param(
            {"framework": "pytorch", "version": "2.5.1", "purpose": "training", "instance_type": "ml.p4d.24xlarge", "region": "us-west-2"},
            "763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:2.5.1-gpu-py311",
            id="a machine for it, with an image that is for both",
        ),
        pytest.param(
            {"framework": "sagemaker-base-python", "version": "1.0", "python": "3.10", "region": "us-west-2"},
            "236514542706.dkr.ecr.us-west-2.amazonaws.com/sagemaker-base-python-310:1.0",
            id="Python in the repository",
        ),
    ],
)  # fmt: skip
def test_an_image_is_found(asked: dict[str, Any], uri: str) -> None:
    assert look_up(Query(**asked)).uri == uri


@pytest.mark.parametrize(
    ("device", "machine"),
    [("gpu", "ml.g5.xlarge"), ("cpu", "ml.m5.xlarge"), ("gpu", "local_gpu"), (None, "g5.xlarge")],
)
def test_a_device_and_its_machine_may_both_be_said(device: str | None, machine: str) -> None:
    asked = {**PYTORCH, "device": device, "instance_type": machine}
    assert look_up(Query(**asked)).device == ("cpu" if "m5" in machine else "gpu")


def test_each_instance_type_of_sagemaker_is_of_a_known_family() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    names = {
        name
        for shape in model.shape_names
        for name in getattr(model.shape_for(shape), "enum", ())
        if re.fullmatch(r"ml\.[a-z0-9-]+\.[a-z0-9-]+", name) and not name.startswith(NO_MACHINES)
    }
    assert len(names) > 200
    for name in sorted(names):
        assert instances.devices(name)


@pytest.mark.parametrize(
    ("machine", "near"),
    [
        ("ml.g5.xlarg", "`ml.g5.xlarge`"),
        ("ml.g5.2xl", "`ml.g5.2xlarge`"),
        ("g5.xxlarge", "`g5.xlarge`"),
        ("ml.m5.larg", "`ml.m5.large`"),
        ("ml.g5.5xlarge", "`ml.g5.4xlarge`"),
        ("ml.m5.x", "`ml.m5.xlarge`"),
        ("ml.m5.huge", "`ml.m5.large`"),
        ("ml.zz9.xlarg", "`ml.zz9.xlarge`"),
    ],
)
@pytest.mark.parametrize("device", [None, "cpu"])
def test_a_size_that_no_machine_has_is_refused(machine: str, near: str, device: str | None) -> None:
    with pytest.raises(NothingSelectedError, match="is not an instance type: none has") as caught:
        look_up(Query(**{**PYTORCH, "device": device, "instance_type": machine}))
    assert f"`{machine}` is not" in caught.value.message
    assert near in str(caught.value.hint)


@pytest.mark.parametrize("machine", ["ml.m99.xlarge", "ml.zz9.640xlarge", "m9x-flex.large"])
def test_a_machine_of_a_new_family_needs_a_device_unless_the_image_runs_on_any(
    machine: str,
) -> None:
    assert not instances.is_known(machine)
    asked = {**PYTORCH, "instance_type": machine}
    assert look_up(Query(**asked)) == look_up(Query(**PYTORCH))
    with pytest.raises(NothingSelectedError, match="may or may not have a GPU"):
        look_up(Query(**{**asked, "device": None}))
    of_any: dict[str, Any] = {"framework": "xgboost", "version": "1.7-1", "region": "eu-west-1"}
    assert look_up(Query(**of_any, instance_type=machine)) == look_up(Query(**of_any))


@pytest.mark.parametrize("framework", ["djl-lmi", "xgboost", "kmeans"])
@pytest.mark.parametrize("asked", [{"device": "neuronx"}, {"instance_type": "ml.inf2.xlarge"}])
def test_an_image_whose_tag_names_no_device_is_for_cpus_and_gpus(
    framework: str, asked: dict[str, Any]
) -> None:
    version = facts.entries(framework)[0].names[0]
    with pytest.raises(NothingSelectedError) as caught:
        look_up(Query(framework, "eu-west-1", version, purpose="inference", **asked))
    assert caught.value.hint == "available: `cpu`, `gpu`"


@pytest.mark.parametrize("machine", ["ml.zz9", "ml.m5xlarge", "ml.m99."])
def test_what_may_be_a_family_alone_is_no_machine(machine: str) -> None:
    with pytest.raises(UsageError, match="is not an instance type"):
        look_up(Query(**{**PYTORCH, "instance_type": machine}))


def test_an_instance_type_is_known_without_its_prefix() -> None:
    asked = ("pytorch", "us-west-2", "1.6", "py36")
    uris = {image_uri(*asked, machine, None, "training") for machine in ("p4d.24xlarge", "ml.p4d.24xlarge")}  # fmt: skip
    assert [uri.rpartition(":")[2] for uri in uris] == ["1.6-gpu-py36-cu110-ubuntu18.04-v3"]


PYTORCH: dict[str, Any] = {
    "framework": "pytorch",
    "version": "2.5.1",
    "purpose": "training",
    "device": "cpu",
    "python": "3.11",
    "region": "eu-west-1",
}


@pytest.mark.parametrize(
    ("changes", "error", "message", "hint"),
    [
        pytest.param({"framework": "pytroch"}, NothingSelectedError, "`pytroch`", "`pytorch`", id="a misspelt framework"),
        pytest.param({"version": "2.5.9"}, NothingSelectedError, "2.5.9", "`2.5.1`", id="another version"),
        pytest.param({"version": "2.1.1", "python": None}, NothingSelectedError, "2.1.1", "did you mean: `2.1", id="what begins alike first"),
        pytest.param({"version": ""}, NothingSelectedError, "the value is empty", "`2.5.1`, `2.4.0`", id="an empty word"),
        pytest.param({"version": "9" * 5000}, NothingSelectedError, "9" * 40 + "…" + "9" * 40, "`", id="a long word"),
        pytest.param({"version": None}, UsageError, "many versions", "`--latest` for the newest; available: `2.5.1`, `2.4.0`, `2.3.0`", id="no version"),
        pytest.param({"region": "eu-west-11"}, NothingSelectedError, "`eu-west-11`", "`eu-west-1`", id="a region that is not there"),
        pytest.param({"region": "pytorch", "framework": "eu-west-1"}, NothingSelectedError, "`pytorch`", "`ap-south-1`", id="swapped words"),
        pytest.param({"python": "3.9"}, NothingSelectedError, "`py39`", "`py311`", id="another Python"),
        pytest.param({"device": "inf2"}, NothingSelectedError, "`inf2`", "`cpu`", id="another device"),
        pytest.param({"device": None, "instance_type": "ml.c6g.xlarge"}, NothingSelectedError, "on ARM", "not ARM", id="training on Graviton"),
        *(pytest.param({"device": None, "purpose": purpose, "instance_type": machine}, NothingSelectedError, "on ARM" if purpose else "for ARM", "", id=f"{machine} for {purpose}")
          for machine in ("ml.p6e-gb200.36xlarge", "ml.p6e-gb300.36xlarge", "ml.a1.large") for purpose in ("training", None)),
        *(pytest.param({"purpose": None, "device": device, "instance_type": machine}, UsageError, f"`{machine}` has no device `{device}`", "remove one of the two", id=f"{machine} with {device}")
          for machine, device in (("ml.m5.xlarge", "gpu"), ("ml.inf2.xlarge", "cpu"), ("ml.inf2.xlarge", "inf"), ("ml.p3.2xlarge", "p3"), ("local", "gpu"))),
        pytest.param({"framework": "sklearn", "version": "1.2-1", "device": None, "purpose": None, "instance_type": "ml.c6g.xlarge"}, NothingSelectedError, "has no `sklearn` 1.2-1 for ARM, such as `ml.c6g.xlarge`", "`1.0-1`", id="a version that Graviton has not"),
        pytest.param({"framework": "trcomp"}, NothingSelectedError, "`trcomp`", "the names of their repositories: `pytorch-training-compiler`, `huggingface-training-compiler`", id="a part of a name"),
        *(pytest.param({"device": None, "instance_type": machine}, NothingSelectedError, f"unknown instance type `{machine}`: it may or may not have a GPU", "--device gpu", id=f"{machine} of nobody")
          for machine in ("ml.zz9.large", "ml.m99.large", "ml.p9.48xlarge", "ml.g9.xlarge", "g5zz.xlarge", "ml.inf3.xlarge")),
        *(pytest.param({"framework": framework, "version": version, "purpose": None, "device": None, "python": None, "region": "us-east-1", "instance_type": machine}, NothingSelectedError, f"has Neuron SDK {newest}, and that machine needs {first} or newer", f"`{older}`", id=f"{framework} {version} is older than {machine}")
          for framework, version, machine, newest, first, older in (
              ("pytorch", "1.11.0", "ml.trn2.48xlarge", "2.4", "2.21", "trn1"),
              ("huggingface", "4.43.2", "ml.trn2.48xlarge", "2.20", "2.21", "trn1n"),
              ("huggingface", "4.55.4", "ml.trn3.48xlarge", "2.26", "2.27", "trn2"))),
        pytest.param({"device": None, "instance_type": "big"}, UsageError, "`big`", "ml.m5.xlarge", id="no instance type"),
        pytest.param({"purpose": "any", "framework": "sagemaker-base-python", "version": "1.0", "python": "3.10"}, NothingSelectedError, "no images for `any`", "`training`", id="no purpose"),
        pytest.param({"purpose": "trainning"}, NothingSelectedError, "`trainning`", "`training`", id="a misspelt purpose"),
        pytest.param({"device": None, "purpose": None}, UsageError, "4 AWS images match `pytorch` 2.5.1 3.11: also pass `--purpose` and `--device`", "--purpose: `inference`, `training`", id="several"),
        pytest.param({"framework": "huggingface", "version": "4.6.1", "purpose": "training", "device": "gpu", "python": "py36"}, UsageError, "3 AWS images match", "--base-framework: `pytorch1.8", id="several below"),
        pytest.param({"container_version": "cu124"}, UsageError, "`cu124`", "spark", id="a container version for all"),
        pytest.param({"framework": "pytorch-smp", "version": "2.5.1", "device": "gpu", "region": "af-south-1"}, NothingSelectedError, "in af-south-1", "`", id="not in this region"),
        *(pytest.param({"framework": "spark", "version": "3.3", "purpose": None, "python": None, "container_version": end}, UsageError, "cannot end a tag", "`v1`", id=f"the end {end[:9]!r}")
          for end in ("", " ", "v1\n", "v1\nx", "@sha256:0", "a b", "ß", "x" * 122)),
        *(pytest.param({"accelerator": word, "purpose": None}, UsageError, "is not an accelerator", "ml.eia1.medium", id=f"no accelerator {word!r}")
          for word in ("ml.eia", "ml.eia1", "ml.eia9.medium", "ml.eia1.medium\n", "local_sagemaker_notebook2", "", " ")),
        pytest.param({"device": None, "instance_type": "ml.eia1.medium"}, UsageError, "is an accelerator of Elastic Inference", "`--accelerator ml.eia1.medium`", id="an accelerator as a machine"),
        pytest.param({"accelerator": "ml.eia1.medium"}, UsageError, "cannot be used for `training`", "`inference`", id="an accelerator to train"),
        pytest.param({"accelerator": "eia"}, UsageError, "`eia`", "ml.eia1.medium", id="no accelerator"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_an_error_that_names_the_nearest(
    changes: dict[str, Any], error: type[BuildkitError], message: str, hint: str
) -> None:
    with pytest.raises(error) as caught:
        look_up(Query(**{**PYTORCH, **changes}))
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    "changes",
    [
        {"framework": "PyTorch"},
        {"framework": "Torch"},
        {"purpose": "Training"},
        {"device": "CPU"},
        {"device": None, "instance_type": "ML.M5.xlarge"},
        {"region": "EU-West-1"},
        *({"python": python} for python in ("Py311", "PY3.11", "Python3.11", "python311")),
    ],
    ids=str,
)
def test_case_does_not_matter(changes: dict[str, Any]) -> None:
    assert look_up(Query(**{**PYTORCH, **changes})) == look_up(Query(**PYTORCH))


@pytest.mark.parametrize("python", ["thon3.11", "pythonpy311", "pypy311", "py 311"])
def test_what_only_contains_a_python_version_is_none(python: str) -> None:
    with pytest.raises(UsageError, match="is not a Python version"):
        look_up(Query(**{**PYTORCH, "python": python}))


def test_a_base_framework_is_found_in_any_case() -> None:
    spelt = (
        look_up(Query("HuggingFace", "eu-west-1", "4.28", base_framework=base, purpose="training"))
        for base in ("pytorch2.0", "PyTorch2.0", "PYTORCH2.0.0")
    )
    assert {each.base_framework for each in spelt} == {"pytorch2.0.0"}


@pytest.mark.parametrize("name", [*facts.frameworks(), *naming.SPOKEN])
def test_every_framework_is_known_in_any_case(name: str) -> None:
    for spelt in (name.upper(), name.title()):
        assert naming.framework(spelt) == naming.framework(name)


@pytest.mark.parametrize(
    ("framework", "nearest"),
    [
        ("pytorc", "pytorch"),
        ("XGB", "xgboost"),
        ("pytorch-training", "pytorch"),
        ("sagemaker-xgboost", "xgboost"),
        ("huggingface-pytorch-training", "huggingface"),
    ],
)
def test_the_nearest_framework_comes_first(framework: str, nearest: str) -> None:
    with pytest.raises(NothingSelectedError) as caught:
        look_up(Query(framework, "us-east-1", "1"))
    assert re.findall("`([^`]+)`", caught.value.hint or "")[0] == nearest


@pytest.mark.parametrize(
    ("asked", "message", "hint"),
    [
        (("hf", "5.5.3"), "2 AWS images match `hf` 5.5.3: also pass `--device`", "--device: `cpu`, `gpu`"),
        (("tensorflow", "2.10.1"), "4 AWS images match `tensorflow` 2.10.1: also pass `--purpose` and `--device`", "--purpose: `inference`, `training`; --device: `cpu`, `gpu`"),
        (("hf", "4.6.1"), "10 AWS images match `hf` 4.6.1: also pass `--purpose`, `--device` and `--base-framework`",
         "--purpose: `inference`, `training`; --device: `cpu`, `gpu`; --base-framework: `tensorflow2.4.1`, `pytorch1.8.1`, `pytorch1.7.1`, `pytorch1.6.0`"),
        (("tensorflow", "1.12.0"), "6 AWS images match `tensorflow` 1.12.0: also pass `--purpose`, `--device` and `--python`",
         "--purpose: `inference`, `training`; --device: `cpu`, `gpu`; --python: `py3`, `py2`"),
    ],
)  # fmt: skip
def test_several_images_are_told_apart_by_the_fewest_options(
    asked: tuple[str, str], message: str, hint: str
) -> None:
    framework, version = asked
    with pytest.raises(UsageError) as caught:
        look_up(Query(framework, "us-east-1", version))
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize("framework", ["huggingface", "mxnet", "pytorch", "sklearn", "tensorflow"])
def test_the_options_that_an_error_lists_decide(framework: str) -> None:
    for version in {entry.names[0] for entry in facts.entries(framework)}:
        query = Query(framework, "us-west-2", version)
        try:
            look_up(query)
        except UsageError as error:
            options = [option.split(": ") for option in (error.hint or "").split("; ")]
            names = [name.removeprefix("--").replace("-", "_") for name, _ in options]
            values = [re.findall("`([^`]+)`", value) for _, value in options]
        else:
            continue
        for chosen in itertools.product(*values):
            with suppress(NothingSelectedError):  # not every combination exists
                assert look_up(query._replace(**dict(zip(names, chosen, strict=True))))


INFERENTIA = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference-neuronx:2.1.2-transformers4.43.2-neuronx-py310-sdk2.20.0-ubuntu20.04"


@pytest.mark.parametrize(
    ("asked", "uri"),
    [
        pytest.param(("pytorch", "cn-north-1", "2.3", "py311", "ml.g5.xlarge", None, "training"), "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/pytorch-training:2.3-gpu-py311", id="by position"),
        pytest.param({"framework": "pytorch", "region": "us-west-2", "version": "1.6", "py_version": "py36", "instance_type": "ml.p3.16xlarge", "image_scope": "training", "distribution": {"smdistributed": {"dataparallel": {"enabled": True}}}},
                     "763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:1.6-gpu-py36-cu110-ubuntu18.04-v3", id="distributed training"),
        pytest.param({"framework": "pytorch", "region": "us-west-2", "version": "1.6", "py_version": "py36", "instance_type": "ml.p3.16xlarge", "image_scope": "training", "distribution": {"torch_distributed": {"enabled": True}}},
                     "763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:1.6-gpu-py36", id="distributed by others"),
        pytest.param({"framework": "pytorch", "region": "us-west-2", "version": "2.5.1", "image_scope": "inference", "serverless_inference_config": object()},
                     "763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-inference:2.5.1-cpu-py311", id="serverless"),
        pytest.param({"framework": "pytorch", "region": "us-east-1", "version": "1.12.0", "py_version": "py38", "image_scope": "training", "training_compiler_config": object(), "instance_type": "ml.p3.2xlarge"},
                     "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-trcomp-training:1.12.0-gpu-py38", id="the training compiler"),
        pytest.param({"framework": "tensorflow", "region": "us-east-1", "version": "1.14", "accelerator_type": "ml.eia1.medium", "instance_type": "ml.m5.xlarge"},
                     "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference-eia:1.14-cpu", id="Elastic Inference"),
        pytest.param({"framework": "huggingface", "region": "us-east-1", "version": "4.43.2", "base_framework_version": "pytorch2.1.2", "inference_tool": "neuronx", "instance_type": "ml.inf2.xlarge", "image_scope": "inference"}, INFERENTIA, id="a tool"),
    ],
)  # fmt: skip
def test_a_call_of_the_sdk_is_a_call_of_ours(asked: Any, uri: str) -> None:
    assert (image_uri(**asked) if isinstance(asked, dict) else image_uri(*asked)) == uri


CALL: dict[str, Any] = {"framework": "pytorch", "region": "us-west-2", "version": "2.5.1", "image_scope": "training", "instance_type": "ml.m5.xlarge"}  # fmt: skip
DEFAULTS: dict[str, Any] = {
    "model_id": None, "model_version": None, "hub_arn": None, "tolerate_vulnerable_model": False, "tolerate_deprecated_model": False,
    "sdk_version": None, "sagemaker_session": object(), "config_name": None, "model_type": "open_weights",
    "training_compiler_config": False, "inference_tool": "", "serverless_inference_config": False, "distribution": {},
}  # fmt: skip


def test_what_the_sdk_takes_is_taken() -> None:
    assert image_uri(**CALL, **DEFAULTS) == image_uri(**CALL)


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        *(({name: "x"}, f"`{name}` is not supported", "SDK") for name in ("model_id", "model_version", "hub_arn", "config_name")),
        ({"sdk_version": "2.9.1"}, "`sdk_version` is not supported", "remove it"),
        ({"region": None}, "`region` is None, not text", 'region="eu-west-1"'),
        ({"framework": None}, "`framework` is None", "--list"),
        ({"version": 2.5}, "`version` is 2.5, not text", 'version="2.5"'),
        ({"py_version": 311}, "`py_version` is 311, not text", 'py_version="311"'),
        ({"instance_type": b"ml"}, "`instance_type` is b'ml'", "text"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_answered_is_refused(
    changes: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        image_uri(**{**CALL, **changes})
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


OLD_PAGE = (  # AWS's page "Prebuilt … Images for TensorFlow, MXNet, Chainer, and PyTorch" of 2019: which account has which images of TensorFlow and MXNet
    ("tensorflow", "1.13", "training", "py3", "763104351884", "tensorflow-training:1.13-cpu-py3"),
    ("tensorflow", "1.13", "training", "py2", "520713654638", "sagemaker-tensorflow-scriptmode:1.13-cpu-py2"),
    ("tensorflow", "1.13", "inference", None, "763104351884", "tensorflow-inference:1.13-cpu"),
    ("tensorflow", "1.12", "inference", None, "520713654638", "sagemaker-tensorflow-serving:1.12-cpu"),
    ("tensorflow", "1.10", "training", "py2", "520713654638", "sagemaker-tensorflow:1.10-cpu-py2"),
    ("mxnet", "1.4.1", "training", "py3", "763104351884", "mxnet-training:1.4.1-cpu-py3"),
    ("mxnet", "1.4.1", "training", "py2", "520713654638", "sagemaker-mxnet:1.4.1-cpu-py2"),
    ("chainer", "5.0.0", "inference", "py2", "520713654638", "sagemaker-chainer:5.0.0-cpu-py2"),
    ("pytorch", "1.1", "training", "py3", "520713654638", "sagemaker-pytorch:1.1-cpu-py3"),
    ("pytorch", "1.2", "training", "py3", "763104351884", "pytorch-training:1.2-cpu-py3"),
    ("tensorflow", "1.13", "eia", None, "520713654638", "sagemaker-tensorflow-serving-eia:1.13-cpu"),
    ("mxnet", "1.4.0", "eia", "py3", "520713654638", "sagemaker-mxnet-serving-eia:1.4.0-cpu-py3"),
)  # fmt: skip


@pytest.mark.parametrize("line", OLD_PAGE, ids=lambda line: line[-1])
def test_the_patterns_of_aws_s_old_page_hold(line: tuple[str, ...]) -> None:
    framework, version, purpose, python, account, image = line
    found = image_uri(framework, "us-west-2", version, python, image_scope=purpose, device="cpu")
    assert found == f"{account}.dkr.ecr.us-west-2.amazonaws.com/{image}"


EXAMPLES = (  # of each of its three patterns, to the letter
    (("mxnet", "us-east-1", "1.4.1", "py3", "ml.p3.2xlarge", None, "training"), "763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-training:1.4.1-gpu-py3"),
    (("tensorflow", "us-east-1", "1.13", None, "ml.p3.2xlarge", None, "inference"), "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:1.13-gpu"),
    (("chainer", "us-east-1", "4.1.0", "py2", "ml.p3.2xlarge", None, "training"), "520713654638.dkr.ecr.us-east-1.amazonaws.com/sagemaker-chainer:4.1.0-gpu-py2"),
)  # fmt: skip


@pytest.mark.parametrize(("asked", "uri"), EXAMPLES, ids=lambda value: value[-1])
def test_the_examples_of_aws_s_old_page_are_answers(asked: Any, uri: str) -> None:
    assert image_uri(*asked) == uri


def test_no_word_that_is_wrong_gets_an_answer_and_each_gets_a_hint() -> None:
    chance = random.Random(0)
    for _ in range(2000 if THOROUGH else 500):
        framework = chance.choice(facts.frameworks())
        entry = chance.choice(facts.entries(framework))
        asked: dict[str, Any] = {
            "framework": framework,
            "region": chance.choice(sorted(entry.regions)),
            "version": entry.names[0] or None,
            "purpose": "processing" if entry.purpose == facts.ANY else entry.purpose,
            "device": entry.device or "cpu",
            "python": entry.python,
            "base_framework": next(iter(entry.bases), None),
        }
        assert look_up(Query(**asked))
        wrong = chance.choice(
            ("framework", "region", "version", "purpose", "device", "python", "base_framework")
        )
        text = asked[wrong] or "1x"
        place = chance.randrange(len(text) + 1)
        asked[wrong] = chance.choice((
            f"{text[:place]}ß{text[place:]}", text.upper() + "_", f"{text}\n", f"../{text}", " ", "x" * 999,
        ))  # fmt: skip
        with pytest.raises((NothingSelectedError, UsageError)) as caught:
            look_up(Query(**asked))
        assert caught.value.hint


@pytest.mark.parametrize(
    ("framework", "asked", "told"),
    [
        ("pytorch-smp", "2.3.1", "2.3.1"),
        ("pytorch-smp", "2.2", "2.2"),
        ("pytorch-smp", "2.2.0", "2.2.0"),
        ("neo-tensorflow", "2.9.0", "2.9.0"),
        ("neo-pytorch", "1.2.0", "1.2.0"),
        ("neo-mxnet", "1.4.1", "1.4.1"),
        ("djl-lmi", "latest", "0.38.0"),
    ],
)
def test_the_version_is_never_another_than_the_tag_tells(
    framework: str, asked: str, told: str
) -> None:
    found = look_up(Query(framework, "us-west-2", asked, device="gpu"))
    assert found.version == told
    assert told in (found.tag or "")


def test_an_alias_of_another_version_is_none() -> None:
    with pytest.raises(NothingSelectedError) as caught:
        look_up(Query("huggingface-llm", "us-west-2", "2.0"))
    assert "`2.0.0`" in (caught.value.hint or "")


def test_all_names_of_an_image_are_ways_to_say_its_version() -> None:
    for framework in facts.frameworks():
        for first, *others in {entry.names for entry in facts.entries(framework)}:
            for name in others:
                short, long = sorted((first, name), key=len)
                assert name == "latest" or long.startswith((f"{short}.", f"{short}-"))


def test_the_answer_tells_the_full_version_and_the_tag_what_was_asked() -> None:
    answer = look_up(Query(**{**PYTORCH, "version": "2.5"}))
    assert (answer.version, answer.tag) == ("2.5.1", "2.5-cpu-py311")
    assert (answer.account, answer.partition) == ("763104351884", "aws")


def test_every_line_of_the_data_is_used_and_well_formed() -> None:
    families = {family for region in facts.regions().values() for family in region.accounts}
    for framework in facts.frameworks():
        for entry in facts.entries(framework):
            assert entry.family in families
            assert entry.regions <= facts.regions().keys()
            assert entry.names
            assert entry.repository


def test_the_page_of_deviations_has_the_reason_of_each() -> None:
    root = Path(__file__).parents[3]
    tree = ast.parse((root / "tests" / "compare" / "compare.py").read_text())
    reasons = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("Deviation", "odd")
        and isinstance(node.args[0], ast.Constant)
    }
    page = (root / "docs" / "reference" / "prebuilt.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    told = {row.split(" | ")[3].removesuffix(" |") for row in rows if row.count(" | ") == 3}
    assert reasons == told - {"Why", "---"}


def test_the_data_stays_small() -> None:
    assert Path(facts.FILE).stat().st_size < 250_000


@pytest.mark.process
def test_the_api_loads_quickly_and_nothing_of_others() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "from buildkit import image_uri\n"
        "image_uri('sklearn', 'us-west-2', '1.2-1')\n"
        "print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    others = {name.partition(".")[0] for name in loaded} - {"buildkit", *sys.stdlib_module_names}
    assert not others
    # of the standard library, what takes long to load
    assert not loaded & {"dataclasses", "difflib", "pathlib", "json"}


def test_a_tag_that_names_system_or_base_has_its_versions_in_full() -> None:
    """AWS's short tags of this kind end with `-v1`, which the data does not know."""
    seen = set()
    for framework in facts.frameworks():
        for entry in facts.entries(framework):
            if ("-ubuntu" in entry.tag and "{" in entry.tag) or "{base}" in entry.tag:
                full = naming.named(entry)
                for version in (None, *entry.names):
                    for base in (None, *entry.bases):
                        assert naming.named(entry, version, base) == full
                        seen.add(version not in (None, *entry.names[:1]))
    assert seen == {False, True}
    asked = ("pytorch", "us-west-2", "2.4", "py311", "ml.c6g.xlarge")
    assert image_uri(*asked, image_scope="inference").endswith(
        "/pytorch-inference-graviton:2.4.0-cpu-py311-ubuntu22.04-sagemaker"
    )
