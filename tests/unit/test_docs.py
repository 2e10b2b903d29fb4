"""Every link within the documentation leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from buildkit import cli
from buildkit.config import images_toml
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


PLACE = re.compile(r"`((?:[\w.-]+/)+[\w.-]*)`")
FOR_CONTRIBUTORS = ("CONTRIBUTING.md", "docs/design/how-it-works.md")
MADE = ("dist/", "packages/")
"""Folders that only a run makes."""


@pytest.mark.parametrize("name", FOR_CONTRIBUTORS)
def test_pages_for_contributors_name_files_that_exist(name: str) -> None:
    """From the root, or from the package. CatBoost is the example of what does not exist yet."""
    found = {each for each in PLACE.findall((ROOT / name).read_text()) if "catboost" not in each}
    assert len(found) > 10
    assert not {
        each
        for each in found
        if each not in MADE
        and not (ROOT / each).exists()
        and not (ROOT / "buildkit" / each).exists()
    }


def test_contributors_learn_where_each_mutant_belongs() -> None:
    modules = ROOT.glob("tests/e2e/mutants/*.py")
    groups = {
        path.name
        for path in modules
        if re.search(r"^MUTANTS\b.* = ", path.read_text(), re.MULTILINE)
    }
    assert "core.py" in groups
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("| `tests/e2e/mutants/` |")[2]
    assert {*re.findall(r"^   \| `(\w+\.py)` \|", table, re.MULTILINE)} == groups


def test_the_page_of_commands_has_every_command_under_its_heading() -> None:
    text = (ROOT / "docs" / "reference" / "commands.md").read_text()
    groups = {
        title: re.findall(r"`([a-z-]+)`", names)
        for title, names in re.findall(r"^\| ([A-Z]\w+) \| (\[`.*) \|$", text, re.MULTILINE)
    }
    assert groups == {title: [*commands] for title, commands in cli.GROUPS.items()}


def test_pages_list_every_image_and_every_template_that_is_shipped() -> None:
    images = {name for name, _ in images_toml.read(ROOT / "images.toml").images}
    text = (ROOT / "docs" / "reference" / "images.md").read_text()
    assert {*re.findall(r"^\| `([a-z0-9-]+)` \|", text, re.MULTILINE)} >= images
    shipped = {path.name.partition(".")[0] for path in ROOT.glob("templates/[a-z]*.Dockerfile.j2")}
    text = (ROOT / "docs" / "reference" / "templates.md").read_text().partition("\n## ")[0]
    named = {each.partition(".")[0] for each in re.findall(r"`([\w.-]+)`", text)}
    assert named >= shipped


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
