"""Reports -> one HTML page that needs nothing else: no server, no network, no script."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from buildkit.contract import verdict
from buildkit.model.image import Status, Verdict
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkit.model.image import ClauseResult, Report

WORDS = {
    Status.FAIL: "failed",
    Status.WARN: "warned",
    Status.SKIP: "skipped",
    Status.PASS: "passed",
}
"""In the order of the page: what needs a person comes first."""
WORST = (Verdict.FAIL, Verdict.UNJUDGED)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the page says of one clause."""

    result: ClauseResult
    anchor: str
    link: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """What the page says of one image."""

    report: Report
    verdict: Verdict
    untried: str
    """What the image was not seen to do, and why."""
    anchor: str
    counts: tuple[tuple[str, int], ...]
    failed: tuple[Entry, ...]
    warned: tuple[Entry, ...]
    passed: tuple[Entry, ...]
    skipped: tuple[tuple[str, tuple[Entry, ...]], ...]
    """By reason."""


def document(reports: Sequence[Report], *, source: Mapping[str, str] | None = None) -> str:
    """Show all images in one page. `source` is where a clause is demanded: its id -> a URL."""
    import jinja2  # noqa: PLC0415 - few runs write a page, and it is slow to load

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_readable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = resources.files("buildkit.verify").joinpath("page.html.j2").read_text(encoding="utf-8")
    sections = [_section(each, index, source or {}) for index, each in enumerate(reports, start=1)]
    verdicts = Counter(section.verdict.value for section in sections)
    worst = next((each.value for each in WORST if verdicts[each.value]), Verdict.PASS.value)
    page = environment.from_string(text)
    return page.render(sections=sections, verdicts=verdicts, worst=worst) + "\n"


def _section(report: Report, index: int, source: Mapping[str, str]) -> Section:
    anchor = f"image-{index}"
    found: dict[Status, list[Entry]] = defaultdict(list)
    for result in report.clauses:
        link = source.get(result.id, "")
        entry = Entry(
            result=result,
            anchor=f"{anchor}-{result.id}",
            # An address such as `javascript:…` would be run by who clicks it.
            link=link if link.startswith(("https://", "http://")) else "",
        )
        found[result.status].append(entry)
    return Section(
        report=report,
        verdict=verdict.of(report),
        untried=verdict.untried(report),
        anchor=anchor,
        counts=tuple((word, len(found[status])) for status, word in WORDS.items()),
        failed=tuple(found[Status.FAIL]),
        warned=tuple(found[Status.WARN]),
        passed=tuple(found[Status.PASS]),
        skipped=_by_reason(found[Status.SKIP]),
    )


def _by_reason(entries: Sequence[Entry]) -> tuple[tuple[str, tuple[Entry, ...]], ...]:
    """The most common reason first."""
    counts = Counter(entry.result.message for entry in entries)
    return tuple(
        (reason, tuple(entry for entry in entries if entry.result.message == reason))
        for reason, _ in counts.most_common()
    )


def _readable(value: object) -> object:
    """Show what would be invisible, or would turn the text around it, by its code."""
    return console.readable(value) if type(value) is str else value  # what macros made is not
