from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from buildkit_runtime.failure import JobFailure
from buildkit_runtime.job import read_cluster, read_job
from buildkit_runtime.paths import Paths
from buildkit_runtime.script import Script
from buildkit_runtime.variables import Hardware, script_variables

if TYPE_CHECKING:
    from tests.runtime.runtime_harness import Tree

RESOURCES: dict[str, Any] = {
    "current_group_name": "workers",
    "current_host": "algo-2-x",
    "current_instance_type": "ml.p4d.24xlarge",
    "hosts": ["algo-1", "algo-2-x"],
    "instance_groups": [
        {"hosts": ["algo-1"], "instance_group_name": "data", "instance_type": "ml.m5.xlarge"},
        {
            "hosts": ["algo-2-x"],
            "instance_group_name": "workers",
            "instance_type": "ml.p4d.24xlarge",
        },
    ],
    "network_interface_name": "eth1",
    "topology": None,
}


def variables_of(tree: Tree, **inherited: str) -> dict[str, str]:
    paths = Paths(tree.base)
    return script_variables(
        paths,
        read_job(paths),
        Script(name="sub/train.py", folder=paths.code),
        ("--epochs", "3"),
        hardware=Hardware(cpus=4, gpus=2, neuron_cores=0),
        inherited=inherited,
    )


def test_without_any_file_there_is_one_host_and_nothing_else(tree: Tree) -> None:
    job = read_job(Paths(tree.base))
    assert (job.cluster.current_host, job.cluster.hosts) == ("algo-1", ("algo-1",))
    assert job.cluster.network_interface == "eth0"
    assert (job.channels, job.hyperparameters.user) == ({}, {})


def test_odd_contents_of_known_keys_and_unknown_keys_are_tolerated() -> None:
    cluster = read_cluster({"hosts": None, "instance_groups": None, "new": 1})
    assert cluster.group_hosts == ("algo-1",)


@pytest.mark.parametrize("text", ["{", "[1]", '"text"'])
def test_a_broken_file_is_named(tree: Tree, text: str) -> None:
    tree.write("input/config/hyperparameters.json", text)
    with pytest.raises(JobFailure, match=r"hyperparameters\.json"):
        read_job(Paths(tree.base))


def test_the_table_of_variables(tree: Tree) -> None:
    tree.hyperparameters(
        sagemaker_submit_directory='"s3://bucket/code.tar.gz"',
        sagemaker_job_name='"job"',
        sagemaker_region='"eu-west-1"',
        sagemaker_container_log_level="10",
        sagemaker_mpi_enabled="true",
        **{"learning-rate": "0.1", "opt": '{"b":1,"a":[true,null]}', "none": "null"},
    )
    channels = {"train": {"TrainingInputMode": "File"}, "my-Data.v1": {"Extra": 1}}
    tree.write("input/config/inputdataconfig.json", json.dumps(channels))
    tree.write("input/config/resourceconfig.json", json.dumps(RESOURCES))
    base = str(tree.base)
    groups = {group["instance_group_name"]: group for group in RESOURCES["instance_groups"]}
    expected: dict[str, Any] = {
        "SM_MODEL_DIR": f"{base}/model",
        "SM_INPUT_DIR": f"{base}/input",
        "SM_INPUT_CONFIG_DIR": f"{base}/input/config",
        "SM_OUTPUT_DIR": f"{base}/output",
        "SM_OUTPUT_DATA_DIR": f"{base}/output/data",
        "SM_OUTPUT_INTERMEDIATE_DIR": f"{base}/output/intermediate",
        "SM_CHANNELS": '["my-Data.v1","train"]',
        "SM_CHANNEL_TRAIN": f"{base}/input/data/train",
        "SM_CHANNEL_MY-DATA.V1": f"{base}/input/data/my-Data.v1",
        "SM_HPS": '{"learning-rate":0.1,"none":null,"opt":{"a":[true,null],"b":1}}',
        "SM_HP_LEARNING-RATE": "0.1",
        "SM_HP_OPT": '{"a":[true,null],"b":1}',
        "SM_HP_NONE": "",
        "SM_USER_ARGS": '["--epochs","3"]',
        "SM_HOSTS": '["algo-1","algo-2-x"]',
        "SM_CURRENT_HOST": "algo-2-x",
        "SM_NETWORK_INTERFACE_NAME": "eth1",
        "SM_NUM_CPUS": "4",
        "SM_NUM_GPUS": "2",
        "SM_NUM_NEURONS": "0",
        "SM_CURRENT_INSTANCE_TYPE": "ml.p4d.24xlarge",
        "SM_CURRENT_INSTANCE_GROUP": "workers",
        "SM_CURRENT_INSTANCE_GROUP_HOSTS": '["algo-2-x"]',
        "SM_INSTANCE_GROUPS": '["data","workers"]',
        "SM_INSTANCE_GROUPS_DICT": compact(groups),
        "SM_DISTRIBUTION_INSTANCE_GROUPS": '["data","workers"]',
        "SM_IS_HETERO": "true",
        "SM_RESOURCE_CONFIG": compact(RESOURCES),
        "SM_INPUT_DATA_CONFIG": compact(channels),
        "SM_FRAMEWORK_PARAMS": '{"sagemaker_mpi_enabled":true}',
        "SM_MODULE_NAME": "sub/train",
        "SM_MODULE_DIR": "s3://bucket/code.tar.gz",
        "SM_USER_ENTRY_POINT": "sub/train.py",
        "SM_FRAMEWORK_MODULE": "",
        "SM_LOG_LEVEL": "10",
        "SAGEMAKER_JOB_NAME": "job",
        "SAGEMAKER_REGION": "eu-west-1",
        "CURRENT_HOST": "algo-2-x",
        "PYTHONPATH": f"{base}/code:/more",
        "PYTHONUNBUFFERED": "1",
    }
    found = variables_of(tree, PYTHONPATH="/more")
    whole = json.loads(found.pop("SM_TRAINING_ENV"))
    assert found == expected
    assert whole["channel_input_dirs"]["train"] == f"{base}/input/data/train"
    assert whole["hyperparameters"]["learning-rate"] == 0.1
    assert (whole["is_master"], whole["master_hostname"]) == (False, "algo-1")
    assert whole["num_gpus"] == 2


def compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def test_topology_is_passed_on_when_there_is_one(tree: Tree) -> None:
    tree.write("input/config/resourceconfig.json", '{"topology": [{"host": "algo-1"}]}')
    assert variables_of(tree)["SM_TOPOLOGY"] == '[{"host":"algo-1"}]'


def test_a_word_as_log_level_does_not_crash_the_job(tree: Tree) -> None:
    tree.hyperparameters(sagemaker_container_log_level='"INFO"')
    assert variables_of(tree)["SM_LOG_LEVEL"] == "20"


def test_job_name_and_region_come_from_the_service_when_no_sdk_gives_them(tree: Tree) -> None:
    found = variables_of(tree, TRAINING_JOB_NAME="j1", AWS_REGION="us-east-1")
    assert (found["SAGEMAKER_JOB_NAME"], found["SAGEMAKER_REGION"]) == ("j1", "us-east-1")
    assert "SAGEMAKER_REGION" not in variables_of(tree)


def test_a_variable_too_long_for_linux_is_left_out(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.hyperparameters(**{f"name{number}": "x" * 2500 for number in range(100)})
    found = variables_of(tree)
    assert "SM_HPS" not in found
    assert found["SM_HP_NAME7"] == "x" * 2500
    assert "SM_HPS is too long" in capsys.readouterr().err
