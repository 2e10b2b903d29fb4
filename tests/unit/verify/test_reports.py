"""What is made of a report: JUnit XML for CI, a page for a browser, lines for a terminal."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from buildkit.commands import summary
from buildkit.contract.checks import Caused, NotPromised, Unsampled, Unseen
from buildkit.model.features import Feature
from buildkit.model.image import ClauseResult, Level, Report, Status
from buildkit.support import decode, manual
from buildkit.system import console
from buildkit.verify import junit, page, verify
from tests.support import fakes

if TYPE_CHECKING:
    from collections.abc import Sequence

HOSTILE = [
    pytest.param("\x00\x1b[31mred\x07\x7f\x9b\ufffe", id="control characters"),
    pytest.param("]]> <![CDATA[ <!-- --> <?xml?>", id="XML of its own"),
    pytest.param("</pre><script src='//evil.example'>alert(1)</script>", id="a script"),
    pytest.param("\"' onmouseover=alert(1) &amp; &lt; &#0; {{ 7 * 7 }} {% raw %}", id="attributes"),
    pytest.param("a😀b\U0010ffffc", id="beyond the basic plane"),
    pytest.param("half a pair \ud83d", id="a lone surrogate"),
    pytest.param("\u202egnp.\u2066exe", id="text that turns its direction"),
    pytest.param("line\n" * 20_000, id="100 kB of lines"),
    pytest.param("x" * 100_000, id="100 kB in one line"),
]

GOOD = fakes.clause(id="RUN-01", title="starts", seconds=1.25)
BROKEN = fakes.clause(
    Status.FAIL,
    id="OUT-01",
    title="the exit code distinguishes success from failure",
    message="`train` ended with 1\nTraceback",
    hint="end with `0`",
)
DOUBTFUL = fakes.clause(
    Status.WARN, id="LOG-01", level=Level.RECOMMENDED, message="no output", hint="print"
)
LEFT_OUT = fakes.clause(Status.SKIP, id="MME-01", message="not promised: multi-model")
MIXED = fakes.report(GOOD, BROKEN, DOUBTFUL, LEFT_OUT)
QUOTES = fakes.clause(
    Status.FAIL, id="CFG-02", title="values are JSON", message="without quotes", hint="use `json`"
)
OTHER = fakes.clause(Status.FAIL, id="RUN-08", title="ends in time", message="SIGKILL", hint="trap")
CAUSED = fakes.report(
    OTHER,
    QUOTES,
    replace(BROKEN, cause="CFG-02"),
    *(
        fakes.skipped(Caused("CFG-02"), id=f"X-{number}", title="more", cause="CFG-02")
        for number in range(8)
    ),
)
"""One fault breaks a clause, which breaks another and hinders eight; another fault is on its own."""
KNOCK_ON = "OUT-01 fails; X-0, X-1, X-2, X-3, X-4, X-5 and 2 more are not judged"


def hostile(text: str) -> Report:
    """The text in each place that an image, a file or a person can fill."""
    clauses = [
        fakes.clause(status, id=f"X-{number}", title=text[:200], message=text, hint=text)
        for number, status in enumerate(Status)
    ]
    return Report(image=text[:200], digest=text[:90], profile="p", suite="s", clauses=(*clauses,))


# JUnit


def parsed(reports: Sequence[Report]) -> ET.Element:
    """As a file is read back. Fails on anything that pytest's schema of JUnit has no place for."""
    root = ET.fromstring(junit.document(reports).encode())
    places = {
        "testsuites": {"testsuite"},
        "testsuite": {"properties", "testcase"},
        "properties": {"property"},
        "testcase": {"failure", "error", "skipped", "system-out"},
    }
    for element in root.iter():
        assert {child.tag for child in element} <= places.get(element.tag, set())
    return root


def test_each_image_is_a_suite_with_its_counts() -> None:
    root = parsed([MIXED, fakes.report(GOOD)])
    assert root.attrib == {
        "name": "SageMaker contract", "tests": "5", "failures": "1", "errors": "0", "time": "2.500",
    }  # fmt: skip
    first, second = root
    assert first.attrib == {
        "name": "demo", "tests": "4", "failures": "1", "errors": "0", "skipped": "1", "time": "1.250",
    }  # fmt: skip
    assert second.get("tests") == "1"
    assert {each.get("name"): each.get("value") for each in first.iter("property")} == {
        "digest": fakes.DIGEST, "profile": "smoke", "suite": "s", "verdict": "fail",
    }  # fmt: skip


def test_each_clause_is_a_case_that_tells_how_it_ended() -> None:
    good, broken, doubtful, left_out = parsed([MIXED]).iter("testcase")
    assert good.attrib == {
        "classname": "demo smoke", "name": "RUN-01 starts", "time": "1.250",
    }  # fmt: skip
    assert list(good) == []
    assert broken[0].tag == "failure"
    assert broken[0].get("message") == "`train` ended with 1"
    assert broken[0].text == "`train` ended with 1\nTraceback\nfix: end with `0`"
    assert doubtful.get("classname") == "demo smoke"
    assert [(each.tag, each.text) for each in doubtful] == [
        ("system-out", "warning: no output\nfix: print")
    ]
    assert left_out[0].tag == "skipped"
    assert left_out[0].attrib == {"message": "not promised: multi-model"}
    assert left_out[0].text == "not promised: multi-model"


def test_a_case_names_its_cause_or_what_follows_from_it() -> None:
    _, quotes, trained, *skips = parsed([CAUSED]).iter("testcase")
    assert quotes[0].text == f"without quotes\nknock-on: {KNOCK_ON}\nfix: use `json`"
    assert trained[0].text == (
        "`train` ended with 1\nTraceback\nknock-on of CFG-02\nfix: end with `0`"
    )
    assert {each[0].text for each in skips} == {"not judged: see CFG-02"}


@pytest.mark.parametrize("text", HOSTILE)
def test_junit_holds_what_an_image_says_whatever_it_is(text: str) -> None:
    suite = parsed([hostile(text)])[0]
    told = next(suite.iter("failure")).text or ""
    legal = console.readable(text)
    assert told == f"{legal}\nfix: {legal}"
    assert len(next(suite.iter("failure")).get("message", "")) < 1000


def test_junit_of_no_report_is_still_a_document() -> None:
    assert list(parsed([])) == []


# The page


class Outline(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    VOID = ("meta", "link")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    @property
    def tags(self) -> list[str]:
        return [tag for tag, _ in self.elements]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "wbr":
            return
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "elements that are not nested"

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data

    def values(self, attribute: str) -> list[str]:
        return [found for _, names in self.elements if (found := names.get(attribute)) is not None]


SOURCE = {"OUT-01": "https://docs.aws.amazon.com/x?a=1&b=2", "LOG-01": "javascript:alert(1)"}


def test_the_page_says_all_there_is_to_say() -> None:
    outline = Outline(page.document([MIXED], source=SOURCE))
    text = re.sub(r"\s+", " ", outline.text)
    for wanted in (
        "fail: demo | SageMaker contract",
        fakes.DIGEST,
        "smoke",
        "1 failed 1 warning 1 skipped 1 passed",
        "OUT-01 the exit code distinguishes success from failure",
        "`train` ended with 1 Traceback",
        "end with 0",
        "no output",
        "not promised: multi-model 1",
        "RUN-01 starts",
    ):
        assert wanted in text
    assert outline.open == []
    assert text.index("OUT-01") < text.index("LOG-01") < text.index("MME-01") < text.index("RUN-01")
    assert outline.tags.count("details") == 2
    assert [tag for tag in outline.tags if re.fullmatch("h[1-4]", tag)] == [
        "h1", "h2", "h3", "h4", "h3", "h4", "h3", "h4", "h3",
    ]  # fmt: skip


def test_the_page_folds_what_follows_below_its_cause() -> None:
    outline = Outline(page.document([CAUSED]))
    text = re.sub(r"\s+", " ", outline.text)
    places = [
        text.index(wanted)
        for wanted in (
            "without quotes",
            f"Knock-on {KNOCK_ON}",
            "`train` ended with 1 Traceback",
            "X-7 more",
            "use json",
            "RUN-08 ends in time",
            "not judged: see CFG-02 8",
        )
    ]
    assert places == sorted(places)
    assert text.count("`train` ended with 1") == 1
    ids = outline.values("id")
    assert len(ids) == len({*ids})
    assert {each.removeprefix("#") for each in outline.values("href") if each[0] == "#"} <= {*ids}
    assert outline.tags.count("details") == 2
    assert "3 failed" in text


def test_the_page_loads_nothing_and_links_only_to_sources_and_itself() -> None:
    text = page.document([MIXED, MIXED], source=SOURCE)
    outline = Outline(text)
    assert not {*outline.tags} & {
        "script",
        "img",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
        "video",
    }
    assert not re.search(r"url\(|@import|@font-face", text)
    assert outline.values("src") == []
    links = set(outline.values("href"))
    assert {each for each in links if not each.startswith("#")} == {"data:,", SOURCE["OUT-01"]}
    anchors = outline.values("id")
    assert len(anchors) == len(set(anchors))
    assert {each[1:] for each in links if each.startswith("#")} <= set(anchors)
    assert "default-src 'none'" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_the_page_escapes_what_an_image_says(text: str) -> None:
    document = page.document([hostile(text)], source={"X-0": f"https://example/{text}"})
    outline = Outline(document)
    assert outline.open == []
    harmless = Outline(page.document([hostile("x")], source={"X-0": "https://x"}))
    assert outline.tags == harmless.tags
    assert not [name for _, names in outline.elements for name in names if name.startswith("on")]
    assert document.encode()
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", document
    )
    shown = "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)
    assert outline.text.count(shown) >= 4


def test_several_images_have_a_table_of_contents() -> None:
    outline = Outline(page.document([fakes.report(GOOD), MIXED, fakes.report(GOOD)]))
    assert "1 of 3 images breaks the contract" in outline.text
    assert {"#image-1", "#image-2", "#image-3"} <= set(outline.values("href"))
    assert "All 2 images keep" in page.document([fakes.report(GOOD), fakes.report(GOOD)])
    assert "No image was tested" in page.document([])


def test_backticks_become_code_and_one_alone_stays() -> None:
    text = page.document([fakes.report(fakes.clause(title="`a<b` and `c"))])
    assert "<code>a&lt;b</code> and `c" in text


# The terminal

Captured = pytest.CaptureFixture[str]


EFA, TUNING = NotPromised(Feature.EFA), NotPromised(Feature.TUNING)


def skipped(number: int, why: Unseen) -> ClauseResult:
    return fakes.skipped(why, id=f"S-{number}", title="something")


def test_the_table_shows_what_is_broken_and_counts_the_rest(capsys: Captured) -> None:
    reasons = (EFA, Unsampled("no channel"), TUNING, EFA)
    clauses = (GOOD, DOUBTFUL, BROKEN, *(skipped(*each) for each in enumerate(reasons)))
    summary.show(fakes.report(*clauses))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "fail  OUT-01    the exit code distinguishes success from failure\n"
        "      `train` ended with 1\n"
        "      Traceback\n"
        "      fix: end with `0`\n"
        "warn  LOG-01    starts\n"
        "      no output\n"
        "      fix: print\n"
        "skip  4\n"
        "      3 not promised (efa, tuning)\n"
        "      1 no channel\n"
        "pass  1\n"
        f"hint: add samples to check more clauses: {manual.page('contract', 'samples')}\n"
        "fail: 1 failed, 1 passed, 1 warning, 4 skipped in 1 s\n"
    )


def test_a_cause_comes_first_with_what_follows_and_its_fix(capsys: Captured) -> None:
    summary.show(CAUSED)
    assert capsys.readouterr().err == (
        "fail  CFG-02    values are JSON\n"
        "      without quotes\n"
        f"      knock-on: {KNOCK_ON}\n"
        "      fix: use `json`\n"
        "fail  RUN-08    ends in time\n"
        "      SIGKILL\n"
        "      fix: trap\n"
        "skip  8\n"
        "      8 not judged: see CFG-02\n"
        "fail: 3 failed, 0 passed, 8 skipped in 1 s\n"
    )


def test_verbose_unfolds_what_follows(capsys: Captured) -> None:
    summary.show(CAUSED, verbose=True)
    said = capsys.readouterr().err
    knock_on = (
        "fail  OUT-01    the exit code distinguishes success from failure\n"
        "      knock-on of CFG-02\n"
        "      `train` ended with 1\n"
    )
    assert said.index("fail  RUN-08") < said.index(knock_on) < said.index("skip  X-0")
    assert "skip  X-7       more\n      not judged: see CFG-02\n" in said


def test_json_names_the_causes_and_what_follows() -> None:
    found: Any = summary.verdict(CAUSED)
    assert found["causes"] == [
        {
            "id": "CFG-02",
            "follows": ["OUT-01", *(f"X-{number}" for number in range(8))],
            "fix": "use `json`",
        },
        {"id": "RUN-08", "follows": [], "fix": "trap"},
    ]
    assert [each["cause"] for each in found["clauses"]] == ["", "", *["CFG-02"] * 9]


def test_the_error_of_a_build_begins_with_the_cause() -> None:
    error = verify.refusal(CAUSED)
    assert error.message == "the image breaks 3 of 11 clauses: CFG-02, RUN-08, OUT-01"
    assert error.details == (
        "  CFG-02 values are JSON\n"
        "    without quotes\n"
        f"    knock-on: {KNOCK_ON}\n"
        "    fix: use `json`\n"
        "  RUN-08 ends in time\n"
        "    SIGKILL\n"
        "    fix: trap"
    )


def test_warnings_come_after_failures_and_few_followers_are_all_named(capsys: Captured) -> None:
    names = tuple(f"X-{number}" for number in range(7))
    followers = (fakes.skipped(Caused("LOG-01"), id=name, cause="LOG-01") for name in names)
    summary.show(fakes.report(DOUBTFUL, *followers, OTHER))
    said = capsys.readouterr().err
    assert said.index("RUN-08") < said.index("LOG-01")
    assert f"      knock-on: {', '.join(names)} are not judged\n" in said
    summary.show(fakes.report(OTHER, fakes.skipped(Caused("RUN-08"), id="X-1", cause="RUN-08")))
    assert "      knock-on: X-1 is not judged\n" in capsys.readouterr().err


def test_the_table_is_short_where_all_is_well(capsys: Captured) -> None:
    summary.show(fakes.report(GOOD, GOOD))
    assert capsys.readouterr().err == "pass  2\npass: 2 passed in 1 s\n"


def test_verbose_shows_each_clause(capsys: Captured) -> None:
    summary.show(fakes.report(GOOD, skipped(1, Unsampled("no channel"))), verbose=True)
    assert capsys.readouterr().err == (
        "skip  S-1       something\n"
        "      no channel\n"
        "pass  RUN-01    starts\n"
        f"hint: add samples to check more clauses: {manual.page('contract', 'samples')}\n"
        "pass: 1 passed, 1 skipped in 1 s\n"
    )


@pytest.mark.parametrize(
    ("reasons", "wanted"),
    [
        pytest.param([Unseen(""), Unseen("")], "2 no reason", id="none is given"),
        pytest.param(
            [Unseen("no a"), Unseen("no b"), Unseen("no b")],
            "2 no b\n      1 no a",
            id="the most common first",
        ),
        pytest.param(
            [Unseen("the engine failed", ": bad luck"), Unseen("the engine failed", "; go away")],
            "2 the engine failed",
            id="details are left to --verbose",
        ),
    ],
)
def test_reasons_are_grouped(reasons: list[Unseen], wanted: str, capsys: Captured) -> None:
    summary.show(fakes.report(*(skipped(*each) for each in enumerate(reasons))))
    assert f"skip  {len(reasons)}\n      {wanted}\n" in capsys.readouterr().err


def test_a_skipped_clause_in_a_record_of_an_older_version_shows_its_message(
    capsys: Captured,
) -> None:
    old = asdict(fakes.clause(Status.SKIP, message="no channel"))
    del old["skip"]
    summary.show(fakes.report(decode.read(ClauseResult, json.loads(json.dumps(old)))))
    assert "skip  1\n      1 no channel\n" in capsys.readouterr().err


@pytest.mark.parametrize("text", HOSTILE)
def test_what_an_image_says_cannot_command_the_terminal(text: str, capsys: Captured) -> None:
    summary.show(hostile(text), verbose=True)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", capsys.readouterr().err)
