"""What failed, in the words of a registry or of the network."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests

CONNECTION = re.compile(r"^\w+\(host=[^)]*\): ")
"""What urllib3 puts before a reason: a connection by its class."""


def said(answer: requests.Response) -> str:
    """The registry's own words, as an ending (distribution specification, "Error codes")."""
    with suppress(ValueError, KeyError, TypeError, IndexError):
        first = json.loads(answer.content)["errors"][0]
        return f": {first['code']}, {first.get('message', '')}"[:300]
    text = answer.text.strip()[:200]
    return f": {text}" if text else ""


def reason(error: requests.RequestException) -> str:
    """What happened on the network, without what urllib3 wraps around it."""
    text = str(getattr(error.args[0], "reason", error) if error.args else error)
    return CONNECTION.sub("", text)
