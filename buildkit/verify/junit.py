"""Reports -> JUnit XML, which CI systems show as tests.

Characters that XML 1.0 cannot hold even escaped are not printable either, and replaced by codes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from buildkit.contract import verdict
from buildkit.model.image import Status, Verdict
from buildkit.system.console import readable

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
    where = f"{report.image} {report.profile}"
    suite = ET.Element("testsuite", facts)
    properties = ET.SubElement(suite, "properties")
    made_of = {
        "digest": report.digest,
        "profile": report.profile,
        "suite": report.suite,
        "verdict": verdict.of(report).value,
    }
    for name, value in made_of.items():
        ET.SubElement(properties, "property", {"name": name, "value": readable(value)})
    for clause in report.clauses:
        suite.append(_case(clause, where))
    if verdict.of(report) is Verdict.UNJUDGED:
        text = verdict.untried(report) or "every clause was skipped"
        case = ET.SubElement(
            suite, "testcase", {"classname": readable(where), "name": "the image was not judged"}
        )
        _add(case, "error", text, message=text)
    return suite


def _case(clause: ClauseResult, where: str) -> ET.Element:
    """`where` separates images and profiles, for readers that merge cases by name."""
    case = ET.Element(
        "testcase",
        {
            "classname": readable(where),
            "name": readable(f"{clause.id} {clause.title}"),
            "time": f"{clause.seconds:.3f}",
        },
    )
    text = "\n".join(filter(None, (clause.message, clause.hint and f"fix: {clause.hint}")))
    if clause.status is Status.FAIL:
        _add(case, "failure", text, message=_first_line(clause.message))
    elif clause.status is Status.WARN:
        _add(case, "system-out", f"warning: {text}")
    elif clause.status is Status.SKIP:
        # Most readers show the attribute; GitLab shows only the text.
        _add(case, "skipped", clause.message, message=_first_line(clause.message))
    elif clause.message:
        _add(case, "system-out", clause.message)
    return case


def _add(case: ET.Element, tag: str, text: str, **attributes: str) -> None:
    child = ET.SubElement(case, tag, attributes)
    child.text = readable(text)


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return readable(line if len(line) <= SUMMARY else f"{line[:SUMMARY]}…")
