"""A relay in front of the real registry, or of the ECR API, that spoils exact requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from tests.support.registry_server import MANIFEST, Handler, RegistryServer, Reply, digest
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from collections.abc import Callable

PASSED_ON = ("Authorization", "Content-Type", "Accept", "X-Amz-Target", "X-Amz-Date")
PASSED_BACK = ("Content-Type", "Docker-Content-Digest", "Location", "Link", "WWW-Authenticate")


@dataclass
class FaultRelay(RegistryServer):
    """Everything that no fault takes goes to `target`; its repositories get `prefix` there."""

    target: str = ""
    prefix: str = ""
    given: list[tuple[str, str]] = field(default_factory=list)
    """Each reference that the registry took a manifest for, in order, and the manifest's digest."""

    def reply(self, method: str, url: str, headers: Any, body: bytes) -> Reply:
        path = url.replace("/v2/", f"/v2/{self.prefix}", 1) if url != "/v2/" else url
        path = path.replace("from=", f"from={self.prefix}")
        answer = requests.request(
            method,
            f"{self.target}{path}",
            headers={name: headers[name] for name in PASSED_ON if name in headers},
            data=body,
            timeout=HANG,
            allow_redirects=False,
        )
        found = {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
        if "Location" in found:
            location = found["Location"].removeprefix(self.target)
            found["Location"] = location.replace(f"/v2/{self.prefix}", "/v2/", 1)
        if method == "PUT" and answer.ok and (match := MANIFEST.fullmatch(url)):
            self.given.append((match["reference"], digest(body)))
        return answer.status_code, found, b"" if method == "HEAD" else answer.content


def changed(relay: FaultRelay, change: Callable[[bytes], bytes]) -> Callable[[Handler], Reply]:
    """The right answer with another body, such as a proxy makes that rewrites or cuts off."""

    def spoil(handler: Handler) -> Reply:
        status, headers, content = relay.reply(handler.command, handler.path, handler.headers, b"")
        return status, headers, change(content)

    return spoil


def aws(status: int, code: str, message: str = "") -> Callable[[Handler], Reply]:
    """An error of the ECR API."""
    content = f'{{"__type": "{code}", "message": "{message}"}}'.encode()
    return lambda _: (status, {"Content-Type": "application/x-amz-json-1.1"}, content)
