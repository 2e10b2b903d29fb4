"""What a registry asks for before it answers: its `WWW-Authenticate` header (RFC 9110, 11.6.1)."""

from __future__ import annotations

import re

LONGEST = 4096
"""Characters that are read of a header."""
PART = re.compile(
    r"(?P<name>[\w!#$%&'*+.^`|~-]+)"
    r'(?:\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s,"]+)))?'
)
"""A scheme, or a parameter with its value. An address may lack its quotes."""
ESCAPED = re.compile(r"\\(.)")


def bearer(header: str) -> dict[str, str]:
    """The parameters of the first Bearer challenge that has a realm; none without one."""
    scheme, asked = "", dict[str, str]()
    for part in PART.finditer(header[:LONGEST]):
        name, quoted, bare = part["name"].lower(), part["quoted"], part["bare"]
        if quoted is None and bare is None:
            if "realm" in asked:
                break
            scheme, asked = name, {}
        elif scheme == "bearer":
            asked.setdefault(name, bare if quoted is None else ESCAPED.sub(r"\1", quoted))
    return asked if "realm" in asked else {}
