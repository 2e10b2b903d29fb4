"""What may be secret in an address, and how a message shows one without it.

Users and passwords stand before an `@`, tokens and signatures behind `?`, `;` and `#`.
"""

from __future__ import annotations

import re

LEFT_OUT = "…"
WORD = re.compile(r"[^\s'\"`]+")
AT = re.compile(r"(?<=\S)(?:@|%(?:25)*40)(?!sha(?:256|512):[0-9a-f])", re.IGNORECASE)
"""Also percent-encoded. What stands before a digest is the name of an image."""
SLASHES = re.compile(r"[/\\]{2,}")
COLON = re.compile(r":|%(?:25)*3a", re.IGNORECASE)
END = re.compile(r"(?:[?;#]|%(?:25)*(?:3f|3b|23))(?=\S)", re.IGNORECASE)
NO_USER = ("mailto:",)
"""Addresses of people."""


def give(what: str) -> str:
    """What to do with a secret in the place of writing it down."""
    return f"give {what} to the build with `--pip-config`, where they leave no trace"


def without_user(text: str) -> str:
    """A message in which no address names a user or a password; other words stay as they are."""
    return WORD.sub(lambda match: _without_user(match[0]), text)


def hidden(text: str) -> str:
    """The same, also without what stands behind `?`, `;` and `#` of an address."""
    return WORD.sub(lambda match: _without_end(_without_user(match[0])), text)


def shown(value: str) -> str:
    """A value of a user that is wrong, for a message: all of it may be an address."""
    ends = [match.end() for match in AT.finditer(value)]
    if ends:
        end = ends[-1]
        slashes = SLASHES.search(value, 0, end)
        value = f"{value[: slashes.end()] if slashes else ''}{LEFT_OUT}@{value[end:]}"
    match = END.search(value)
    return value if match is None else f"{value[: match.end()]}{LEFT_OUT}"


def quoted(value: str) -> str:
    """The same in quotes, on one line."""
    return repr(shown(value))


def has_user(word: str) -> bool:
    """Whether a word that has no escapes names a user or a password: `//user@`, `user:password@`.

    The user `git` is everybody's.
    """
    first, *others = SLASHES.split(word)
    return _is_password(first) or any(_begins_with_user(other) for other in others)


def _begins_with_user(address: str) -> bool:
    """The same of what stands behind `//`."""
    host, _, path = address.partition("/")
    user, at, _ = host.rpartition("@")
    port = host.rpartition(":")[2] if ":" in host and not host.endswith("]") else ""
    broken = bool(port) and not port.isdigit() and "@" in path  # a password that holds a slash
    return (bool(at) and user != "git") or broken or _is_password(path)


def end_of(word: str) -> str:
    """What an address in a word that has no escapes goes on with: from `?`, `;` or `#` on."""
    match = _end(word)
    return "" if match is None else word[match.start() :]


def _without_user(word: str) -> str:
    found = [*AT.finditer(word)]
    if not found:
        return word
    last = found[-1]
    if slashes := SLASHES.search(word, 0, last.start()):
        return f"{word[: slashes.end()]}{LEFT_OUT}@{word[last.end() :]}"
    ends = [match for match in found if _ends_password(word, match.start())]
    return f"{LEFT_OUT}@{word[ends[-1].end() :]}" if ends else word


def _end(word: str) -> re.Match[str] | None:
    slashes = SLASHES.search(word)
    return END.search(word, slashes.end()) if slashes else None


def _without_end(word: str) -> str:
    match = _end(word)
    return word if match is None else f"{word[: match.end()]}{LEFT_OUT}"


def _is_password(word: str) -> bool:
    """Whether something like `user:password@` is in a word without `//`."""
    return any(_ends_password(word, match.start()) for match in AT.finditer(word))


def _ends_password(word: str, at: int) -> bool:
    part = word[max(word.rfind("/", 0, at), word.rfind("@", 0, at)) + 1 : at]
    colon = COLON.search(part, 1)
    return colon is not None and colon.end() < len(part) and not part.startswith(NO_USER)
