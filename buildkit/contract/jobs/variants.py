"""What may be unusual about an otherwise good job: hyperparameters, surroundings, channels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract.checks import Unsampled, Unseen
from buildkit.contract.comparison import is_number
from buildkit.contract.jobs import training_job
from buildkit.contract.jobs.training_job import Channel, Job
from buildkit.contract.jobs.variations import Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from buildkit.contract.engine import Start
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
CONTENT_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".parquet": "application/x-parquet",
}
LONGEST_CHANNEL = "my-Data.v1_".ljust(64, "x")


# Hyperparameters


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


def _in_other_encoding(work: Job) -> Mapping[str, object]:
    return {name: other_encoding(value) for name, value in work.hyperparameters.items()}


def _lacks_text(work: Job) -> Unseen | None:
    same = _in_other_encoding(work) == work.hyperparameters
    return Unseen("no hyperparameter of the samples is text") if same else None


@Variant(title="the text hyperparameters in the other encoding (bare or JSON)", lacks=_lacks_text)
def encoded(work: Job) -> Job:
    return replace(work, hyperparameters=_in_other_encoding(work))


def _add(work: Job, more: Mapping[str, object]) -> Job:
    """Add hyperparameters; those of the samples win."""
    return replace(work, hyperparameters={**more, **work.hyperparameters})


def _objective(samples: Samples) -> Mapping[str, str]:
    """The objective of the samples: bare text, as the service writes it."""
    return {"_tuning_objective_metric": samples.objective} if samples.objective else {}


TUNED = Variant(title="the hyperparameter _tuning_objective_metric", hyperparameters=_objective)


def _reserve(work: Job, names: Mapping[str, object]) -> Job:
    code = {} if work.code is None else {"sagemaker_submit_directory": f"{training_job.ROOT}/code"}
    more = {**RESERVED_NAMES, **code, **names}
    return _add(work, {name: json.dumps(value) for name, value in more.items()})


@Variant(title="SageMaker's reserved hyperparameters", hyperparameters=_objective)
def reserved(work: Job) -> Job:
    return _reserve(work, NEEDS_AWS)


@Variant(title="reserved hyperparameters that need no AWS", hyperparameters=_objective)
def reserved_local(work: Job) -> Job:
    return _reserve(work, {})


def _script(work: Job) -> Unseen | None:
    if work.code is None:
        return None
    return Unseen("a user's script may refuse unknown hyperparameters")


@Variant(title=f"an unknown hyperparameter of {LONGEST_VALUE} characters", lacks=_script)
def unknown(work: Job) -> Job:
    name, value = SECRET_HYPERPARAMETER
    return _add(work, {name: value.ljust(LONGEST_VALUE, "x")})


@Variant(title="a short unknown hyperparameter", lacks=_script)
def unknown_short(work: Job) -> Job:
    return _add(work, dict([SECRET_HYPERPARAMETER]))


@Variant(
    title=f"{MOST_HYPERPARAMETERS} hyperparameters, a name of {LONGEST_NAME} characters among them",
    lacks=_script,
)
def many(work: Job) -> Job:
    """As many hyperparameters as a job may have, one of them with the longest name."""
    left = MOST_HYPERPARAMETERS - len(work.hyperparameters)
    names = ["buildkit_".ljust(LONGEST_NAME, "x"), *(f"buildkit_{n}" for n in range(1, left))]
    return _add(work, dict.fromkeys(names[: max(left, 0)], "1"))


# Surroundings


def _another_name(bench: Bench, start: Start) -> Start:
    """A second interface, and a host name in the job that is not the kernel's (DIST-09)."""
    first, second = bench.once(_networks)
    return replace(start, hostname=KERNEL_NAME, networks=((first, (RENAMED_HOST,)), (second, ())))


def _networks(bench: Bench) -> tuple[str, str]:
    return bench.keep(bench.engine.network()), bench.keep(bench.engine.network())


@Variant(
    title=f"the host {RENAMED_HOST}, which gethostname() does not return, and the interface eth1",
    conditions=_another_name,
)
def renamed(work: Job) -> Job:
    return replace(work, hosts=(RENAMED_HOST,), host=RENAMED_HOST, interface="eth1")


@Variant(title="unknown files in /opt/ml/input/config")
def junk(work: Job) -> Job:
    more = (
        ("input/config/init-config.json", json.dumps({"version": 1, "steps": ["x"] * 50}).encode()),
        ("input/config/metric-definition-regex.json", b"[]"),
        ("input/config/leftover.bin", bytes(range(256))),
    )
    return replace(work, files=(*work.files, *more))


@Variant(title="no AWS_REGION")
def no_region(work: Job) -> Job:
    kept = {name: text for name, text in work.environment.items() if name != "AWS_REGION"}
    return replace(work, environment=kept)


@Variant(title=f"a secret in the variable {SECRET_VARIABLE[0]}")
def secretive(work: Job) -> Job:
    return work.with_variables(dict([SECRET_VARIABLE]))


@Variant(title="the empty cache folder of a warm pool and the variable that names it")
def cached(work: Job) -> Job:
    folders = (*work.folders, training_job.CACHE)
    return replace(work, folders=folders).with_variables(training_job.WARM_POOL)


@Variant(title="no folder /opt/ml/output/data")
def sparse(work: Job) -> Job:
    kept = ("output" if each == "output/data" else each for each in work.folders)
    return replace(work, folders=tuple(kept))


@Variant(title="the mode 0644 of the folder /opt/ml/input/config")
def modes(work: Job) -> Job:
    return replace(work, configuration_mode=0o644)


UNUSUAL_JOB = (
    encoded, reserved, TUNED, unknown, many, renamed, junk, no_region, secretive, cached, sparse,
    modes,
)  # fmt: skip


# Channels


def lacks_channel(work: Job) -> Unseen | None:
    return None if work.channels else Unsampled("no channel is declared")


def _lacks(fits: Callable[[Channel], object], why: str) -> Callable[[Job], Unseen | None]:
    """Why no channel can be varied: there is none, or none fits."""

    def lacks(work: Job) -> Unseen | None:
        some = any(map(fits, work.channels)) or not work.channels
        return lacks_channel(work) if some else Unsampled(why)

    return lacks


@Variant(title="the input mode FastFile and an unknown key for each channel", lacks=lacks_channel)
def fast_file(work: Job) -> Job:
    return work.with_facts(
        lambda _channel: {"TrainingInputMode": "FastFile", "UnknownKey": "unknown"}
    )


def content_type(channel: Channel) -> str | None:
    """The content type by the names of a channel's files, None if they differ or are unknown."""
    path = channel.path or Path()
    files = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]
    found = {CONTENT_TYPES.get(each.suffix.lower()) for each in files}
    return found.pop() if len(found) == 1 else None


@Variant(
    title="a ContentType for each channel",
    lacks=_lacks(content_type, "no channel of the samples shows its content type"),
)
def typed(work: Job) -> Job:
    return work.with_facts(
        lambda channel: {"ContentType": found} if (found := content_type(channel)) else {}
    )


def _further(work: Job, name: str) -> Job:
    """A further channel with the data of the first."""
    return replace(work, channels=(*work.channels, replace(work.channels[0], name=name)))


@Variant(title=f"a further channel `{LONGEST_CHANNEL}`", lacks=lacks_channel)
def named(work: Job) -> Job:
    return _further(work, LONGEST_CHANNEL)


@Variant(title="a further channel `extra`")
def plainly_named(work: Job) -> Job:
    return _further(work, "extra")


@Variant(title="a file <channel>-manifest beside each channel", lacks=lacks_channel)
def manifests(work: Job) -> Job:
    content = b'[{"prefix": "s3://amzn-s3-demo-bucket/data/"}, "part-0"]'
    files = tuple((f"input/data/{each.name}-manifest", content) for each in work.channels)
    return replace(work, files=(*work.files, *files))


def _flat(channel: Channel) -> bool:
    """Whether a channel has no sub-folders: if they mean something, an empty one may be invalid."""
    path = channel.path or Path()
    return path.is_dir() and not any(each.is_dir() for each in path.rglob("*"))


@Variant(
    title="an empty folder in each channel",
    lacks=_lacks(_flat, "no channel of the samples is a flat folder"),
)
def empty_folders(work: Job) -> Job:
    more = tuple(f"input/data/{each.name}/empty-folder" for each in work.channels if _flat(each))
    return replace(work, folders=(*work.folders, *more))


@Variant(title="the SDK's channels `code` and `sm_drivers`", lacks=lacks_channel)
def sdk_channels(work: Job) -> Job:
    taken = {each.name for each in work.channels}
    names = [name for name in ("code", "sm_drivers") if name not in taken]
    notes = tuple(
        (f"input/data/{name}/notes.txt", b"This is\nno training\ndata.\n") for name in names
    )
    more = tuple(Channel(name=name, path=None) for name in names)
    return replace(work, channels=(*work.channels, *more), files=(*work.files, *notes))


UNUSUAL_CHANNELS = (fast_file, typed, named, manifests, empty_folders, sdk_channels)
