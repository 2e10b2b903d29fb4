"""A real browser without a window, led through the DevTools protocol on two pipes."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.support.real import script

if TYPE_CHECKING:
    from collections.abc import Iterator

OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
    "--remote-debugging-pipe",
)  # fmt: skip
NOISE = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
CONTRAST = """
(() => {
  const rgb = text => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const below = e => { const c = rgb(getComputedStyle(e).backgroundColor); return c[3] === 0 ? below(e.parentElement) : c; };
  const bad = [];
  for (const e of document.body.querySelectorAll('*')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility()) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(below(e))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) bad.push(`${e.outerHTML.slice(0, 80)}: ${ratio.toFixed(2)}`);
  }
  return bad;
})()
"""
"""Texts whose contrast is below what WCAG AA asks of small ones."""

OPEN_ALL = "document.querySelectorAll('details').forEach(each => each.open = true)"
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
VISIBLE = "[...document.querySelectorAll('{}')].map(each => each.checkVisibility())"

SERIOUS = ("serious", "critical")
FAULTS = """
axe.run(document, { resultTypes: ['violations'] }).then(found => found.violations.map(
  each => [each.impact, each.id, each.nodes.map(node => node.html.slice(0, 160))]))
"""


class Browser:
    """One tab. `complaints` is what the console would show, `requests` what was asked for."""

    def __init__(self, profile: Path) -> None:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        pipes = (theirs_in, theirs_out)
        # The protocol is spoken on the descriptors 3 and 4.
        start = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        argv = [script("browser").strip(), *OPTIONS, f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(
            ["bash", "-c", start, "bash", *argv],
            pass_fds=pipes,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for descriptor in pipes:
            os.close(descriptor)
        self._rest = b""
        self._number = 0
        self._session: dict[str, str] = {}
        self._events: list[dict[str, Any]] = []

    def start(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        found = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": found["sessionId"]}
        for domain in ("Page", "Log", "Runtime", "Network"):
            self.call(f"{domain}.enable")

    def end(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def open(self, page: Path | str, *, width: int, scheme: str, media: str = "screen") -> None:
        phone = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=900, deviceScaleFactor=1, mobile=phone,
        )  # fmt: skip
        wish = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", media=media, features=[wish])
        self._events.clear()
        self.call("Page.navigate", url=page if isinstance(page, str) else page.as_uri())
        while not self._seen("Page.loadEventFired"):
            self._events.append(self._read())

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def wait_for(self, script: str) -> Any:
        """The value of a promise in the page."""
        done = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def serious_faults(self) -> list[Any]:
        """What axe-core finds serious or critical in the accessibility of the page."""
        self.run(f"{Path(script('axe').strip()).read_text()}; 0")
        return [each for each in self.wait_for(FAULTS) if each[0] in SERIOUS]

    def screenshot(self, path: Path) -> bytes:
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(taken["data"]))
        return path.read_bytes()

    @property
    def complaints(self) -> list[dict[str, Any]]:
        return self._seen(*NOISE)

    @property
    def requests(self) -> list[str]:
        seen = self._seen("Network.requestWillBeSent")
        return [each["params"]["request"]["url"] for each in seen]

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        self._number += 1
        asked = {"id": self._number, "method": method, "params": parameters, **self._session}
        os.write(self._out, json.dumps(asked).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self._events.append(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            chunk = os.read(self._in, 1 << 20)
            assert chunk, "the browser has ended"
            self._rest += chunk
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def _seen(self, *methods: str) -> list[dict[str, Any]]:
        return [event for event in self._events if event.get("method") in methods]


@contextmanager
def opened(profile: Path) -> Iterator[Browser]:
    found = Browser(profile)
    try:
        found.start()
        yield found
    finally:
        found.end()
