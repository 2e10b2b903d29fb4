"""Clauses that one failed run on the samples cannot prove: the run is repeated with a change."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from buildkit.contract.checks import Broken, Doubtful, Unseen, check, hindered
from buildkit.contract.jobs import endings, training_job, training_runs, variants, variations
from buildkit.contract.jobs.variations import Variant
from buildkit.contract.scenario import observation
from buildkit.contract.signs import Sign
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit.contract.jobs.endings import Then
    from buildkit.contract.jobs.training_job import Channel, Job
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.scenario import Bench

MISSES = re.compile(
    r"KeyError: ['\"]?(?P<key>SM_\w+)|(?P<shell>SM_\w+): (?:unbound variable|parameter )"
)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    bench: Bench
    plain: Run

    @property
    def work(self) -> Job:
        return training_job.of(self.bench.subject.samples)

    @property
    def log(self) -> str:
        return "\n".join(self.plain.said)

    def settle(self, variant: Variant, evidence: str) -> NoReturn:
        """Raise Broken if the failed run succeeds with the variant, else Unseen."""
        self.blame(variant, evidence)
        raise hindered(OTHERWISE, Sign.SAMPLES_FAIL)

    def blame(
        self, variant: Variant, evidence: str, *signs: Sign, then: Then | None = None
    ) -> None:
        """Raise Broken if the failed run succeeds with the variant."""
        if self.again(variant, then=then).good:
            found = (Sign.SAMPLES_EXPLAINED, *signs, *self.plain.signs)
            raise Broken(f"{evidence} {self.plain.evidence}", *found)

    def again(self, variant: Variant, *, then: Then | None = None) -> Run:
        """Repeat the failed run with something that SageMaker does not do. Raises Unseen."""
        if self.plain.refusal is not None or self.plain.exit_code is None:
            raise hindered("training failed without showing why", Sign.SAMPLES_FAIL)
        variant.need(self.work)
        return variations.train(self.bench, (variant,), then=then)


@observation(
    "`train` on the samples; after a failure, again with what SageMaker does not provide",
    Purpose.TRAINING,
)
def diagnosed(bench: Bench) -> Diagnosis:
    return Diagnosis(bench=bench, plain=training_runs.trained(bench))


def _values(texts: Mapping[str, object]) -> Mapping[str, object]:
    """The values whose text is JSON other than a string, decoded."""
    found = {}
    for name, value in texts.items():
        try:
            decoded = json.loads(str(value))
        except (ValueError, RecursionError):
            continue
        if not isinstance(decoded, str):
            found[name] = decoded
    return found


def _lacks_values(work: Job) -> Unseen | None:
    if _values(work.hyperparameters):
        return None
    return Unseen("no hyperparameter of the samples is a number, a list or an object")


def _address(channel: Channel) -> Mapping[str, object]:
    """Facts about a channel that are in the request of a job, but not in inputdataconfig.json."""
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://amzn-s3-demo-bucket/{channel.name}",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {
        **source,
        "ChannelName": channel.name,
        "InputMode": "File",
        "CompressionType": "None",
        "S3DataSource": source,
        "DataSource": {"S3DataSource": source},
        **channel.facts,
    }


def _variables(work: Job) -> Mapping[str, str]:
    """More variables that the training toolkit, the SDK and local mode set (TTK-08)."""
    inputs = f"{training_job.ROOT}/input"
    return {
        "SM_MODEL_DIR": f"{training_job.ROOT}/model",
        "SM_INPUT_DIR": inputs,
        "SM_INPUT_CONFIG_DIR": f"{inputs}/config",
        "SM_OUTPUT_DIR": f"{training_job.ROOT}/output",
        "SM_OUTPUT_DATA_DIR": f"{training_job.ROOT}/output/data",
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
        "SAGEMAKER_JOB_NAME": training_job.NAME,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@Variant(title="JSON values for the hyperparameters", lacks=_lacks_values)
def values(work: Job) -> Job:
    decoded = _values(work.hyperparameters)
    return replace(work, hyperparameters={**work.hyperparameters, **decoded})


@Variant(title="S3 addresses for the channels", lacks=variants.lacks_channel)
def addresses(work: Job) -> Job:
    return work.with_facts(_address)


TERMINAL = Variant(
    title="a terminal", conditions=lambda _bench, start: replace(start, terminal=True)
)
LARGE_MEMORY = Variant(
    title="a large /dev/shm",
    conditions=lambda _bench, start: replace(start, scratch=("/dev/shm",)),  # noqa: S108
)


@Variant(title="the variables of the training toolkit")
def toolkit_variables(work: Job) -> Job:
    return work.with_variables({**_variables(work), **work.environment})


@Variant(title="PYTHONUNBUFFERED")
def without_buffer(work: Job) -> Job:
    return work.with_variables({"PYTHONUNBUFFERED": "1"})


HELD_BACK_SECONDS = 0.25
HELD_BACK_TIMES = 3
"""Buffered lines come at once; lines that spread over this many times as long were buffered."""
LONGER_SECONDS = 60
"""Extra time for a run with a terminal, which may wait for a person."""
OTHERWISE = "training failed for another reason"
SUCCEEDS = "training on the samples succeeds, so there is nothing to diagnose"
ASKS = re.compile(r"EOF when reading a line|EOFError|/dev/tty", re.IGNORECASE)
WANTS_TERMINAL = re.compile(
    r"inappropriate ioctl|not a (tty|terminal)|TERM environment variable not set", re.IGNORECASE
)
WANTS_ADDRESS = re.compile(
    r"KeyError: '(S3Uri|S3DataSource|DataSource|ChannelName|InputMode|CompressionType)'"
)
FULL = re.compile(r"No space left on device|bus error|/dev/shm|shared memory", re.IGNORECASE)


@check(
    "CFG-01",
    diagnosed,
    gap="the samples have no hyperparameter that is a number, a list or an object",
)
def reads_values_as_text(diagnosis: Diagnosis) -> None:
    """Values are text. A run that fails must not pass with JSON numbers, lists, objects."""
    if diagnosis.plain.good:
        values.need(diagnosis.work)
        return
    diagnosis.settle(
        values,
        "`train` needs JSON values (numbers, lists, objects), but SageMaker sends text: with text "
        "it",
    )


@check("CFG-02", diagnosed)
def needs_no_certain_encoding(diagnosis: Diagnosis) -> None:
    """A run that fails must not pass with its text hyperparameters in the other encoding."""
    if diagnosis.plain.good:
        variants.encoded.need(diagnosis.work)
        raise Unseen(SUCCEEDS)
    diagnosis.settle(
        variants.encoded,
        "`train` accepts only one encoding of text: it succeeds with the other one (bare or JSON); "
        "with the samples' own it",
    )


@check("CFG-04", diagnosed)
def needs_no_addresses(diagnosis: Diagnosis) -> None:
    """There is no S3 address. A run that fails must not pass with one, nor miss its key."""
    plain = diagnosis.plain
    if plain.good:
        addresses.need(diagnosis.work)
        raise Unseen(SUCCEEDS)
    diagnosis.blame(
        addresses,
        "`train` reads facts that inputdataconfig.json does not hold, such as an S3 address: "
        "without them it",
    )
    if missed := WANTS_ADDRESS.search(diagnosis.log):
        raise Broken(f"`train` reads {missed[1]}, which does not exist: it {plain.evidence}")
    raise hindered(OTHERWISE, Sign.SAMPLES_FAIL)


@check("DIST-10", diagnosed, decides=True)
def needs_no_large_memory(diagnosis: Diagnosis) -> None:
    """A run that fails for lack of space must not pass with a larger /dev/shm."""
    if diagnosis.plain.good:
        return
    if FULL.search(diagnosis.log):
        diagnosis.blame(
            LARGE_MEMORY,
            "`train` needs more than 64 MB of /dev/shm: with 64 MB it",
            Sign.SHARED_MEMORY,
        )
    raise hindered(OTHERWISE, Sign.SAMPLES_FAIL)


@check("RUN-07", diagnosed)
def needs_no_terminal(diagnosis: Diagnosis) -> None:
    """There is no terminal and no input. A run that fails must not pass with a terminal."""
    plain = diagnosis.plain
    if plain.good:
        return
    if ASKS.search(diagnosis.log):
        raise Broken(f"`train` asks for input, but SageMaker provides none: it {plain.evidence}")
    diagnosis.blame(
        TERMINAL,
        "`train` works only in a terminal: without one it",
        then=endings.within(plain.seconds + LONGER_SECONDS),
    )
    if WANTS_TERMINAL.search(diagnosis.log):
        raise Doubtful(f"`train` seems to need a terminal: it {plain.evidence}")
    raise hindered(OTHERWISE, Sign.SAMPLES_FAIL)


@check("ENV-01", diagnosed)
def needs_no_more_variables(diagnosis: Diagnosis) -> None:
    """Only the documented variables are set. A run that fails must not pass with SM_* ones."""
    plain = diagnosis.plain
    if plain.good:
        return
    diagnosis.blame(
        toolkit_variables, "`train` needs variables that SageMaker does not set: without them it"
    )
    if missing := missing_variable(diagnosis.log):
        raise Doubtful(
            f"`train` seems to need {missing}, which SageMaker does not set: it {plain.evidence}"
        )
    raise hindered(OTHERWISE, Sign.SAMPLES_FAIL)


@check("DATA-07", diagnosed)
def needs_no_content_type(diagnosis: Diagnosis) -> None:
    """No channel has a ContentType. A run that fails must not pass with one."""
    if diagnosis.plain.good:
        addresses.need(diagnosis.work)
        return
    diagnosis.settle(variants.typed, "`train` needs a ContentType: without one it")


@check("LOG-02", diagnosed)
def log_is_not_held_back(diagnosis: Diagnosis) -> None:
    """Lines come one by one. If all come at once, PYTHONUNBUFFERED must not spread them.

    To confirm that, both runs are repeated side by side.
    """
    if not diagnosis.plain.good:
        raise hindered("training failed", Sign.SAMPLES_FAIL)
    at_once = _spread(diagnosis.plain)
    if at_once > HELD_BACK_SECONDS:
        return
    if not _wider(at_once, _spread(diagnosis.again(without_buffer))):
        raise Unseen(
            f"all {len(diagnosis.plain.lines)} lines come within {at_once:.1f} s, with a buffer or "
            "without: use samples that print for longer"
        )
    plain, unbuffered = map(_spread, _side_by_side(diagnosis))
    if not _wider(plain, unbuffered):
        raise Unseen("the times of the lines vary between runs")
    raise Broken(
        f"all {len(diagnosis.plain.lines)} lines come within {plain:.1f} s; with "
        f"PYTHONUNBUFFERED=1 they come over {unbuffered:.1f} s, as they are printed",
        Sign.BUFFERED,
    )


def _wider(at_once: float, unbuffered: float) -> bool:
    """Whether lines spread much more without a buffer."""
    return unbuffered > HELD_BACK_TIMES * at_once + HELD_BACK_SECONDS


def _side_by_side(diagnosis: Diagnosis) -> tuple[Run, Run]:
    """The plain run and the one without a buffer, on the same machine at the same time."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        plain = pool.submit(variations.train, diagnosis.bench, ())
        unbuffered = pool.submit(diagnosis.again, without_buffer)
        return plain.result(), unbuffered.result()


def _spread(run: Run) -> float:
    """Seconds from the first to the last line."""
    return run.lines[-1].at - run.lines[0].at if run.lines else 0.0


def missing_variable(log: str) -> str | None:
    found = MISSES.search(log)
    return None if found is None else found["key"] or found["shell"]
