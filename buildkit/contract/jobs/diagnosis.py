"""Clauses that a suspicious run on the samples does not prove: it is tried again otherwise."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkit.contract.bench import Scenario
from buildkit.contract.clause import Broken, Doubtful, Unseen, check
from buildkit.contract.jobs import bundle, channels, job, runs
from buildkit.contract.jobs.bundle import Variant
from buildkit.model import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildkit.contract.bench import Bench
    from buildkit.contract.jobs.job import Job
    from buildkit.contract.jobs.runs import Run

MISSES = re.compile(
    r"KeyError: ['\"]?(?P<key>SM_\w+)|(?P<shell>SM_\w+): (?:unbound variable|parameter )"
)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    bench: Bench
    plain: Run

    @property
    def work(self) -> Job:
        return job.of(self.bench.subject.samples)

    def again(self, variant: Variant) -> Run:
        """The failed run with something that SageMaker does not do. Raises Unseen."""
        if self.plain.refusal is not None or self.plain.exit_code is None:
            raise Unseen("training failed, and not in a way that tells why")
        if why := variant.lacks(self.work):
            raise Unseen(why)
        return bundle.train(self.bench, (variant,))


@contextmanager
def _stage(bench: Bench) -> Iterator[Diagnosis]:
    yield Diagnosis(bench=bench, plain=runs.trained(bench))


AGAIN = Scenario(
    title="`train` on the samples; where that looks wrong, again with what SageMaker does not give",
    stage=_stage,
    purpose=Purpose.TRAINING,
)


def _numbers(values: Mapping[str, object]) -> Mapping[str, object]:
    """The values whose text is a JSON number or boolean, as such."""
    found = {}
    for name, value in values.items():
        try:
            decoded = json.loads(str(value))
        except ValueError:
            continue
        if isinstance(decoded, int | float):
            found[name] = decoded
    return found


def _lacks_numbers(work: Job) -> str:
    found = _numbers(work.hyperparameters)
    return "" if found else "no hyperparameter of the samples is a number"


def _variables(work: Job) -> Mapping[str, str]:
    """What the training toolkit, the SDK and local mode set besides (TTK-08)."""
    inputs = f"{job.ROOT}/input"
    return {
        "SM_MODEL_DIR": f"{job.ROOT}/model",
        "SM_INPUT_DIR": inputs,
        "SM_INPUT_CONFIG_DIR": f"{inputs}/config",
        "SM_OUTPUT_DIR": f"{job.ROOT}/output",
        "SM_OUTPUT_DATA_DIR": f"{job.ROOT}/output/data",
        "SM_CHANNELS": json.dumps([each.name for each in work.channels]),
        **{
            f"SM_CHANNEL_{each.name.upper()}": f"{inputs}/data/{each.name}"
            for each in work.channels
        },
        "SM_HPS": json.dumps(dict(work.hyperparameters)),
        **{f"SM_HP_{name.upper()}": str(text) for name, text in work.hyperparameters.items()},
        "SM_USER_ARGS": "[]",
        "SM_HOSTS": json.dumps(work.hosts),
        "SM_CURRENT_HOST": work.host,
        "SM_NETWORK_INTERFACE_NAME": work.interface,
        "SM_NUM_CPUS": "1",
        "SM_NUM_GPUS": "0",
        "SM_LOG_LEVEL": "20",
        "SAGEMAKER_REGION": "us-east-1",
        "SAGEMAKER_JOB_NAME": job.NAME,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


NUMBERS = Variant(
    title="JSON numbers for its hyperparameters",
    change=lambda work: replace(
        work, hyperparameters={**work.hyperparameters, **_numbers(work.hyperparameters)}
    ),
    lacks=_lacks_numbers,
)
VARIABLES = Variant(
    title="the variables of the training toolkit",
    change=lambda work: replace(work, environment={**_variables(work), **work.environment}),
)


UNBUFFERED = Variant(
    title="PYTHONUNBUFFERED",
    change=lambda work: replace(work, environment={**work.environment, "PYTHONUNBUFFERED": "1"}),
)
HELD_BACK_SECONDS = 1.0
HELD_BACK_TIMES = 3
"""What a buffer holds back comes at once; so many times as long, and longer, is another thing."""


@check("CFG-01", AGAIN)
def reads_numbers_as_text(diagnosis: Diagnosis) -> None:
    """Numbers come as text. A run that fails so must not pass with JSON numbers."""
    if diagnosis.plain.good:
        if why := _lacks_numbers(diagnosis.work):
            raise Unseen(why)
        return
    if diagnosis.again(NUMBERS).good:
        raise Broken(
            f"it wants JSON numbers, and SageMaker sends text: with text it {diagnosis.plain.told}"
        )
    raise Unseen("training failed for another reason")


@check("ENV-01", AGAIN)
def needs_no_more_variables(diagnosis: Diagnosis) -> None:
    """Only the documented variables are set. A run that fails so must not pass with SM_* ones."""
    plain = diagnosis.plain
    if plain.good:
        return
    missing = missing_variable("\n".join(line.text for line in plain.lines))
    if diagnosis.again(VARIABLES).good:
        raise Broken(
            f"it needs variables that SageMaker does not set: without them it {plain.told}"
        )
    if missing:
        raise Doubtful(f"it seems to need {missing}, which SageMaker does not set: it {plain.told}")
    raise Unseen("training failed for another reason")


@check("DATA-07", AGAIN)
def needs_no_content_type(diagnosis: Diagnosis) -> None:
    """No channel has a ContentType. A run that fails so must not pass with one."""
    if diagnosis.plain.good:
        if why := channels.lacks_channel(diagnosis.work):
            raise Unseen(why)
        return
    if diagnosis.again(channels.TYPED).good:
        raise Broken(f"it needs a ContentType: without one it {diagnosis.plain.told}")
    raise Unseen("training failed for another reason")


@check("LOG-02", AGAIN)
def log_is_not_held_back(diagnosis: Diagnosis) -> None:
    """Lines come one by one. Where all come at once, PYTHONUNBUFFERED must not spread them.

    Before that is blamed, both run side by side.
    """
    if not diagnosis.plain.good:
        raise Unseen("training failed")
    at_once = _spread(diagnosis.plain)
    if at_once > HELD_BACK_SECONDS:
        return
    if _spread(diagnosis.again(UNBUFFERED)) <= at_once + HELD_BACK_SECONDS:
        return
    plain, unbuffered = map(_spread, _side_by_side(diagnosis))
    if unbuffered > HELD_BACK_TIMES * plain + HELD_BACK_SECONDS:
        raise Broken(
            f"its {len(diagnosis.plain.lines)} lines come within {plain:.1f} s; with "
            f"PYTHONUNBUFFERED=1 they come over {unbuffered:.1f} s, as they are printed"
        )


def _side_by_side(diagnosis: Diagnosis) -> tuple[Run, Run]:
    """The plain run and the one without a buffer, on the same machine at the same time."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        plain = pool.submit(bundle.train, diagnosis.bench, ())
        unbuffered = pool.submit(diagnosis.again, UNBUFFERED)
        return plain.result(), unbuffered.result()


def _spread(run: Run) -> float:
    """Seconds from the first to the last line."""
    return run.lines[-1].at - run.lines[0].at if run.lines else 0.0


def missing_variable(log: str) -> str | None:
    found = MISSES.search(log)
    return None if found is None else found["key"] or found["shell"]


CHECKS = (
    reads_numbers_as_text,
    needs_no_more_variables,
    needs_no_content_type,
    log_is_not_held_back,
)
