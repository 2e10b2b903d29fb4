"""Questions for uv, each asked once, and several at the same time."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from buildkit.outdated.finding import reason
from buildkit.support.errors import BuildkitError
from buildkit.system import workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Question = TypeVar("Question")
Answer = TypeVar("Answer")
RUNS = 4
"""Runs of uv at once: each has threads of its own."""


def ask(
    questions: Iterable[Question], answer: Callable[[Question], Answer]
) -> tuple[dict[Question, Answer], dict[Question, str]]:
    """The answers, and the reasons why others are unknown."""

    def begin(question: Question) -> tuple[Question, Answer | BuildkitError]:
        try:
            return question, answer(question)
        except BuildkitError as error:
            return question, error

    asked = [*dict.fromkeys(questions)]
    ended: list[tuple[Question, Answer | BuildkitError]] = workers.run(
        (partial(begin, each) for each in asked), jobs=min(RUNS, os.cpu_count() or 1)
    )
    found = dict(ended)
    answers = {q: each for q in asked if not isinstance(each := found[q], BuildkitError)}
    errors = {q: reason(each) for q in asked if isinstance(each := found[q], BuildkitError)}
    return answers, errors
