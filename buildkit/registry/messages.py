"""Error texts of registries and of the network."""

from __future__ import annotations

import re

from buildkit.registry.shapes import Problem, Problems, read

CONNECTION = re.compile(r"^\w+\(host=[^)]*\): ")
"""The class of a connection, which urllib3 puts before a reason."""
LONGEST = 300


def problems(content: bytes) -> tuple[Problem, ...]:
    """The reasons that a registry gives; none if the answer is not a registry's."""
    try:
        return read(Problems, content).errors
    except ValueError:
        return ()


def said(content: bytes) -> str:
    """The registry's own words, to be appended to a message."""
    if found := problems(content):
        return f": {found[0].code}, {found[0].message or ''}"[:LONGEST]
    text = " ".join(content[: 4 * LONGEST].decode(errors="replace").split())[:200]
    return f": {text}" if text else ""


def reason(error: Exception) -> str:
    """The reason of a network error, without the classes that urllib3 wraps around it."""
    text = str(getattr(error.args[0], "reason", error) if error.args else error)
    return CONNECTION.sub("", text)
