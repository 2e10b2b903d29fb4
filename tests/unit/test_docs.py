"""Every link within the documentation leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from buildkit.prebuilt import facts, naming

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
LINK = re.compile(r"\[[^\]]*\]\((?!https?://|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of titles."""
    titles = re.findall(r"^#+ +(.*)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for name, anchor in LINK.findall(FENCE.sub("", page.read_text())):
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), name
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{name}#{anchor}"


def test_the_index_leads_to_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / name).resolve() for name, _ in LINK.findall(index.read_text())}
    assert linked >= {*ROOT.glob("docs/*/*.md"), ROOT / "README.md"}


FRAMEWORK = re.compile(
    r"""\bimage_uri\(\s*"([^"]+)"|image_uris\.retrieve\("([^"]+)"|framework="([^"]+)"|the framework `([^`]+)`"""
    r"""|framework = "([^"]+)"|buildkit uri ([a-z][a-z0-9.-]*) --prebuilt|Query\("([^"]+)\""""
)
"""Where a page says which of AWS's frameworks is meant."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_frameworks_that_exist(page: Path) -> None:
    named = {
        name for match in FRAMEWORK.finditer(page.read_text()) for name in match.groups() if name
    }
    assert not named - {*facts.frameworks(), *naming.SPOKEN}


def test_a_framework_that_does_not_exist_would_be_seen() -> None:
    found = FRAMEWORK.findall(
        '`image_uri("a", …)`, or the framework `b`; `buildkit uri c --prebuilt`'
    )
    assert ["".join(each) for each in found] == ["a", "b", "c"]


def test_no_page_shows_a_hint_that_is_not_given_any_more() -> None:
    for page in ("images-toml", "frameworks"):
        text = (ROOT / "docs" / "reference" / f"{page}.md").read_text()
        hints = [line for line in text.splitlines() if line.startswith("hint: edit images.toml")]
        assert hints
        assert all("; each key: " in line for line in hints), page
