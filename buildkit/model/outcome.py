"""How far one target came in a run, whichever command ran it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.model.image import Status
from buildkit.support.amounts import count
from buildkit.support.errors import BuildkitError, Exit

if TYPE_CHECKING:
    from buildkit.model.image import Built, InRegistries, Published, Report, Staged, Verified
    from buildkit.model.target import Target

WORDS = {"unjudged": "not judged", "tested": "passed"}
"""The word that people read for a status, where it is another one."""
CAUSE_WIDTH = 100
"""Most characters of an error in a line."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How far one target came. `error` is None if it came as far as was asked.

    `verified` is its image, if that may be published; `tested_before` says that an earlier run has
    tested the image. `already`: nothing was done, because registries serve the image.
    """

    target: Target
    built: Built | None = None
    report: Report | None = None
    verified: Verified | None = None
    already: InRegistries | None = None
    staged: Staged | None = None
    published: Published | None = None
    tested_before: bool = False
    error: BuildkitError | None = None

    @property
    def served(self) -> InRegistries | None:
        """The image in its registries, whichever run published it."""
        return self.published or self.already

    @property
    def status(self) -> str:
        """How it ended, in a word: `failed`, `unjudged`, `published`, `staged` or `tested`."""
        if self.error is not None:
            return "unjudged" if self.error.code is Exit.UNJUDGED else "failed"
        if self.served is not None:
            return "published"
        return "staged" if self.staged is not None else "tested"

    @property
    def word(self) -> str:
        """The same for people."""
        return WORDS.get(self.status, self.status)

    @property
    def line(self) -> str:
        """The error, or what is true of the image now; empty if it was only rendered."""
        if self.error is not None:
            return f"{self.word}: {_cut(self.error.message)}"
        if self.served is not None:
            return _where(self.served)
        if self.staged is not None:
            return f"staged in {', '.join(self.staged.hosts)}: {self.staged.digest}"
        if self.report is None:
            return ""
        judged = sum(1 for each in self.report.clauses if each.status is not Status.SKIP)
        when = " in an earlier test" if self.tested_before else ""
        return f"passed {count(judged, 'clause')}{when}"


def _cut(message: str) -> str:
    """A message for a line: up to a word, unless that would leave less than half of it."""
    if len(message) <= CAUSE_WIDTH:
        return message
    end = max(message.rfind(" ", 0, CAUSE_WIDTH), CAUSE_WIDTH // 2)
    return f"{message[:end]} …"


def _where(published: InRegistries) -> str:
    """Each registry by what is true of it: pushed to by this run, or published already."""
    found = {
        how: [each.uri for each in published.locations if each.pushed is pushed]
        for how, pushed in (("published", True), ("published already", False))
    }
    return "; ".join(f"{how}: {', '.join(uris)}" for how, uris in found.items() if uris)


def earlier(verified: Verified, staged: Staged | None = None) -> Outcome:
    """The outcome of an image that an earlier run has tested, and perhaps staged."""
    built = verified.built
    return Outcome(
        target=built.target,
        built=built,
        report=verified.report,
        verified=verified,
        staged=staged,
        tested_before=True,
    )
