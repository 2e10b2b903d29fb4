"""buildx's plain progress -> steps and the reasons of a failure.

Plain progress has one line per event, `#<step> <text>`, and looks alike from buildx 0.10 on;
`rawjson` is not one object per line before 0.14.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

STEP = re.compile(r"#(?P<number>\d+) \[(?P<target>\S+) (?P<place>[^\]]*)\] ?(?P<text>.*)")
ALONE = re.compile(r"#(?P<number>\d+) \[(?P<place>[^\]]*)\] ?(?P<text>.*)")
OUTPUT = re.compile(r"#(?P<number>\d+) (?:\d+\.\d+ )?(?P<text>.*)")
ERROR = re.compile(r"#(?P<number>\d+) ERROR: (?P<text>.*)")
STATE = re.compile(r"(?:DONE|CANCELED|CACHED|ERROR|extracting|transferring|resolve|sha256:)\b")
TAIL = 20


@dataclass(kw_only=True)
class Step:
    target: str | None
    title: str
    lines: list[str] = field(default_factory=list)
    error: str | None = None


@dataclass(kw_only=True)
class Progress:
    """Follows one bake. `targets` are the bake names in it."""

    targets: tuple[str, ...]
    steps: dict[str, Step] = field(default_factory=dict)
    final_error: str = ""

    def read(self, line: str) -> Step | None:
        """Take one line; return the step if the line is the first of it."""
        if line.startswith("ERROR: "):
            self.final_error = line.removeprefix("ERROR: ")
        elif match := ERROR.fullmatch(line):
            self.steps.setdefault(match["number"], self._unnamed()).error = match["text"]
        elif match := OUTPUT.fullmatch(line):
            if match["number"] in self.steps:
                if not STATE.match(match["text"]):
                    self.steps[match["number"]].lines.append(match["text"])
            elif step := self._first(line):
                self.steps[match["number"]] = step
                return step
        return None

    def failed(self) -> dict[str, Step]:
        """The targets that broke the build, each with its broken step.

        A step that several targets share carries the name of one: the others fail in turn.
        """
        return {
            step.target: step
            for step in self.steps.values()
            if step.target is not None and step.error is not None
        }

    def _first(self, line: str) -> Step | None:
        match = STEP.fullmatch(line)
        if match and match["target"] in self.targets:
            return Step(target=match["target"], title=f"{match['place']} {match['text']}".strip())
        if (match := ALONE.fullmatch(line)) and len(self.targets) == 1:
            title = f"{match['place']} {match['text']}".strip()
            return Step(target=self.targets[0], title=title)
        return self._unnamed()

    def _unnamed(self) -> Step:
        return Step(target=None, title="")
