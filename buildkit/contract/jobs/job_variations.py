"""Unusual hyperparameters, surroundings and variables of an otherwise good job."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from buildkit.contract.checks import Unseen
from buildkit.contract.comparison import is_number
from buildkit.contract.jobs import training_job
from buildkit.contract.jobs.variations import Variant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit.contract.engine import Start
    from buildkit.contract.jobs.training_job import Job
    from buildkit.contract.scenario import Bench
    from buildkit.model.target import Samples

LONGEST_VALUE = 2500
LONGEST_NAME = 256
MOST_HYPERPARAMETERS = 100
"""Characters and entries that the API allows (CFG-01)."""
RENAMED_HOST = "algo-1-ab12c"
KERNEL_NAME = "ip-10-0-93-7.ec2.internal"
"""The name of a host in resourceconfig.json, and its host name in the kernel."""
SECRET_VARIABLE = ("DB_PASSWORD", "53ntin3l-in-a-variable")
SECRET_HYPERPARAMETER = ("db_password", "53ntin3l-in-a-hyperparameter")
"""Names and values: the values must not be in logs."""
RESERVED_NAMES: Mapping[str, object] = {
    "sagemaker_container_log_level": 20,
    "sagemaker_job_name": training_job.NAME,
    "sagemaker_region": "us-east-1",
    "sagemaker_instance_type": training_job.INSTANCE,
    "sagemaker_estimator_class_name": "Estimator",
    "sagemaker_estimator_module": "sagemaker.estimator",
    "default_user_module_name": "default_user_module_name",
}
NEEDS_AWS: Mapping[str, object] = {
    "sagemaker_s3_output": "s3://amzn-s3-demo-bucket/output",
    "sagemaker_enable_cloudwatch_metrics": False,
}
"""Hyperparameters that need credentials, which do not exist here."""


def other_encoding(value: object) -> object:
    """A hyperparameter as another client sends it: text in quotes or without, numbers as is."""
    if not isinstance(value, str) or is_number(value):
        return value
    if value in ("True", "False"):
        return value.lower()
    try:
        decoded = json.loads(value)
    except ValueError:
        return json.dumps(value)
    is_plain = isinstance(decoded, str) and _needs_quotes(decoded)
    return decoded if is_plain else value


def _needs_quotes(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return bool(text)
    return False


def _encode(work: Job) -> Job:
    changed = {name: other_encoding(value) for name, value in work.hyperparameters.items()}
    return replace(work, hyperparameters=changed)


def _lacks_text(work: Job) -> Unseen | None:
    same = _encode(work).hyperparameters == dict(work.hyperparameters)
    return Unseen("no hyperparameter of the samples is text") if same else None


def _with_hyperparameters(work: Job, more: Mapping[str, object]) -> Job:
    """Add hyperparameters; those of the samples win."""
    return replace(work, hyperparameters={**more, **work.hyperparameters})


def _encoded(names: Mapping[str, object]) -> Mapping[str, object]:
    return {name: json.dumps(value) for name, value in names.items()}


def _reserve_local(work: Job) -> Job:
    code = {} if work.code is None else {"sagemaker_submit_directory": f"{training_job.ROOT}/code"}
    return _with_hyperparameters(work, _encoded({**RESERVED_NAMES, **code}))


def _objective(samples: Samples) -> Mapping[str, str]:
    """The objective of the samples: bare text, as the service writes it."""
    return {"_tuning_objective_metric": samples.objective} if samples.objective else {}


def _reserve(work: Job) -> Job:
    return _with_hyperparameters(_reserve_local(work), _encoded(NEEDS_AWS))


def _unknown(work: Job) -> Job:
    name, value = SECRET_HYPERPARAMETER
    return _with_hyperparameters(work, {name: value.ljust(LONGEST_VALUE, "x")})


def _unknown_short(work: Job) -> Job:
    name, value = SECRET_HYPERPARAMETER
    return _with_hyperparameters(work, {name: value})


def _many(work: Job) -> Job:
    """As many hyperparameters as a job may have, one of them with the longest name."""
    left = MOST_HYPERPARAMETERS - len(work.hyperparameters)
    names = ["buildkit_".ljust(LONGEST_NAME, "x"), *(f"buildkit_{n}" for n in range(1, left))]
    return _with_hyperparameters(work, dict.fromkeys(names[: max(left, 0)], "1"))


def _script(work: Job) -> Unseen | None:
    if work.code is None:
        return None
    return Unseen("a user's script may refuse unknown hyperparameters")


def _junk(work: Job) -> Job:
    more = (
        ("input/config/init-config.json", json.dumps({"version": 1, "steps": ["x"] * 50}).encode()),
        ("input/config/metric-definition-regex.json", b"[]"),
        ("input/config/leftover.bin", bytes(range(256))),
    )
    return replace(work, files=(*work.files, *more))


def _another_name(bench: Bench, start: Start) -> Start:
    """A second interface, and a host name in the job that is not the kernel's (DIST-09)."""
    first, second = bench.once(_networks)
    return replace(start, hostname=KERNEL_NAME, networks=((first, (RENAMED_HOST,)), (second, ())))


def _networks(bench: Bench) -> tuple[str, str]:
    return bench.keep(bench.engine.network()), bench.keep(bench.engine.network())


def _no_region(work: Job) -> Job:
    kept = {name: text for name, text in work.environment.items() if name != "AWS_REGION"}
    return replace(work, environment=kept)


def _secret(work: Job) -> Job:
    return replace(work, environment={**work.environment, **dict([SECRET_VARIABLE])})


def _sparse(work: Job) -> Job:
    kept = ("output" if each == "output/data" else each for each in work.folders)
    return replace(work, folders=tuple(kept))


ENCODED = Variant(
    title="the text hyperparameters in the other encoding (bare or JSON)",
    change=_encode,
    lacks=_lacks_text,
)
RESERVED = Variant(
    title="SageMaker's reserved hyperparameters", change=_reserve, hyperparameters=_objective
)
RESERVED_LOCAL = Variant(
    title="reserved hyperparameters that need no AWS",
    change=_reserve_local,
    hyperparameters=_objective,
)
TUNED = Variant(title="the hyperparameter _tuning_objective_metric", hyperparameters=_objective)
UNKNOWN = Variant(
    title=f"an unknown hyperparameter of {LONGEST_VALUE} characters", change=_unknown, lacks=_script
)
UNKNOWN_SHORT = Variant(
    title="a short unknown hyperparameter", change=_unknown_short, lacks=_script
)
MANY = Variant(
    title=f"{MOST_HYPERPARAMETERS} hyperparameters, a name of {LONGEST_NAME} characters among them",
    change=_many,
    lacks=_script,
)
RENAMED = Variant(
    title=f"the host {RENAMED_HOST}, which gethostname() does not return, and the interface eth1",
    change=lambda work: replace(work, hosts=(RENAMED_HOST,), host=RENAMED_HOST, interface="eth1"),
    conditions=_another_name,
)
JUNK = Variant(title="unknown files in /opt/ml/input/config", change=_junk)
NO_REGION = Variant(title="no AWS_REGION", change=_no_region)
SECRETIVE = Variant(title=f"a secret in the variable {SECRET_VARIABLE[0]}", change=_secret)
SPARSE = Variant(title="no folder /opt/ml/output/data", change=_sparse)
MODES = Variant(
    title="the mode 0644 of the folder /opt/ml/input/config",
    change=lambda work: replace(work, configuration_mode=0o644),
)
VARIANTS = (
    ENCODED, RESERVED, TUNED, UNKNOWN, MANY, RENAMED, JUNK, NO_REGION, SECRETIVE, SPARSE, MODES,
)  # fmt: skip
