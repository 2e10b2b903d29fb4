"""Clauses of a server whose model is missing or broken (SERVE-04, SERVE-16)."""

from __future__ import annotations

import tarfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.contract import archive
from buildkit.contract.checks import Broken, Doubtful, Unsampled, Unseen, check
from buildkit.contract.hosting import starting
from buildkit.contract.hosting.client import OK
from buildkit.contract.hosting.parallel import alike
from buildkit.contract.hosting.reference_server import first_answer, holding_model, plain
from buildkit.contract.hosting.starting import MODEL
from buildkit.contract.jobs import training_runs
from buildkit.contract.logs import last_lines
from buildkit.contract.scenario import Bench, Scenario, scenario
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkit.contract.hosting.client import Answer
    from buildkit.contract.hosting.server import Serving

SETTLED_SECONDS = 3
"""Between the first 200 of /ping and the one that counts as settled."""
LOOK_SECONDS = 0.5
WATCH_SECONDS = 8
GARBAGE = b"\x00\xff\xfe this is no model \x80\n" * 4


@dataclass(frozen=True, kw_only=True)
class Spoilt:
    """A server with a missing or broken model. `good` is the first answer with a good model.

    `settled`: /ping answered 200, and some seconds later again. `answer` is the answer to the first
    sample after that.
    """

    serving: Serving
    name: str
    good: Answer | Broken | None
    settled: bool
    answer: Answer | Broken | None


def _spoilt(title: str, name: str, choose: Callable[[Bench], str]) -> Scenario[Spoilt]:
    @scenario(title, Purpose.INFERENCE)
    def spoilt(bench: Bench) -> Iterator[Spoilt]:
        watch = WATCH_SECONDS + 1.5 * starting.healthy(bench)
        if starting.model(bench) is None:
            raise Unsampled("no model is declared, so the model cannot be missing")
        good = plain(bench).first
        with starting.served(bench, choose=choose, seconds=watch) as serving:
            settled = serving.health.after is not None and _settles(serving)
            answer = first_answer(serving) if settled else None
            yield Spoilt(serving=serving, name=name, good=good, settled=settled, answer=answer)

    return spoilt


def _settles(serving: Serving) -> bool:
    """Whether /ping answers 200 for some seconds."""
    limit = serving.machine.limit(serving.container, SETTLED_SECONDS)
    while well := serving.pings():
        if limit.expired():
            break
        time.sleep(LOOK_SECONDS)
    return well


def _corrupt(bench: Bench) -> str:
    """A volume with the file names of the model, and garbage in each file."""
    made = archive.Archive()
    made.folder("model")
    with holding_model(bench) as chunks:
        try:
            found = archive.members(chunks)
        except tarfile.TarError as error:
            raise Unseen("the model cannot be read", f": {error}") from error
    files = [each for each in found if each.kind == "file"]
    if not files:
        raise Unseen("the model has no file that could be replaced with garbage")
    for each in found:
        if each.kind == "folder" and each.name.rstrip("/") != "model":
            made.folder(each.name)
        elif each.kind == "file":
            made.file(each.name, GARBAGE)
    return training_runs.filled(bench, MODEL, made.chunks())


EMPTY = _spoilt("`serve` with an empty model folder", "an empty model folder", starting.empty_model)
CORRUPT = _spoilt("`serve` with garbage for a model", "garbage in all files of the model", _corrupt)


def _not_ready(spoilt: Spoilt) -> None:
    serving = spoilt.serving
    if serving.exit_code == 0:
        raise Broken(f"with {spoilt.name} `serve` ended with 0{last_lines(serving.log)}")
    if not spoilt.settled:
        return
    if spoilt.answer is None:
        raise Doubtful(f"with {spoilt.name} GET /ping still answers 200")
    if isinstance(spoilt.answer, Broken):
        raise Broken(f"with {spoilt.name} /ping says 200, but {spoilt.answer}")
    if spoilt.answer.status != OK:
        raise Broken(
            f"with {spoilt.name} /ping says 200, but the first sample got {spoilt.answer.shown()}"
        )
    if _alike(spoilt):
        raise Unseen(f"with {spoilt.name} the answer is the same: the image may not need a model")
    raise Doubtful(f"with {spoilt.name} the server gives another answer: {spoilt.answer.shown()}")


def _alike(spoilt: Spoilt) -> bool:
    one, other = spoilt.answer, spoilt.good
    if isinstance(one, Broken | None) or isinstance(other, Broken | None):
        return False
    return one.status == OK and alike(one, other)


@check("SERVE-04", EMPTY, gap="no server without its model was judged")
def not_ready_without_model(spoilt: Spoilt) -> None:
    """/ping does not keep answering 200, or the server ends with an error; no other answer."""
    _not_ready(spoilt)


@check("SERVE-04", CORRUPT, gap="no server with a broken model was judged")
def not_ready_with_garbage(spoilt: Spoilt) -> None:
    """/ping does not keep answering 200, or the server ends with an error; no other answer."""
    _not_ready(spoilt)


@check("SERVE-16", EMPTY, decides=True)
def model_is_read(spoilt: Spoilt) -> None:
    """Without the declared model, the first sample gets another answer."""
    if isinstance(spoilt.good, Broken | None) or spoilt.good.status != OK:
        raise Unseen("no sample is answered with the model either")
    if _alike(spoilt):
        raise Doubtful("the answer is the same with an empty /opt/ml/model: is the model read?")
