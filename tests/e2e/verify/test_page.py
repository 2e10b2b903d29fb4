"""The page of a report in a real browser: on a desk, on a phone, in the dark, on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkit.model.image import ClauseResult, Level, Report, Status
from buildkit.verify import page
from tests.e2e.support.browser import CONTRAST, OPEN_ALL, TOO_WIDE, VISIBLE, Browser, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOG = "`train` ended with 1\n" + "  File train, line 31, in main\n" * 60 + "x" * 500
ATTACK = (
    "<script>document.title = 'owned'</script><img src=https://evil.example/ onerror=alert(1)>"
    "<style>body { display: none }</style><iframe src=//evil.example></iframe>"
)


@pytest.fixture(autouse=True)
def nothing_is_left() -> None:
    """Instead of the one that asks the engine: these tests need none."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with opened(tmp_path_factory.mktemp("browser")) as found:
        yield found


def clause(
    number: int, status: Status, message: str, title: str = "the server answers"
) -> ClauseResult:
    return ClauseResult(
        id=f"SERVE-{number:02}",
        level=list(Level)[number % 3],
        status=status,
        title=title,
        message=message,
        hint="answer with `200`, see `SM_MODEL_DIR`",
        seconds=number / 7,
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clauses = (
        clause(1, Status.PASS, ""),
        clause(2, Status.PASS, "said `hello`"),
        clause(
            3,
            Status.FAIL,
            LOG,
            "a title that is long enough to need more than one line on a phone " * 2,
        ),
        clause(4, Status.FAIL, ATTACK, ATTACK),
        clause(5, Status.WARN, "slow: 2.4 s"),
        *(clause(number, Status.SKIP, f"not promised: {number % 3}") for number in range(6, 30)),
    )
    broken = Report(
        image="123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/an-image-with-a-long-name:1.7.2-cpu-py311",
        digest=f"sha256:{'a' * 64}", profile="full", suite="s", clauses=clauses,
    )  # fmt: skip
    good = Report(image="demo:1", digest="sha256:b", profile="full", suite="s", clauses=clauses[:2])
    source = {each.id: "https://docs.aws.amazon.com/sagemaker/" for each in clauses}
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page.document([broken, good], source=source), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375, 320])
def test_the_page_can_be_read(
    browser: Browser, file: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    browser.open(file, width=width, scheme=scheme)
    assert browser.run("innerWidth") == width
    assert browser.run(f"matchMedia('(prefers-color-scheme: {scheme})').matches")
    assert browser.screenshot(tmp_path / f"{width}-{scheme}.png").startswith(b"\x89PNG")
    assert browser.run(TOO_WIDE) == 0
    assert browser.run(CONTRAST) == []
    failed = browser.run(
        VISIBLE.format("#image-1-failed h3, #image-1-failed pre, #image-1-failed .fix")
    )
    assert failed == [True] * 5
    assert not any(browser.run(VISIBLE.format("#image-1-skipped li, #image-1-passed li")))
    browser.run(OPEN_ALL)
    assert browser.screenshot(tmp_path / f"{width}-{scheme}-open.png").startswith(b"\x89PNG")
    assert browser.run(VISIBLE.format("#image-1-skipped li, #image-1-passed li")) == [True] * 26
    assert browser.run(TOO_WIDE) == 0
    assert browser.run(CONTRAST) == []
    assert browser.complaints == []
    assert browser.requests == [file.as_uri()]


def test_what_an_image_says_is_not_run(browser: Browser, file: Path) -> None:
    browser.open(file, width=1280, scheme="light")
    assert browser.run("document.title") == "fail: 2 images | SageMaker contract"
    assert browser.run("document.querySelectorAll('script, img, iframe, body style').length") == 0
    shown = "document.querySelector('#image-1-SERVE-04 pre').textContent.trim()"
    assert browser.run(shown) == ATTACK


def test_long_evidence_scrolls_in_its_own_box_also_from_the_keyboard(
    browser: Browser, file: Path
) -> None:
    browser.open(file, width=1280, scheme="light")
    box = "document.querySelector('#image-1-SERVE-03 pre')"
    assert browser.run(f"{box}.scrollHeight > {box}.clientHeight && {box}.clientHeight < 500")
    assert browser.run(f"{box}.scrollWidth === {box}.clientWidth")
    assert browser.run(f"{box}.focus(), document.activeElement === {box}")


def test_a_link_leads_to_its_image_and_clause(browser: Browser, file: Path) -> None:
    browser.open(file, width=375, scheme="light")
    browser.run("document.querySelector('nav a[href=\"#image-2\"]').click()")
    assert browser.run("location.hash") == "#image-2"
    assert browser.run(
        "document.getElementById('image-2').getBoundingClientRect().top < innerHeight"
    )
    assert browser.run(
        "[...document.querySelectorAll('a[href^=\"#\"]')].every(a => document.getElementById(a.hash.slice(1)))"
    )


def test_paper_shows_everything_in_light_colours(
    browser: Browser, file: Path, tmp_path: Path
) -> None:
    browser.open(file, width=794, scheme="dark", media="print")
    assert browser.run(VISIBLE.format("li, pre")).count(False) == 0
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    box = "document.querySelector('#image-1-SERVE-03 pre')"
    assert browser.run(f"{box}.scrollHeight === {box}.clientHeight")
    assert browser.run(TOO_WIDE) == 0
    assert browser.run(CONTRAST) == []
    browser.screenshot(tmp_path / "print.png")
