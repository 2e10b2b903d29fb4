"""GitHub's expressions (its documentation: "Evaluate expressions in workflows and actions")."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w-]*)"
    r"|(?P<mark>&&|\|\||==|!=|<=|>=|[!<>().,\[\]*]))"
)
HOLE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
STATUS = re.compile(r"\b(?:success|failure|always|cancelled)\s*\(")
LITERALS = {"true": True, "false": False, "null": None}


def fill(text: object, contexts: Mapping[str, Any]) -> Any:
    """A value of a workflow with its expressions evaluated; one that is nothing else keeps its type."""
    if not isinstance(text, str):
        return text
    whole = HOLE.fullmatch(text.strip())
    if whole and "${{" not in whole[1]:
        return evaluate(whole[1], contexts)
    return HOLE.sub(lambda match: as_text(evaluate(match[1], contexts)), text)


def holds(condition: object, contexts: Mapping[str, Any]) -> bool:
    """Whether an `if` lets a job or step run; `success()` is meant where no status is asked for."""
    text = str(condition if condition is not None else "success()").strip()
    if whole := HOLE.fullmatch(text):
        text = whole[1]
    if not STATUS.search(text):
        text = f"success() && ({text})"
    return truth(evaluate(text, contexts))


def evaluate(text: str, contexts: Mapping[str, Any]) -> Any:
    reader = _Reader(text, contexts)
    value = reader.either()
    assert not reader.tokens, f"{text!r}: what is {reader.tokens}?"
    return value


def truth(value: object) -> bool:
    return value not in (None, False, 0, "")


def as_text(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    return str(value) if not isinstance(value, (dict, list)) else json.dumps(value)


class _Reader:
    """Reads and evaluates at once, by descent."""

    def __init__(self, text: str, contexts: Mapping[str, Any]) -> None:
        self.contexts = contexts
        self.tokens: list[tuple[str, str]] = []
        place = 0
        while text[place:].strip():
            match = TOKEN.match(text, place)
            assert match, f"{text!r}: cannot read {text[place:]!r}"
            assert match.lastgroup
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            place = match.end()

    def took(self, *marks: str) -> str | None:
        if self.tokens and self.tokens[0][0] == "mark" and self.tokens[0][1] in marks:
            return self.tokens.pop(0)[1]
        return None

    def either(self) -> Any:
        value = self.both()
        while self.took("||"):
            other = self.both()
            value = value if truth(value) else other
        return value

    def both(self) -> Any:
        value = self.compared()
        while self.took("&&"):
            other = self.compared()
            value = other if truth(value) else value
        return value

    def compared(self) -> Any:
        value = self.turned()
        while mark := self.took("==", "!=", "<=", ">=", "<", ">"):
            value = _compare(value, mark, self.turned())
        return value

    def turned(self) -> Any:
        return not truth(self.turned()) if self.took("!") else self.path()

    def path(self) -> Any:
        value = self.atom()
        many = False
        while mark := self.took(".", "["):
            if mark == ".":
                key: Any = "*" if self.took("*") else self.tokens.pop(0)[1]
            else:
                key = self.either()
                assert self.took("]")
            if key == "*":
                value = [*value.values()] if isinstance(value, dict) else value or []
                many = True
            else:
                value = [_member(each, key) for each in value] if many else _member(value, key)
        return value

    def atom(self) -> Any:
        if self.took("("):
            value = self.either()
            assert self.took(")")
            return value
        kind, text = self.tokens.pop(0)
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return float(text) if "." in text else int(text)
        assert kind == "name", text
        if text in LITERALS:
            return LITERALS[text]
        if self.took("("):
            values = []
            while not self.took(")"):
                values.append(self.either())
                self.took(",")
            return self.function(text.lower())(*values)
        return self.contexts[text]

    def function(self, name: str) -> Callable[..., Any]:
        status = self.contexts.get("status", {})
        known: dict[str, Callable[..., Any]] = {
            "always": lambda: True,
            "success": lambda: not status.get("failed") and not status.get("skipped"),
            "failure": lambda: bool(status.get("failed")),
            "cancelled": lambda: False,
            "fromjson": json.loads,
            "tojson": lambda value: json.dumps(value, indent=2),
            "join": lambda values, by=",": by.join(map(as_text, values)),
            "contains": lambda values, value: value in values,
            "hashfiles": lambda pattern: _hash(self.contexts["runner"]["workspace"], pattern),
            "startswith": lambda text, start: as_text(text).lower().startswith(start.lower()),
            "format": lambda text, *values: re.sub(
                r"\{(\d+)\}", lambda match: as_text(values[int(match[1])]), text
            ),
        }
        return known[name]


def _hash(workspace: Path, name: str) -> str:
    """The digest of a file of the checkout, empty without it; patterns are not needed here."""
    file = workspace / name
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def _member(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key]
    return None


def _compare(a: Any, mark: str, b: Any) -> bool:
    if isinstance(a, str) and isinstance(b, str):
        a, b = a.lower(), b.lower()
    elif type(a) is not type(b):
        a, b = _number(a), _number(b)
    found: dict[str, Callable[[], bool]] = {
        "==": lambda: a == b,
        "!=": lambda: a != b,
        "<": lambda: a < b,
        ">": lambda: a > b,
        "<=": lambda: a <= b,
        ">=": lambda: a >= b,
    }
    return bool(found[mark]())


def _number(value: Any) -> float:
    if value in (None, "", False, True):
        return float(bool(value))
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
