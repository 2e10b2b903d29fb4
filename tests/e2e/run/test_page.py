"""The page of `buildkit run … serve --page` in a real browser, with a server of the test."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.model.target import Payload, Samples
from buildkit.run import page
from buildkit.run.image import Image
from buildkit.run.serving import Server
from tests.e2e.support.browser import CONTRAST, OPEN_ALL, TOO_WIDE, Browser
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMELESS = """
[...document.querySelectorAll('input, select, textarea, button')].filter(
  each => each.checkVisibility() && !(each.labels && each.labels.length) && !each.textContent.trim()).length
"""
STATUS = "document.getElementById('status').textContent"
TYPE = """
(() => {{ const body = document.getElementById('body'); body.value = {text}; body.focus();
  body.dispatchEvent(new KeyboardEvent('keydown', {{ key: 'Enter', ctrlKey: true, bubbles: true, cancelable: true }})); }})()
"""


@pytest.fixture(autouse=True)
def nothing_is_left() -> None:
    """Instead of the one that asks the engine: these tests need none."""


class Doubles(BaseHTTPRequestHandler):
    """Answers CSV with JSON; with 400 where there are no numbers."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        good = text.strip().isdecimal()
        body = b'{"doubled":[%d]}' % (2 * int(text)) if good else b"<b onclick='x'>no number</b>"
        self.send_response(200 if good else 400)
        self.send_header("Content-Type", "application/json" if good else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def opened(folder: Path) -> Iterator[str]:
    (folder / "row.csv").write_text("21\n")
    payload = Payload(content_type="text/csv", body=str(folder / "row.csv"))
    image = Image(
        name="demo-1.0-cpu-py311",
        reference="x",
        target=None,
        samples=Samples(payloads=(payload,)),
        folder=folder,
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), Doubles) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        at = Server(container=None, address=("127.0.0.1", server.server_port), seconds=0)  # type: ignore[arg-type]
        with page.served(at, image) as url:
            yield url
        server.shutdown()


def until(browser: Browser, beginning: str) -> None:
    deadline = time.monotonic() + HANG
    while not str(browser.run(STATUS)).startswith(beginning):
        assert time.monotonic() < deadline, browser.run(STATUS)
        time.sleep(0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_payloads_are_sent_from_the_keyboard_and_remembered(
    tmp_path: Path, width: int, scheme: str
) -> None:
    browser = Browser(tmp_path / "profile")
    try:
        browser.start()
        with opened(tmp_path) as url:
            browser.open(url, width=width, scheme=scheme)
            assert browser.run("document.getElementById('body').value") == "21\n"
            browser.run("document.getElementById('send').click()")
            until(browser, "200, ")
            assert browser.run("document.getElementById('text').textContent") == (
                '{\n  "doubled": [\n    42\n  ]\n}'
            )
            browser.run(TYPE.format(text="'abc'"))
            until(browser, "400, ")
            assert "<b onclick" in browser.run("document.getElementById('text').textContent")
            browser.run(OPEN_ALL)
            assert browser.run("document.querySelectorAll('#history button').length") == 2
            assert browser.run(CONTRAST) == []
            assert browser.run(TOO_WIDE) <= 0
            assert browser.run(NAMELESS) == 0
            browser.screenshot(tmp_path / "page.png")
            browser.run("document.querySelectorAll('#history button')[1].click()")
            assert browser.run("document.getElementById('body').value") == "21\n"
            assert str(browser.run(STATUS)).startswith("200, ")
            assert {each.split("/")[2] for each in browser.requests} == {url.split("/")[2]}
            noise = [each for each in browser.complaints if "400" not in str(each)]
            assert noise == []
    finally:
        browser.end()
