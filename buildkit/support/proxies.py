"""A proxy that opens no connection to a host: what messages say about it."""

from __future__ import annotations

import re

REFUSAL = re.compile(r"Tunnel connection failed: (?P<status>[0-9]{3}(?: [\w -]*\w)?)", re.ASCII)
"""The error of http.client if a proxy answers CONNECT with anything but a success."""
WRONG_LOGIN = "407"


def refusal(error: object) -> str | None:
    """The status and its name that a proxy answers instead of connecting; None otherwise."""
    found = REFUSAL.search(str(error))
    return found["status"] if found else None


def hint(status: str, host: str) -> str:
    """What to check if a proxy answers with this status instead of connecting to the host."""
    if status.startswith(WRONG_LOGIN):
        return "put the user and password that the proxy asks for into HTTPS_PROXY"
    return f"allow {host} in the proxy, or set HTTPS_PROXY or NO_PROXY so that another way is used"
