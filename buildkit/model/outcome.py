"""How far one target came in a run, whichever command ran it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.support.errors import BuildkitError, Exit

if TYPE_CHECKING:
    from buildkit.model.image import Built, Published, Report, Staged, Verified
    from buildkit.model.target import Target

WORDS = {"unjudged": "not judged", "tested": "passed"}
"""The word that people read for a status, where it is another one."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How far one target came. `error` is None if it came as far as was asked.

    `verified` is its image, if that may be published; `tested_before` says that an earlier run has
    tested the image.
    """

    target: Target
    built: Built | None = None
    report: Report | None = None
    verified: Verified | None = None
    staged: Staged | None = None
    published: Published | None = None
    tested_before: bool = False
    error: BuildkitError | None = None

    @property
    def status(self) -> str:
        """How it ended, in a word: `failed`, `unjudged`, `published`, `staged` or `tested`."""
        if self.error is not None:
            return "unjudged" if self.error.code is Exit.UNJUDGED else "failed"
        if self.published is not None:
            return "published"
        return "staged" if self.staged is not None else "tested"

    @property
    def word(self) -> str:
        """The same for people."""
        return WORDS.get(self.status, self.status)


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
