"""The catalogue page in a real browser: on a desk, on a phone, in the dark, without JavaScript."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from buildkit.catalogue import gather, page
from buildkit.ledger import ledger
from tests.e2e.support.browser import CONTRAST, OPEN_ALL, TOO_WIDE, Browser, opened
from tests.support import cataloguing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from buildkit.project import Project

NOW = datetime(2026, 12, 1, 2, 30, tzinfo=timezone.utc)
SHOWN = "[...document.querySelectorAll('details.image')].filter(each => each.checkVisibility()).map(each => each.querySelector('h3').textContent)"
TYPE = """
(() => {{
  const box = document.getElementById('{}');
  box.value = {!r};
  box.dispatchEvent(new Event(box.matches('select') ? 'change' : 'input'));
  return document.getElementById('status').textContent;
}})()
"""
SPEED = """
(async () => {
  const box = document.getElementById('search');
  const painted = () => new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)));
  let best = Infinity;
  for (let round = 0; round < 5; round++) {
    for (const text of ['', 'n', 'numpy', 'framework-7 py312']) {
      await painted();
      const begun = performance.now();
      box.value = text;
      box.dispatchEvent(new Event('input'));
      await painted();
      if (text === 'framework-7 py312') best = Math.min(best, performance.now() - begun);
    }
  }
  return best;
})()
"""


@pytest.fixture(autouse=True)
def nothing_is_left() -> None:
    """Instead of the one that asks the engine: these tests need none."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with opened(tmp_path_factory.mktemp("browser")) as found:
        yield found


def write(folder: Path, project: Project) -> Path:
    releases = ledger.Ledger(path=folder / ledger.NAME).read()
    file = folder / "catalogue.html"
    file.write_text(page.document(gather.catalogue(project, releases, (), NOW)), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    return write(folder, cataloguing.make(folder))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_the_page_can_be_read(
    browser: Browser, file: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    browser.open(file, width=width, scheme=scheme)
    assert browser.run(TOO_WIDE) == 0
    assert browser.run(CONTRAST) == []
    assert browser.screenshot(tmp_path / f"{width}-{scheme}.png").startswith(b"\x89PNG")
    browser.run(OPEN_ALL)
    assert browser.run(TOO_WIDE) == 0
    assert browser.run(CONTRAST) == []
    assert browser.screenshot(tmp_path / f"{width}-{scheme}-open.png").startswith(b"\x89PNG")
    assert browser.complaints == []
    assert browser.requests == [file.as_uri()]
    assert browser.serious_faults() == []


def test_search_and_filters_narrow_the_images_and_the_matrix(browser: Browser, file: Path) -> None:
    browser.open(file, width=1280, scheme="light")
    every = browser.run(SHOWN)
    status = f"of {len(every)} images"
    assert browser.run(TYPE.format("search", "XGBoost 3.2 py313")) == f"2 {status}"
    assert browser.run(SHOWN) == [
        "xgboost-3.2.0-cpu-py313-training", "xgboost-3.2.0-cpu-py313-inference",
    ]  # fmt: skip
    chips = "[...document.querySelectorAll('.chip')].filter(each => each.checkVisibility()).length"
    assert browser.run(chips) == 2
    assert browser.run(TYPE.format("search", "no-such-image")) == f"0 {status}"
    assert browser.run("document.getElementById('nothing').checkVisibility()")
    browser.run("document.getElementById('reset').click()")
    assert browser.run(SHOWN) == every
    assert browser.run("document.activeElement.id") == "search"
    assert browser.run(TYPE.format("by-device", "gpu")).endswith(status)
    assert {"gpu"} == {each.split("-")[2] for each in browser.run(SHOWN)}
    assert browser.run(TYPE.format("by-status", "failed")) == f"0 {status}"
    browser.run(TYPE.format("by-device", ""))
    assert browser.run(SHOWN) == ["churn-4.1-cpu-py313"]
    assert browser.run(TYPE.format("by-status", "")) == f"{len(every)} images"


def test_a_link_of_the_matrix_opens_its_image(browser: Browser, file: Path) -> None:
    browser.open(file, width=375, scheme="light")
    browser.run("document.querySelector('.chip[data-id^=\"pytorch-2.6.0-gpu\"]').click()")
    image = "document.getElementById('pytorch-2.6.0-gpu-py311')"
    browser.wait_for("new Promise(done => setTimeout(done, 100))")
    assert browser.run(f"{image}.closest('details').open")
    assert browser.run(f"Math.abs({image}.getBoundingClientRect().top) < innerHeight")
    assert browser.run(
        "[...document.querySelectorAll('a[href^=\"#\"]')].every(a => document.getElementById(decodeURIComponent(a.hash.slice(1))))"
    )


def test_what_can_be_pulled_has_buttons_to_copy_it(browser: Browser, file: Path) -> None:
    browser.open(file, width=1280, scheme="light")
    image = "document.getElementById('pytorch-2.6.0-gpu-py311')"
    browser.run(f"{image}.closest('details').open = true")
    browser.wait_for("new Promise(done => setTimeout(done, 100))")
    labels = browser.run(
        f"[...{image}.querySelectorAll('button')].map(each => each.getAttribute('aria-label'))"
    )
    uris = [f"{host}/pytorch:2.6.0-gpu-py311" for host in cataloguing.HOSTS]
    assert {f"Copy {uri}" for uri in uris} < {*labels}
    browser.run(f"{image}.querySelector('button').click()")
    browser.wait_for("new Promise(done => setTimeout(done, 200))")
    said = browser.run("document.getElementById('said').textContent")
    # Without a window there may be no clipboard: then the text is selected.
    assert said == f"Copied {uris[0]}" or browser.run("getSelection().toString()") == uris[0]


def test_the_keyboard_reaches_everything_in_the_order_of_the_page(
    browser: Browser, file: Path
) -> None:
    browser.open(file, width=1280, scheme="light")
    order = []
    for _ in range(11):
        for kind in ("rawKeyDown", "keyUp"):
            browser.call(
                "Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9
            )
        order.append(
            browser.run(
                "document.activeElement.id || document.activeElement.className || document.activeElement.textContent"
            )
        )
    assert order == [
        "skip", "Matrix", "Images", "Layers", "search", "by-name", "by-device", "by-python", "by-status", "scroll", "chip partly",
    ]  # fmt: skip


def test_without_javascript_everything_is_there(browser: Browser, file: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(file, width=1280, scheme="light")
        assert not browser.run("document.getElementById('filters').checkVisibility()")
        text = browser.run("document.body.textContent")
        assert f"{cataloguing.HOSTS[1]}/churn:4.0-cpu-py313" in text
        assert len(browser.run(SHOWN)) == browser.run("document.querySelectorAll('.image').length")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_a_search_among_500_images_is_quick(browser: Browser, tmp_path: Path) -> None:
    project = cataloguing.make(tmp_path, cataloguing.many(8, 4), releases=2)
    file = write(tmp_path, project)
    assert file.stat().st_size < 3_000_000
    browser.open(file, width=1280, scheme="light")
    assert browser.run("document.querySelectorAll('.image').length") == 511
    assert browser.wait_for(SPEED) < 100
    browser.open(file, width=375, scheme="light")
    assert browser.run(TOO_WIDE) == 0
    browser.run("location.hash = 'layers'")
    browser.wait_for("new Promise(done => setTimeout(done, 500))")
    layers = "document.getElementById('layers')"
    assert 0 <= browser.run(f"{layers}.getBoundingClientRect().top") < 900  # the page ends there
    browser.run("location.hash = 'framework-8-3.0-gpu-py312'")
    browser.wait_for("new Promise(done => setTimeout(done, 500))")
    image = "document.getElementById('framework-8-3.0-gpu-py312').parentElement"
    assert browser.run(f"Math.abs({image}.getBoundingClientRect().top) < 100")
