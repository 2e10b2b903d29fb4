"""The plain progress of buildx -> the steps of a build, and why it failed.

Plain progress has one line per event, `#<step> <text>`, and has been the same since buildx 0.10;
`rawjson` has one object per line only since 0.14.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from buildkit.model import names

STEP = re.compile(r"#(?P<number>\d+) \[(?P<target>\S+) (?P<place>[^\]]*)\] ?(?P<text>.*)")
ALONE = re.compile(r"#(?P<number>\d+) \[(?P<place>[^\]]*)\] ?(?P<text>.*)")
OUTPUT = re.compile(r"#(?P<number>\d+) (?P<time>\d+\.\d+ )?(?P<text>.*)")
DONE = re.compile(r"#(?P<number>\d+) DONE (?P<seconds>\d+\.\d+)s")
WHOLE = re.compile(r"#(?P<number>\d+) (?:\[(?P<target>\S+)\] )?exporting to image")
"""The step that exports the image; the only target of a bake is not named."""
ERROR = re.compile(r"#(?P<number>\d+) ERROR: (?P<text>.*)")
"""Lines that a program prints have a time, lines of buildx itself have none."""
STATE = re.compile(r"(?:DONE|CANCELED|CACHED|ERROR|extracting|transferring|resolve|sha256:)\b")
INSTRUCTION = re.compile(r"(?:\S+ )?\d+/\d+ ")
NOISE = re.compile(
    r"--mount=\S+ *|\\ +|(?<=RUN )began=\S+ \S+ && sleep \S+ && |(?<=RUN )(?:[A-Z_]+=\S+ +)+"
)
"""Mounts, line ends, what `step.begin` writes, and variables for one command."""
RESOLVED = re.compile(
    r"#\d+ \[[^\]]*\] (?:FROM )?(?P<name>[^\s@]+)@(?P<digest>sha256:[0-9a-f]{64})"
)
"""A base image, and the digest that its name was resolved to."""
LOST = re.compile(r"rpc error: code = (?:Unavailable|Canceled)|context canceled|no active session")
TAIL = 20
WIDTH = 500
"""The most characters of a line that are kept: a build may print megabytes in one line."""


@dataclass(kw_only=True)
class Step:
    """One step of a build. `heading` is the text of its first line, as buildx printed it."""

    target: str | None = None
    title: str = ""
    heading: str = ""
    lines: list[str] = field(default_factory=list)
    error: str | None = None
    seconds: float = 0.0

    @property
    def is_instruction(self) -> bool:
        """Whether the step is a line of the Dockerfile, not a preparation of buildx."""
        return INSTRUCTION.match(self.title) is not None


@dataclass(kw_only=True)
class Progress:
    """Follows one bake. `targets` are the bake names in it.

    `bases` are the digests of bases by the short form of their references.
    """

    targets: tuple[str, ...]
    bases: dict[str, str] = field(default_factory=dict)
    steps: dict[str, Step] = field(default_factory=dict)
    final_error: str = ""
    _exports: dict[str, str | None] = field(default_factory=dict)

    def read(self, line: str) -> Step | None:
        """Read one line; return the step if the line shows that the step is running."""
        if line.startswith("ERROR: "):
            self.final_error = line.removeprefix("ERROR: ")
        elif match := ERROR.fullmatch(line):
            self.steps.setdefault(match["number"], Step()).error = match["text"]
        elif match := DONE.fullmatch(line):
            self.steps.setdefault(match["number"], Step()).seconds = float(match["seconds"])
        elif match := OUTPUT.fullmatch(line):
            step = self.steps.get(match["number"])
            if step is None:
                self.steps[match["number"]] = self._first(line)
            elif match["time"] or not _is_state(match["text"], step):
                step.lines.append(match["text"][:WIDTH])
                if len(step.lines) == 1 and step.is_instruction:
                    return step
        return None

    def digest_of(self, base: str) -> str | None:
        """What a base image was resolved to, None if no line showed it."""
        name, _, pinned = names.familiar(base).partition("@")
        if pinned:
            return pinned
        return self.bases.get(name if ":" in name.rpartition("/")[2] else f"{name}:latest")

    def seconds_of(self, target: str) -> float:
        """How long the steps of a target took; a step of several targets counts for one of them."""
        return sum(
            step.seconds
            for number, step in self.steps.items()
            if target in (step.target, self._exports.get(number))
        )

    def failed(self) -> dict[str, Step]:
        """The targets that broke the build, each with its failed step.

        A step of several targets has the name of one of them: the others fail in later bakes. When
        one target fails, the others lose their connection to buildx, which is no failure of their
        own unless all have lost it.
        """
        broken = {
            step.target: step
            for step in self.steps.values()
            if step.target is not None and step.error is not None
        }
        own = {name: step for name, step in broken.items() if not LOST.search(step.error or "")}
        return own or broken

    def _first(self, line: str) -> Step:
        if base := RESOLVED.match(line):
            self.bases[names.familiar(base["name"])] = base["digest"]
        if export := WHOLE.fullmatch(line):
            self._exports[export["number"]] = export["target"] or self.targets[0]
        heading = line.partition(" ")[2]
        match = STEP.fullmatch(line)
        if match and match["target"] in self.targets:
            return Step(target=match["target"], title=_title(match), heading=heading)
        if (match := ALONE.fullmatch(line)) and len(self.targets) == 1:
            return Step(target=self.targets[0], title=_title(match), heading=heading)
        return Step()


def _is_state(text: str, step: Step) -> bool:
    """Whether buildx itself printed this line of a step, not the program that the step runs.

    When buildx turns to another step it ends with `...`, and when it comes back it prints the
    heading again.
    """
    return text in ("...", step.heading) or STATE.match(text) is not None


def _title(match: re.Match[str]) -> str:
    """`image 2/4 RUN pip install ...`, without mounts, variables and repeated spaces."""
    text = match["text"]
    while (shorter := NOISE.sub("", text)) != text:
        text = shorter
    text = re.sub(r"  +", " ", text)
    return f"{match['place']} {text}".strip()
