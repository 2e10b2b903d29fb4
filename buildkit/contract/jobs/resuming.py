"""Whether logs show that a run resumed where another one had been killed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SPEAKS = re.compile(r"resum|restor|recover|continu|checkpoint|start(ed|ing)? (at|from|with)\b")
DENIES = re.compile(r"scratch|begin|no checkpoint|not found|fail|cannot|error|corrupt|complete")
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, kw_only=True)
class Count:
    """Lines of a log that differ only in a number, which counts up from 0, 1 or its own step."""

    template: str
    column: int
    first: int


def repeats(whole: Sequence[str], first: Sequence[str], again: Sequence[str]) -> str | None:
    """The line of a log that shows a start from scratch; empty if the log shows a resumption.

    None if it shows neither. `whole` is the log without checkpoints, `again` the log with those of
    a run that had printed `first`.
    """
    known = {_template(line) for line in whole}
    for line in again:
        low = line.lower()
        if _template(line) not in known and SPEAKS.search(low) and not DENIES.search(low):
            return ""
    verdict: str | None = None
    for count in counts(whole):
        began = next((line for line in again if _template(line) == count.template), None)
        if began is None or _numbers(began)[count.column] != str(count.first):
            return ""
        if sum(_template(line) == count.template for line in first) > 1:
            verdict = verdict or began
    return verdict


def counts(log: Sequence[str]) -> tuple[Count, ...]:
    """The numbers that count up in a log: at least three lines, by the same step."""
    series: dict[str, list[list[str]]] = {}
    for line in log:
        series.setdefault(_template(line), []).append(_numbers(line))
    return tuple(
        Count(template=template, column=column, first=int(values[0]))
        for template, rows in series.items()
        if len(rows) > 2  # noqa: PLR2004 - two numbers always have the same step
        for column, values in enumerate(zip(*rows, strict=True))
        if _counts_up(values)
    )


def _counts_up(values: Sequence[str]) -> bool:
    if not all(value.isdecimal() and len(value) < 10 for value in values):  # noqa: PLR2004
        return False
    numbers = [int(value) for value in values]
    step = numbers[1] - numbers[0]
    steps = {after - before for before, after in pairwise(numbers)}
    return step > 0 and steps == {step} and numbers[0] in (0, 1, step)


def _template(line: str) -> str:
    return NUMBER.sub("#", line)


def _numbers(line: str) -> list[str]:
    return NUMBER.findall(line)
