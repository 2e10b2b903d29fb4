"""The SM_* variables that a script may rely on (TTK-08)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.contract.jobs import training_job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkit.contract.jobs.training_job import Job

NUMBERS = ("SM_NUM_CPUS", "SM_NUM_GPUS", "SM_NUM_NEURONS", "SM_LOG_LEVEL")
LISTS = ("SM_INSTANCE_GROUPS", "SM_DISTRIBUTION_INSTANCE_GROUPS")
OBJECTS = ("SM_INSTANCE_GROUPS_DICT", "SM_FRAMEWORK_PARAMS", "SM_TRAINING_ENV")


@dataclass(frozen=True, kw_only=True)
class Json:
    """A value that is compared after decoding."""

    value: object


def wanted(work: Job, program: str, arguments: Sequence[str]) -> Mapping[str, str | Json]:
    """The expected variables of a job on one host whose hyperparameters are JSON text."""
    user = {
        name: json.loads(str(text))
        for name, text in work.hyperparameters.items()
        if not name.startswith("sagemaker_")
    }
    configuration = work.configuration()
    return {
        "SM_MODEL_DIR": f"{training_job.ROOT}/model",
        "SM_INPUT_DIR": f"{training_job.ROOT}/input",
        "SM_INPUT_CONFIG_DIR": f"{training_job.ROOT}/input/config",
        "SM_OUTPUT_DIR": f"{training_job.ROOT}/output",
        "SM_OUTPUT_DATA_DIR": f"{training_job.ROOT}/output/data",
        "SM_OUTPUT_INTERMEDIATE_DIR": f"{training_job.ROOT}/output/intermediate",
        "SM_CHANNELS": Json(value=sorted(channel.name for channel in work.channels)),
        **{
            f"SM_CHANNEL_{channel.name.upper()}": f"{training_job.ROOT}/input/data/{channel.name}"
            for channel in work.channels
        },
        "SM_HPS": Json(value=user),
        **{f"SM_HP_{name.upper()}": _text(value) for name, value in user.items()},
        "SM_USER_ARGS": Json(value=list(arguments)),
        "SM_HOSTS": Json(value=sorted(work.hosts)),
        "SM_CURRENT_HOST": work.host,
        "SM_NETWORK_INTERFACE_NAME": work.interface,
        "SM_CURRENT_INSTANCE_TYPE": training_job.INSTANCE,
        "SM_CURRENT_INSTANCE_GROUP": training_job.GROUP,
        "SM_CURRENT_INSTANCE_GROUP_HOSTS": Json(value=sorted(work.hosts)),
        "SM_IS_HETERO": Json(value=False),
        "SM_RESOURCE_CONFIG": Json(value=configuration["resourceconfig"]),
        "SM_INPUT_DATA_CONFIG": Json(value=configuration["inputdataconfig"]),
        "SM_MODULE_NAME": program.removesuffix(".py"),
        "SM_MODULE_DIR": f"{training_job.ROOT}/code",
        "SM_USER_ENTRY_POINT": program,
    }


def _text(value: object) -> str | Json:
    if value is None:
        return ""
    return value if isinstance(value, str) else Json(value=value)


def wrong(
    environ: Mapping[str, str], work: Job, program: str, arguments: Sequence[str]
) -> list[str]:
    """A sentence for each variable that is missing or wrong."""
    found = []
    for name, value in wanted(work, program, arguments).items():
        text = environ.get(name)
        if text is None:
            found.append(f"{name} is not set")
        elif isinstance(value, Json):
            if not _is(text, value.value):
                found.append(f"{name} is {text[:200]!r}, not {json.dumps(value.value)[:200]}")
        elif text != value:
            found.append(f"{name} is {text[:200]!r}, not {value!r}")
    for kind, names in ((int, NUMBERS), (list, LISTS), (dict, OBJECTS)):
        for name in names:
            if name not in environ:
                found.append(f"{name} is not set")
            elif not isinstance(_decoded(environ[name]), kind):
                found.append(f"{name} is {environ[name][:200]!r}")
    return found


def _is(text: str, value: object) -> bool:
    decoded = _decoded(text)
    return type(decoded) is type(value) and decoded == value


def _decoded(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
