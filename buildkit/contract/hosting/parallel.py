"""Different bodies in parallel: each answer is compared with the one that the body gets alone."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Unseen
from buildkit.contract.comparison import same
from buildkit.contract.hosting import bodies
from buildkit.contract.hosting.client import OK
from buildkit.contract.hosting.server import outcome
from buildkit.contract.signs import Sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from buildkit.contract.hosting.client import Answer
    from buildkit.model.target import Payload

    Ask = Callable[[bytes, Payload], Answer]

ROUNDS = 20
IN_A_ROUND = 5
"""Requests of each parallel client before the answers are checked."""
MOST = 8
"""The number of different bodies that is enough."""
QUICK_SECONDS = 1
"""Slower bodies are left out, as they would make the check too long."""
ENOUGH_SECONDS = 10
"""No new round starts after this time."""


@dataclass(frozen=True, kw_only=True)
class Steady:
    """A body that got the same answer twice when sent alone."""

    body: bytes
    like: Payload
    answer: Answer

    @property
    def name(self) -> str:
        return f"a body like {Path(self.like.body).name}"

    def fits(self, found: Answer) -> bool:
        return alike(found, self.answer)


def alike(found: Answer, wanted: Answer) -> bool:
    return found.status == wanted.status and same(wanted.content_type, found.body, wanted.body)


def steady(payloads: Iterable[Payload], ask: Ask) -> list[Steady]:
    """Samples and bodies made from them that steadily and quickly get 200, each another answer."""
    found: list[Steady] = []
    for payload in payloads:
        sample = Path(payload.body).read_bytes()
        for body in (sample, *bodies.others(payload.content_type, sample)):
            each = _steady(body, payload, ask)
            if each is not None and not any(alike(each.answer, old.answer) for old in found):
                found.append(each)
            if len(found) == MOST:
                return found
    return found


def _steady(body: bytes, like: Payload, ask: Ask) -> Steady | None:
    try:
        first = ask(body, like)
        if first.status != OK or first.seconds > QUICK_SECONDS:
            return None
        found = Steady(body=body, like=like, answer=first)
        return found if found.fits(ask(body, like)) else None
    except Broken:
        return None


def need_two(found: Sequence[Steady]) -> None:
    if len(found) < 2:  # noqa: PLR2004 - else no answer can be mistaken for another
        raise Unseen(
            "no two bodies like the samples get different, repeatable answers: give two "
            "payloads with different answers"
        )


def not_mixed_up(found: Sequence[Steady], number: int, ask: Ask) -> None:
    """Raises Broken if one of `number` parallel requests gets another answer than alone, or Unseen.

    It has the sign OF_ANOTHER where that is the answer to another of the requests.
    """
    need_two(found)

    def wrong(at: int) -> tuple[Steady, Answer] | None:
        each = found[at % len(found)]
        try:
            answer = ask(each.body, each.like)
        except Broken:
            return None  # other checks judge missing answers
        return None if answer.status != OK or each.fits(answer) else (each, answer)

    began = time.monotonic()
    with ThreadPoolExecutor(max_workers=number) as pool:
        for _ in range(ROUNDS):
            if time.monotonic() - began > ENOUGH_SECONDS:
                return
            # The round is over before a body is sent alone: in parallel that would prove nothing.
            evidence = list(filter(None, pool.map(wrong, range(number * IN_A_ROUND))))
            evidence.sort(key=lambda each: not any(other.fits(each[1]) for other in found))
            for each, answer in evidence[:1]:
                _blame(each, answer, found, ask)


def all_answered(number: int, ask: Callable[[], Answer]) -> None:
    """Raises Broken unless `number` parallel requests are all answered with 200, in two tries."""
    failed: list[str] = []
    with ThreadPoolExecutor(max_workers=number) as pool:
        for _ in range(2):
            failed = list(filter(None, pool.map(lambda _: outcome(ask), range(number))))
            if not failed:
                return
    raise Broken(f"{len(failed)} of {number} parallel requests failed: {failed[0]}")


def _blame(each: Steady, answer: Answer, found: Sequence[Steady], ask: Ask) -> None:
    evidence = f"in parallel with other requests {each.name} got {answer.shown()}"
    signs = []
    if any(other.fits(answer) for other in found):
        evidence += ", the answer to another of the requests"
        signs.append(Sign.OF_ANOTHER)
    blame(each, answer, ask, evidence, *signs)


def blame(each: Steady, answer: Answer, ask: Ask, evidence: str, *signs: Sign) -> None:
    """Raises Broken for another answer than the body gets alone, or Unseen if that one varies."""
    if each.fits(answer):
        return
    if not each.fits(ask(each.body, each.like)):
        raise Unseen("the answer to one body varies between requests")
    raise Broken(f"{evidence}; alone {each.answer.shown()}", *signs)
