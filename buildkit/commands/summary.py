"""The summary of a run over several targets: counts, duration and the next command."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.model.outcome import Outcome
    from buildkit.model.target import Target

NAMED = 10
"""Most targets that the next command names; more than that are selected as before."""
MINUTE = 60
COLOURS = {"failed": "red", "not judged": "yellow", "not begun": "yellow"}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The command, its selection as it was typed, and when the run began."""

    command: str
    select: Sequence[str]
    began: float = field(default_factory=time.monotonic)

    @property
    def selection(self) -> str:
        return shlex.join(self.select) or "--all"


def tell(asked: Asked, targets: Sequence[Target], outcomes: Sequence[Outcome]) -> None:
    """Say how a run over several targets ended, and the next command. Silent for one target."""
    if len(targets) < 2:  # noqa: PLR2004 - its own line says how it ended
        return
    words = [each.word for each in outcomes]
    words += ["not begun"] * (len(targets) - len(outcomes))
    count = Counter(words)
    counts = ", ".join(f"{number} {word}" for word, number in count.items())
    colour = next((COLOURS[word] for word in COLOURS if count[word]), "green")
    took = duration(time.monotonic() - asked.began)
    console.say(f"{len(targets)} targets: {counts} in {took}", fg=colour, bold=True)
    console.say(f"hint: {_next(asked, targets, outcomes)}", fg="cyan")


def duration(seconds: float) -> str:
    """`12 s`, `3 min 20 s`, `1 h 5 min`."""
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    minutes, rest = divmod(whole, MINUTE)
    if minutes < MINUTE:
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    return f"{minutes // MINUTE} h {minutes % MINUTE} min"


def _next(asked: Asked, targets: Sequence[Target], outcomes: Sequence[Outcome]) -> str:
    done = {each.target.id for each in outcomes if each.error is None}
    left = [each.id for each in targets if each.id not in done]
    if left:
        named = shlex.join(left) if len(left) <= NAMED else asked.selection
        return f"fix the failed targets, then `buildkit {asked.command} {named}`"
    if any(each.published is not None for each in outcomes):
        return "`buildkit releases` shows what was published"
    return f"`buildkit push {asked.selection}` publishes the images"
