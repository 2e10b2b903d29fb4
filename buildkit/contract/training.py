"""Clauses of a training job: three runs of `train`, one good, one that must fail, one stopped."""

from __future__ import annotations

from dataclasses import dataclass

from buildkit.contract.clause import Broken, Unseen, clause, last_lines
from buildkit.model import Level

STOP_SECONDS = 120
"""From SIGTERM to SIGKILL of a training job (RUN-08)."""
REASON_CHARACTERS = 1024
"""As much of the failure file becomes FailureReason (OUT-02)."""
KILLED = 137


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of `train`. `exit_code` is None if it did not end; `refusal`: it did not start."""

    refusal: str | None
    exit_code: int | None
    seconds: float
    log: str
    model: bytes | None
    model_files: tuple[str, ...]
    failure: bytes | None


@dataclass(frozen=True, kw_only=True)
class Training:
    """`failed` is None where the samples have no channel whose absence could make it fail."""

    good: Run
    failed: Run | None
    stopped: Run


@clause(
    "RUN-01",
    "`docker run IMAGE train` starts",
    source="your-algorithms-training-algo-dockerfile",
    hint="put an executable `train` with LF line endings and a first line such as "
    "`#!/usr/bin/env python3` on PATH",
)
def starts(training: Training) -> None:
    if training.good.refusal is not None:
        raise Broken(f"the engine cannot start `train`: {training.good.refusal}")
    if training.good.exit_code in (126, 127):
        raise Broken(
            f"`train` ended with {training.good.exit_code}, as when a program is missing or not "
            f"executable{last_lines(training.good.log)}"
        )


@clause(
    "OUT-01",
    "the exit code tells success from failure",
    source="your-algorithms-training-signal-success-failure",
    hint="end with 0 after success and with another code after every error",
)
def exit_code_tells(training: Training) -> None:
    if training.good.refusal is not None:
        raise Unseen("it did not start")
    said = last_lines(training.good.log)
    if training.good.exit_code is None:
        raise Broken(f"`train` did not end in {training.good.seconds:.0f} s{said}")
    if training.good.exit_code != 0:
        raise Broken(f"`train` on the samples ended with {training.good.exit_code}{said}")
    if training.failed is not None and training.failed.exit_code == 0:
        raise Broken(f"`train` without its channels ended with 0{last_lines(training.failed.log)}")


@clause(
    "OUT-02",
    "a failure leaves its reason in /opt/ml/output/failure",
    source="your-algorithms-training-algo-output",
    hint="on an error write the cause to /opt/ml/output/failure, then exit non-zero",
)
def failure_is_told(training: Training) -> None:
    if training.good.exit_code == 0 and training.good.failure is not None:
        raise Broken("a successful run left a failure file behind")
    if training.failed is None:
        raise Unseen("the samples have no channel to leave out")
    if training.failed.exit_code == 0:
        raise Unseen("the run without channels did not fail")
    text = (training.failed.failure or b"").decode("utf-8", "replace").strip()
    if not text:
        raise Broken(f"the failed run wrote no reason{last_lines(training.failed.log)}")
    if not any(letter.isalnum() for letter in text[:REASON_CHARACTERS]):
        raise Broken(f"the reason says nothing: {text[:80]!r}")


@clause(
    "OUT-03",
    "a model appears in /opt/ml/model",
    source="your-algorithms-training-algo-output",
    hint="save the model below /opt/ml/model (SM_MODEL_DIR): nothing else is kept for hosting",
)
def model_appears(training: Training) -> None:
    if training.good.exit_code != 0:
        raise Unseen("training failed")
    if not training.good.model_files:
        raise Broken(f"/opt/ml/model is empty after training{last_lines(training.good.log)}")


@clause(
    "RUN-08",
    "a stopped training ends in time",
    source="your-algorithms-training-algo-dockerfile",
    hint="handle SIGTERM in the first process, hand it on to its children, end within 120 s",
)
def stops_in_time(training: Training) -> None:
    if training.stopped.refusal is not None:
        raise Unseen("it did not start")
    if training.stopped.exit_code == KILLED or training.stopped.exit_code is None:
        raise Broken(
            f"SIGKILL was needed {training.stopped.seconds:.0f} s after SIGTERM"
            f"{last_lines(training.stopped.log)}"
        )


@clause(
    "LOG-01",
    "training says something on stdout or stderr",
    source="logging-cloudwatch",
    hint="print progress and metrics: CloudWatch shows what the program prints",
    level=Level.RECOMMENDED,
)
def logs_something(training: Training) -> None:
    if training.good.refusal is None and not training.good.log.strip():
        raise Broken("`train` printed nothing")


CLAUSES = (starts, exit_code_tells, failure_is_told, model_appears, stops_in_time, logs_something)
