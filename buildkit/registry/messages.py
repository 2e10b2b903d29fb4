"""What failed, in the words of a registry or of the network."""

from __future__ import annotations

import re

from buildkit.registry.shapes import Problem, Problems, read

CONNECTION = re.compile(r"^\w+\(host=[^)]*\): ")
"""What urllib3 puts before a reason: a connection by its class."""
LONGEST = 300


def problems(content: bytes) -> tuple[Problem, ...]:
    """The reasons that a registry gives; none in words of anybody else."""
    try:
        return read(Problems, content).errors
    except ValueError:
        return ()


def said(content: bytes) -> str:
    """The registry's own words, as an ending."""
    if found := problems(content):
        return f": {found[0].code}, {found[0].message or ''}"[:LONGEST]
    text = " ".join(content[: 4 * LONGEST].decode(errors="replace").split())[:200]
    return f": {text}" if text else ""


def reason(error: Exception) -> str:
    """What happened on the network, without what urllib3 wraps around it."""
    text = str(getattr(error.args[0], "reason", error) if error.args else error)
    return CONNECTION.sub("", text)
