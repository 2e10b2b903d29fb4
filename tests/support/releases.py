"""Records for tests, short to write."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from buildkit.ledger.record import Action, Image, Move, Release, Verdict
from buildkit.model.image import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST = "registry.example"
_numbers = count(1)


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def image(version: str = "1.0", letter: str = "1", **changes: Any) -> Image:
    """Its id, its tag and its location follow from what is changed."""
    name, device = changes.get("name", "demo"), changes.get("device", "cpu")
    cell = f"{version}-{device}-py{changes.get('python', '3.11').replace('.', '')}"
    repository, tag = changes.get("repository", "demo"), changes.get("tag", cell)
    host = changes.pop("host", HOST)
    facts: dict[str, Any] = {
        "target": f"{name}-{cell}",
        "name": name,
        "version": version,
        "device": "cpu",
        "python": "3.11",
        "purpose": "both",
        "repository": repository,
        "tag": tag,
        "digest": digest(letter),
        "config_digest": digest("c"),
        "size": 1,
        "locations": (f"{host}/{repository}:{tag}",),
        "origin": Origin(base="python:3.11-slim", base_digest=digest("b"), inputs=digest("d")),
        "verdict": Verdict(profile="smoke", suite="s", passed=2, warned=1, skipped=0, seconds=1.5),
    }
    return Image(**{**facts, **changes})


def move(before: str | None, after: str, version: str, **changes: Any) -> Move:
    """Of the alias `demo:latest`; digests are letters."""
    facts: dict[str, Any] = {
        "host": HOST,
        "repository": "demo",
        "alias": "latest",
        "before": before and digest(before),
        "after": digest(after),
        "tag": f"{version}-cpu-py311",
    }
    return Move(**{**facts, **changes})


def release(
    *images: Image, action: Action = Action.PUBLISH, moves: Sequence[Move] = (), **changes: Any
) -> Release:
    """Each is later than the one that was made before it."""
    facts: dict[str, Any] = {
        "id": f"20261121T161654-{next(_numbers):08x}",
        "time": "2026-11-21T16:16:54Z",
        "action": action,
        "tool": "0.1.0",
        "commit": None,
        "images": images,
        "moves": tuple(moves),
    }
    return Release(**{**facts, **changes})
