"""Reports -> JUnit XML, which CI systems show as tests.

Characters that XML 1.0 cannot hold even escaped are not printable either, and replaced by codes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from buildkit.contract import verdict
from buildkit.model.image import Status, Verdict
from buildkit.system.console import readable
from buildkit.verify.verify import why

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.model.image import ClauseResult, Report

SUMMARY = 200
"""Characters of a line for a list of tests; the full text is in the element."""


def document(reports: Sequence[Report]) -> str:
    """One testsuite per image, one testcase per clause.

    An image that was not judged has one more testcase, an error: no CI takes that for a pass.
    """
    root = ET.Element("testsuites", {"name": "SageMaker contract", **_counts(reports)})
    root.extend(_suite(report) for report in reports)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _counts(reports: Sequence[Report]) -> dict[str, str]:
    clauses = [clause for report in reports for clause in report.clauses]
    states = [clause.status for clause in clauses]
    errors = sum(verdict.of(report) is Verdict.UNJUDGED for report in reports)
    return {
        "tests": str(len(states) + errors),
        "failures": str(states.count(Status.FAIL)),
        "errors": str(errors),
        "time": f"{sum(clause.seconds for clause in clauses):.3f}",
    }


def _suite(report: Report) -> ET.Element:
    skipped = sum(clause.status is Status.SKIP for clause in report.clauses)
    facts = {"name": readable(report.image), **_counts([report]), "skipped": str(skipped)}
    suite = ET.Element("testsuite", facts)
    properties = ET.SubElement(suite, "properties")
    reached = verdict.of(report)
    made_of = {
        "digest": report.digest,
        "profile": report.profile,
        "suite": report.suite,
        "verdict": reached.value,
    }
    for name, value in made_of.items():
        _add(properties, "property", name=name, value=value)
    where = f"{report.image} {report.profile}"
    for clause in report.clauses:
        _add_case(suite, clause, where, verdict.knock_on(report, clause))
    if reached is Verdict.UNJUDGED:
        case = _add(suite, "testcase", classname=where, name="the image was not judged")
        _add(case, "error", why(report), message=why(report))
    return suite


def _add_case(suite: ET.Element, clause: ClauseResult, where: str, knock_on: str) -> None:
    """`where` separates images and profiles, for readers that merge cases by name.

    `knock_on` is what follows from the clause, if it is broken.
    """
    name, time = f"{clause.id} {clause.title}", f"{clause.seconds:.3f}"
    case = _add(suite, "testcase", classname=where, name=name, time=time)
    parts = (
        clause.message,
        clause.cause and f"knock-on of {clause.cause}",
        knock_on and f"knock-on: {knock_on}",
        clause.hint and f"fix: {clause.hint}",
    )
    text = "\n".join(filter(None, parts))
    if clause.status is Status.FAIL:
        _add(case, "failure", text, message=_first_line(clause.message))
    elif clause.status is Status.WARN:
        _add(case, "system-out", f"warning: {text}")
    elif clause.status is Status.SKIP:
        # Most readers show the attribute; GitLab shows only the text.
        _add(case, "skipped", clause.message, message=_first_line(clause.message))
    elif clause.message:
        _add(case, "system-out", clause.message)


def _add(parent: ET.Element, tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    known = {name: readable(value) for name, value in attributes.items()}
    child = ET.SubElement(parent, tag, known)
    child.text = text if text is None else readable(text)
    return child


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= SUMMARY else f"{line[:SUMMARY]}…"
