"""The text format of Prometheus: whether an answer can be read as metrics.

https://prometheus.io/docs/instrumenting/exposition_formats/, and OpenMetrics, which extends it.
"""

from __future__ import annotations

import re

SHOWN = 100
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_TEXT = r'"(?:[^"\\]|\\.)*"'
_LABEL = rf"\s*(?:(?:{_NAME}|{_TEXT})\s*=\s*)?{_TEXT}\s*"
_LABELS = rf"\{{(?:{_LABEL}(?:,{_LABEL})*(?:,\s*)?|\s*)\}}"
_NUMBER = r"[+-]?(?:(?i:inf|nan)|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
_SAMPLE = re.compile(
    rf"(?:{_NAME}\s+|(?:{_NAME}\s*)?{_LABELS}\s*){_NUMBER}(?:\s+{_NUMBER})?(?:\s+#\s*{_LABELS}.*)?"
)
"""A name and labels, a value, a time, and an exemplar; labels may hold the name in quotes.

No two repetitions of the same characters meet: a line of an image cannot take long.
"""
_TYPE = re.compile(rf"#\s*TYPE\s+(?:{_NAME}|{_TEXT})\s+\w+")


def fault(body: bytes) -> str | None:
    """Why a body is not in the format; None if it is, and has a sample."""
    try:
        lines = body.decode().split("\n")
    except UnicodeDecodeError:
        return "it is not UTF-8 text"
    samples = 0
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        if text.startswith("#"):
            wrong = text[1:].split()[:1] == ["TYPE"] and not _TYPE.fullmatch(text)
        else:
            wrong = not _SAMPLE.fullmatch(text)
            samples += 1
        if wrong:
            return f"line {number} is {text[:SHOWN]!r}"
    return None if samples else "it has no sample"
