"""Amounts as people read them: `1 layer`, `2 layers`, `12.3 MB`."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """A number with its noun, which takes an `s` in the plural."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def megabytes(size: float, form: str = ".1f") -> str:
    """Bytes in MB; `form` is the format of the number."""
    return f"{size / 1e6:{form}} MB"
