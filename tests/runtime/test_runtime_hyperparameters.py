from __future__ import annotations

from typing import Any

import pytest
from buildkit_runtime import hyperparameters


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [
        pytest.param("abc", "abc", id="bare text"),
        pytest.param('"abc"', "abc", id="JSON text"),
        pytest.param("0.1", 0.1, id="number"),
        pytest.param("true", True, id="JSON boolean"),
        pytest.param("True", "True", id="Python boolean stays text"),
        pytest.param("[1,2]", [1, 2], id="list"),
        pytest.param("null", None, id="null"),
        pytest.param("007", "007", id="leading zeros are not JSON"),
        pytest.param("NaN", "NaN", id="NaN stays text"),
        pytest.param("", "", id="empty"),
        pytest.param("s3://bucket/x", "s3://bucket/x", id="address"),
        pytest.param("[" * 100_000, "[" * 100_000, id="nested too deep"),
        pytest.param(3, 3, id="a client that sends numbers"),
    ],
)
def test_both_encodings_of_a_value_are_understood(raw: Any, decoded: Any) -> None:
    assert hyperparameters.decode(raw) == decoded


def test_the_command_line_is_the_one_users_of_script_mode_know() -> None:
    raw = {
        "s": '"quoted"',
        "a": "true",
        "cc": '{"x":1,"y":[1,2]}',
        "bb": "null",
        "learning-rate": "0.1",
    }
    assert hyperparameters.to_arguments(hyperparameters.split(raw).user) == (
        "-a",
        "True",
        "--bb",
        "",
        "--cc",
        "x=1,y=[1, 2]",
        "--learning-rate",
        "0.1",
        "-s",
        "quoted",
    )


@pytest.mark.parametrize(
    "name",
    [
        "_tuning_objective_metric",
        "default_user_module_name",
        "sagemaker_container_log_level",
        "sagemaker_enable_cloudwatch_metrics",
        "sagemaker_estimator_class_name",
        "sagemaker_estimator_module",
        "sagemaker_job_name",
        "sagemaker_program",
        "sagemaker_region",
        "sagemaker_s3_output",
        "sagemaker_submit_directory",
        "sagemaker_whatever_comes_next",
    ],
)
def test_reserved_names_never_reach_the_script(name: str) -> None:
    found = hyperparameters.split({name: '"value"', "epochs": "3"})
    assert found.user == {"epochs": 3}
    assert found.reserved == {name: "value"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("plain", "plain", id="string"),
        pytest.param(None, "", id="null"),
        pytest.param(True, "true", id="boolean"),
        pytest.param({"b": [1, "é"], "a": 0.5}, '{"a":0.5,"b":[1,"\\u00e9"]}', id="object"),
    ],
)
def test_variables_hold_compact_json(value: Any, text: str) -> None:
    assert hyperparameters.as_text(value) == text
