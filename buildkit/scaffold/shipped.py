"""The files of examples/ that new projects are made of: in the wheel, or in the checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from buildkit.system import reading


def content(name: str) -> bytes:
    return reading.content(_folder() / name, reading.LARGEST_TEXT)


def text(name: str) -> str:
    return content(name).decode()


@cache
def _folder() -> Path:
    package = Path(__file__).parents[1]
    packaged = package / "_examples"
    return packaged if packaged.is_dir() else package.parent / "examples"
