"""The catalogue as a page and as Markdown: complete, honest, and harmless whatever images say."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from datetime import datetime, timezone
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from buildkit.catalogue import gather, markdown, page
from buildkit.catalogue.values import Catalogue, Packages, Size, State
from buildkit.ledger import ledger
from buildkit.model.image import Status
from tests.support import cataloguing, fakes

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.catalogue.values import Entry

NOW = datetime(2026, 12, 1, 2, 30, tzinfo=timezone.utc)
ATTACK = "</script><script>alert(1)</script><img src=//evil.example onerror=alert(1)>\"' |`*_[x](y)"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    folder = tmp_path_factory.mktemp("project")
    found = cataloguing.make(folder)
    return gather.catalogue(found, ledger.Ledger(path=folder / ledger.NAME).read(), (), NOW)


@pytest.fixture
def unreleased(tmp_path: Path) -> Catalogue:
    return gather.catalogue(cataloguing.make(tmp_path, published=False), (), (), NOW)


class Parsed(HTMLParser):
    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._in = ""
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.scripts.append(data)
        elif self._in != "style":
            self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_page_has_every_fact_of_every_image_as_text(catalogue: Catalogue) -> None:
    text = Parsed(page.document(catalogue)).text
    for entry in catalogue.entries:
        assert entry.id in text
        for place in entry.release.locations if entry.release else ():
            assert place.uri in text
            assert place.digest_uri in text
    assert "34 images: 11 published, 1 not published, 22 removed from images.toml" in text
    for words in (
        "CUDA 12.6, NVIDIA driver 525 or newer",
        "InferenceAmiVersion",
        "2026-05: upstream support has ended",
        "no line on stdout in 12 s",
        "40 packages in images.lock, as in the published image",
        "not trained, not served: no samples".capitalize(),
        "sklearn:latest-cpu-py311",
        "dist/ has a build of it.",
    ):
        assert words in text, words


def test_the_page_needs_nothing_else(catalogue: Catalogue) -> None:
    document = page.document(catalogue)
    found = Parsed(document)
    tags = {name for name, _ in found.tags}
    assert not tags & {"img", "iframe", "object", "embed", "form", "base", "audio", "video"}
    assert [each["href"] for each in found.of("link")] == ["data:,"]
    links = [each["href"] or "" for each in found.of("a")]
    assert all(link.startswith("#") for link in links)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|innerHTML", document)


def test_only_the_script_of_the_page_may_run(catalogue: Catalogue) -> None:
    found = Parsed(page.document(catalogue))
    script = "".join(found.scripts)
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [e["content"] for e in found.of("meta") if "http-equiv" in e]
    assert policy is not None
    assert f"script-src 'sha256-{hashed}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert len(found.of("script")) == 1
    assert not [name for _, each in found.tags for name in each if name.startswith("on")]


def test_links_lead_to_anchors_and_anchors_are_unique(catalogue: Catalogue) -> None:
    found = Parsed(page.document(catalogue))
    ids = [each["id"] for _, each in found.tags if each.get("id")]
    assert len(ids) == len({*ids})
    assert {(each["href"] or "")[1:] for each in found.of("a")} <= {*ids}
    labels = {each["for"] for each in found.of("label")}
    assert labels == {each["id"] for name in ("input", "select") for each in found.of(name)}


def hostile(entry: Entry) -> Entry:
    broken = (fakes.clause(Status.FAIL, title=ATTACK, message=ATTACK, hint=ATTACK),)
    return replace(
        entry,
        id=f"{entry.id}{ATTACK}",
        name=ATTACK,
        version=ATTACK,
        base=ATTACK,
        image=ATTACK,
        test=replace(entry.test, broken=broken, failed=1, untried=ATTACK, profile=ATTACK),
        packages=Packages(requested=(ATTACK,), locked=(ATTACK,)),
    )


def test_what_images_say_is_escaped(catalogue: Catalogue) -> None:
    changed = replace(catalogue, entries=tuple(map(hostile, catalogue.entries)))
    found = Parsed(page.document(changed))
    assert len(found.scripts) == 1
    assert not found.of("img")
    assert not [name for _, each in found.tags for name in each if name.startswith("on")]
    assert ATTACK in found.text
    text = markdown.document(changed)
    plain = re.sub(r"`[^`]*`", "", re.sub(r"\\.", "", text))
    assert {*re.findall(r"<\w*>?", plain)} == {"<br>"}
    assert {line.count(" | ") for line in text.splitlines() if line.startswith("| `")} == {5}


def test_a_large_page_leaves_out_packages_and_evidence_and_says_so(catalogue: Catalogue) -> None:
    entry = next(each for each in catalogue.entries if each.packages)
    packages = Packages(requested=("asked",), locked=("locked==1.0",), current=None)
    clause = fakes.clause(status=Status.WARN, message="what it saw")
    test = replace(entry.test, broken=(clause,))
    one = replace(entry, packages=packages, test=test)
    found = [page.document(replace(catalogue, entries=(one,) * number)) for number in (1000, 1001)]
    for words in ("locked 1.0", "what it saw"):
        assert [words in each for each in found] == [True, False]
    words = "This page has more than 1000 images, so it leaves out the packages of images.lock"
    assert [words in each for each in found] == [False, True]
    assert all("<code>asked</code>" in each for each in found)


def test_long_evidence_is_cut(catalogue: Catalogue) -> None:
    broken = (fakes.clause(Status.FAIL, message="x" * 5000),)
    one = replace(catalogue.entries[0], test=replace(catalogue.entries[0].test, broken=broken))
    assert "x" * 601 not in page.document(replace(catalogue, entries=(one,)))


def test_invisible_characters_are_shown(catalogue: Catalogue) -> None:
    one = replace(catalogue.entries[0], base="a\u202eb", release=None, state=State.NOT_PUBLISHED)
    document = page.document(replace(catalogue, entries=(one,)))
    assert "a\\u202eb" in document
    assert "\u202e" not in document


def test_without_a_release_page_and_markdown_say_so(unreleased: Catalogue) -> None:
    text = Parsed(page.document(unreleased)).text
    assert "12 images: 12 not published" in text
    assert "Nothing is published yet" in text
    assert "buildkit build sklearn-1.6.1-cpu-py311 --push" in text
    assert "Stored layers" not in text
    assert "Nothing is published yet" in markdown.document(unreleased)


def test_what_is_unknown_is_called_unknown(catalogue: Catalogue) -> None:
    one = catalogue.entries[0]
    assert one.release is not None
    bare = replace(
        one,
        device="gpu",
        gpu=None,
        packages=None,
        test=replace(one.test, broken=None, warned=2),
        release=replace(one.release, layers=(), size=None),
        sizes=(Size(version="1", time="2026-11-10T00:00:00Z", digest="d", bytes=None),),
    )
    text = " ".join(Parsed(page.document(replace(catalogue, entries=(bare,)))).text.split())
    for words in (
        "Layersunknown",
        "The version is unknown: neither the packages nor the base name it",
        "Unknown: the image comes from a Dockerfile of your own",
        "Which clauses warned is unknown",
        "12026-11-10unknown",
    ):
        assert words in text, words


@pytest.mark.parametrize(
    ("sizes", "line"),
    [
        pytest.param([5], (), id="one"),
        pytest.param([None, 5], (), id="one known"),
        pytest.param([5, 10, 0], [(0.0, 30.0), (100.0, 0.0), (200.0, 60.0)], id="three"),
        pytest.param([5, 5], [(0.0, 60.0), (200.0, 60.0)], id="the same"),
    ],
)
def test_a_trend_is_a_line_from_left_to_right(
    sizes: list[int | None], line: list[tuple[float, float]]
) -> None:
    found = [Size(version="1", time="t", digest="d", bytes=each) for each in sizes]
    assert [*page.points(found)] == [*line]


def test_changes_of_size_are_between_neighbours() -> None:
    found = [Size(version=str(n), time="t", digest="d", bytes=n * n) for n in range(12)]
    changes = [more for _, more in page.change(found)]
    assert changes == [7, 9, 11, 13, 15, 17, 19, 21]
    assert [more for _, more in page.change(found[:2])] == [None, 1]


def test_markdown_has_the_matrix_and_a_row_for_each_image(catalogue: Catalogue) -> None:
    lines = markdown.document(catalogue).splitlines()
    assert lines[0] == "# Image catalogue"
    assert "| Framework | Device | Python 3.11 | Python 3.13 |" in lines
    assert "| churn | cpu |  | ◐ 4.0<br>✗ 4.1 |" in lines
    (row,) = [each for each in lines if each.startswith("| `sklearn-1.6.1-cpu-py311` |")]
    uris = "<br>".join(f"`{host}/sklearn:1.6.1-cpu-py311`" for host in cataloguing.HOSTS)
    assert (
        f"| published; end of life 2026-05 | 89 passed, 1 warned, 1 skipped | {'215.0 MB; +'}"
        in row
    )
    assert row.endswith(f"| {uris} |")
    assert len([each for each in lines if each.startswith("| `")]) == 34


def test_markdown_stays_below_the_limit_of_a_job_summary(catalogue: Catalogue) -> None:
    (entry,) = (each for each in catalogue.entries if each.id == "sklearn-1.6.1-cpu-py311")
    assert entry.release is not None
    release = replace(entry.release, locations=entry.release.locations * 8)
    entries = (replace(entry, release=release),) * 2000
    text = markdown.document(replace(catalogue, entries=entries))
    shown = text.count("\n| `")
    assert 800_000 < len(text.encode()) < 900_100
    assert f"And {2000 - shown} more images: `buildkit report` shows all." in text


def test_markdown_of_a_huge_matrix_stays_below_the_limit(catalogue: Catalogue) -> None:
    entry = catalogue.entries[0]
    entries = tuple(replace(entry, name=f"{n:05}{'é' * 60}") for n in range(9000))
    text = markdown.document(replace(catalogue, entries=entries))
    assert len(text.encode()) < 900_100
    assert " more rows: `buildkit report` shows all." in text
    assert " more images: `buildkit report` shows all." in text
    assert text.count("\n| `") > 1000
