"""Reports -> one HTML page that needs nothing else: no server, no network, no script."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from buildkit.contract import verdict
from buildkit.model.image import Status, Verdict
from buildkit.render import html
from buildkit.support.amounts import count

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from buildkit.model.image import ClauseResult, Report

WORDS = {
    Status.FAIL: "failed",
    Status.WARN: "warned",
    Status.SKIP: "skipped",
    Status.PASS: "passed",
}
"""In the order of the page: what needs attention comes first."""
WORST = (Verdict.FAIL, Verdict.UNJUDGED)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One clause on the page."""

    result: ClauseResult
    anchor: str
    link: str


@dataclass(frozen=True, kw_only=True)
class Cause:
    """A broken clause that no other explains, and what follows from it: in words, as entries."""

    entry: Entry
    knock_on: str
    followers: Sequence[Entry]


@dataclass(frozen=True, kw_only=True)
class Section:
    """One image on the page."""

    report: Report
    verdict: Verdict
    untried: str
    """What the image was not seen to do, and why."""
    anchor: str
    entries: Mapping[str, Sequence[Entry]]
    """By the words of their status."""
    causes: Mapping[str, Sequence[Cause]]
    """By the words of their status: what failed first, and what only warned."""

    @property
    def counts(self) -> Sequence[tuple[str, int]]:
        return [(word, len(entries)) for word, entries in self.entries.items()]

    @property
    def skipped(self) -> Sequence[tuple[str, Sequence[Entry]]]:
        """By reason, the most common one first."""
        groups: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries["skipped"]:
            result = entry.result
            groups[result.skip.reason if result.skip else result.message].append(entry)
        return sorted(groups.items(), key=lambda group: -len(group[1]))


def document(reports: Sequence[Report], *, source: Mapping[str, str] | None = None) -> str:
    """All images on one page. `source` maps the id of a clause to the page that demands it."""
    sections = [_section(each, index, source or {}) for index, each in enumerate(reports, start=1)]
    verdicts = Counter(section.verdict.value for section in sections)
    worst = next((each.value for each in WORST if verdicts[each.value]), Verdict.PASS.value)
    return _template()(sections=sections, verdicts=verdicts, worst=worst) + "\n"


@cache
def _template() -> Callable[..., str]:
    return html.template("buildkit.verify", "page.html.j2", many=count)


def _section(report: Report, index: int, source: Mapping[str, str]) -> Section:
    anchor = f"image-{index}"
    found: dict[Status, list[Entry]] = defaultdict(list)
    known: dict[str, Entry] = {}
    causes: dict[str, list[Cause]] = defaultdict(list)
    for result in report.clauses:
        link = source.get(result.id, "")
        entry = Entry(
            result=result,
            anchor=f"{anchor}-{result.id}",
            # A click would run an address such as `javascript:…`.
            link=link if link.startswith(("https://", "http://")) else "",
        )
        found[result.status].append(entry)
        known[result.id] = entry
    for cause in verdict.causes(report):
        causes[WORDS[cause.status]].append(
            Cause(
                entry=known[cause.id],
                knock_on=verdict.knock_on(report, cause),
                followers=[known[each.id] for each in verdict.followers(report, cause)],
            )
        )
    return Section(
        report=report,
        verdict=verdict.of(report),
        untried=verdict.untried(report),
        anchor=anchor,
        entries={word: found[status] for status, word in WORDS.items()},
        causes=causes,
    )
