"""The clause of response streaming (STREAM-01): parts of an answer are sent when ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful, TooBusy, check
from buildkit.contract.hosting import starting
from buildkit.contract.hosting.client import OK
from buildkit.contract.hosting.server import named

if TYPE_CHECKING:
    from buildkit.contract.hosting.client import Answer
    from buildkit.contract.hosting.server import Serving

APART_SECONDS = 0.1
"""Seconds between the first and the last part; with less, the answer may be no stream."""
BUSY = 1.2
"""The slowdown of a machine from which on parts may have been delayed."""
TRIES = 4
"""Tries: a busy machine may read late, and at once, what was sent in parts."""
SHARE = 0.2
"""The least share of the whole time between the first and the last part."""
SERVED = starting.of("`serve` with the model, and streamed answers")


@check("STREAM-01", SERVED)
def streams(serving: Serving) -> None:
    """At least one sample is answered in HTTP chunks, the first long before the last."""
    serving.a_payload()
    seen: list[tuple[str, str]] = []
    shares: list[float] = []
    for payload in serving.payloads:
        for _ in range(TRIES):
            answer = serving.invoke(payload)
            if answer.status != OK:
                break
            verdict = judge(answer)
            if not verdict:
                return
            if AT_THE_END in verdict:
                shares.append(spread(answer) / answer.seconds)
            seen.append((named(payload), verdict))
    _excuse_busy(serving, max(shares, default=0.0))
    evidence = "; ".join(dict.fromkeys(f"{name}: {verdict}" for name, verdict in seen))
    if any(QUICK in verdict for _, verdict in seen):
        raise Doubtful(f"no sample clearly shows a stream: {evidence}")
    raise Broken(f"no sample is answered as a stream: {evidence or 'none is answered with 200'}")


def _excuse_busy(serving: Serving, share: float) -> None:
    """Raise TooBusy if parts within this share of an answer's time may still be a stream."""
    if not share:
        return
    slowdown = serving.machine.slowdown()
    if slowdown > BUSY and share * slowdown >= SHARE:
        raise TooBusy(
            f"programs take {slowdown:.0f} times as long as on an idle machine, and the parts came "
            f"within {share:.0%} of an answer's time; rerun when the machine is less busy"
        )


QUICK = "too quick to judge"
AT_THE_END = "everything at the end"


def judge(answer: Answer) -> str:
    """Why an answer is not a stream, empty if it is."""
    if "chunked" not in answer.headers.get("transfer-encoding", "").lower():
        return "not in HTTP chunks"
    if not answer.parts:
        return "an empty answer"
    if spread(answer) >= max(APART_SECONDS, SHARE * answer.seconds):
        return ""
    first = answer.parts[0][0]
    evidence = f"{len(answer.parts)} parts, the first after {first:.2f} s of {answer.seconds:.2f} s"
    if answer.seconds < 2 * APART_SECONDS:
        return f"{evidence}, {QUICK}"
    return f"{evidence}: {AT_THE_END}"


def spread(answer: Answer) -> float:
    """Seconds from the first part to the last, 0 if there is one at most."""
    return answer.parts[-1][0] - answer.parts[0][0] if answer.parts else 0.0
