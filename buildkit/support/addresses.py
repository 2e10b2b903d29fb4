"""Secrets in addresses, and how messages show addresses without them.

Users and passwords come before an `@`, tokens and signatures after `?`, `;` and `#`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LEFT_OUT = "…"
LONGEST = 240
"""Most characters of a value, or of a word, in a message."""
WORD = re.compile(r"[^\s'\"`]+")
RUN = re.compile(r"\S+")
WITH_QUOTES = re.compile(
    r"\S*?(?P<quote>['\"`])[\w+.-]*:?//[^\s'\"`]*(?P=quote)(?=[][{}(),:;]+(?P=quote))|\S+"
)
"""It ends after an address in quotes if the next value in quotes follows."""
AT = re.compile(r"(?<=\S)(?:[@\uff20]|%(?:25)*40)(?!sha(?:256|512):[0-9a-f])", re.IGNORECASE)
"""Also percent-encoded or in full width. The text before a digest is the name of an image."""
SLASHES = re.compile(r"[/\\]{2,}")
COLON = re.compile(r"[:\uff1a]|%(?:25)*3a", re.IGNORECASE)
MARK = re.compile(rf"(?P<at>{AT.pattern})|(?P<colon>{COLON.pattern})|[/@]", re.IGNORECASE)
ENDS = r"[?;#]|%(?:25)*(?:3f|3b|23)"
END = re.compile(rf"(?:{ENDS})(?=\S)", re.IGNORECASE)
AT_END = re.compile(r"(?:[?#]|%(?:25)*(?:3f|23))\Z", re.IGNORECASE)
"""Before a space, `;` ends a command."""
QUOTE = re.compile(r"['\"`]")
CLOSING = re.compile(r"[]'\"`)},.:;]*\Z")
"""What a message may have after an address."""
BRACKETS = re.compile(r"[])}]+[.,:;]?\Z")
"""What follows an address in brackets."""
PUBLIC_USER = "git"
"""The user of `git+ssh://git@host/…`, which is no secret."""
NO_USER = ("mailto:",)
"""Schemes of addresses without passwords."""


def give(what: str) -> str:
    """The hint for a secret in a file: how to pass it instead."""
    return f"pass {what} with `--pip-config`, which leaves no trace in the image"


def without_user(text: str) -> str:
    """A message without the users and passwords of its addresses, which may contain quotes."""
    if not AT.search(text):
        return text
    whole = WITH_QUOTES.sub(lambda match: _without_quoted_user(match[0]), text)
    return WORD.sub(lambda match: _without_user(match[0]), whole)


def hidden(text: str) -> str:
    """A message without users and passwords, and without the text after `?`, `;` and `#`."""
    whole = WITH_QUOTES.sub(lambda match: _without_quoted_end(match[0]), without_user(text))
    return WORD.sub(lambda match: _without_end(match[0]), whole)


def cut(text: str, most: int = LONGEST) -> str:
    """A text for a message: if it is long, its middle is left out."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}{LEFT_OUT}{text[-half:]}"


def brief(message: str) -> str:
    """A message in which each long word is cut."""
    return WORD.sub(lambda match: cut(match[0]), message)


def shown(value: str) -> str:
    """An invalid value for a message, cut; all of the value may be an address."""
    ends = [match.end() for match in AT.finditer(value)]
    if ends:
        end = ends[-1]
        slashes = SLASHES.search(value, 0, end)
        value = f"{value[: slashes.end()] if slashes else ''}{LEFT_OUT}@{value[end:]}"
    match = END.search(value) or _spaced(value)
    return cut(value if match is None else f"{value[: match.end()]}{LEFT_OUT}")


def quoted(value: str) -> str:
    """An invalid value for a message, in quotes and on one line."""
    return repr(shown(value))


def has_user(word: str) -> bool:
    """Whether a word without escapes has a user or password: `//user@`, `user:password@`.

    The user `git` is no secret.
    """
    first, *others = SLASHES.split(word)
    return _is_password(first) or any(_begins_with_user(other) for other in others)


def _begins_with_user(address: str) -> bool:
    """Whether an address has a user or password after its `//`."""
    host, _, path = address.partition("/")
    user, at, _ = host.rpartition("@")
    port = host.rpartition(":")[2] if ":" in host and not host.endswith("]") else ""
    broken = bool(port) and not port.isdigit() and "@" in path  # a password with a slash
    return (bool(at) and user != PUBLIC_USER) or broken or _is_password(path)


def end_of(word: str) -> str:
    """The end of an address, from `?`, `;` or `#` on, in a word without escapes."""
    match = _end(word)
    return "" if match is None else word[match.start() :]


def _without_user(word: str) -> str:
    found = [*AT.finditer(word)]
    if not found:
        return word
    last = found[-1]
    if slashes := SLASHES.search(word, 0, last.start()):
        return f"{word[: slashes.end()]}{LEFT_OUT}@{word[last.end() :]}"
    ends = [*_ends_of_passwords(word)]
    return f"{LEFT_OUT}@{word[ends[-1].end() :]}" if ends else word


def _without_quoted_user(words: str) -> str:
    """Leave out a user or password that contains a quote."""
    slashes = SLASHES.search(words)
    found = [*AT.finditer(words, slashes.end())] if slashes else []
    if not slashes or not found or not QUOTE.search(words, slashes.end(), found[-1].start()):
        return words
    return f"{words[: slashes.end()]}{LEFT_OUT}@{words[found[-1].end() :]}"


def _without_quoted_end(words: str) -> str:
    """Leave out the end of an address if it contains a quote, other than the closing one."""
    match, closing = _end(words), CLOSING.search(words)
    if match is None or closing is None or not QUOTE.search(words, match.end(), closing.start()):
        return words
    return f"{words[: match.end()]}{LEFT_OUT}{closing[0]}"


def _spaced(value: str) -> re.Match[str] | None:
    """An address up to its `?` or `#`, if a space follows, and then more."""
    runs = [*RUN.finditer(value)][:-1]
    return next((each for each in runs if SLASHES.search(each[0]) and AT_END.search(each[0])), None)


def _end(word: str) -> re.Match[str] | None:
    slashes = SLASHES.search(word)
    return END.search(word, slashes.end()) if slashes else None


def _without_end(word: str) -> str:
    match = _end(word)
    if match is None:
        return word
    closing = BRACKETS.search(word, match.end())
    return f"{word[: match.end()]}{LEFT_OUT}{closing[0] if closing else ''}"


def _is_password(word: str) -> bool:
    """Whether a word without `//` contains `user:password@`."""
    return any(True for _ in _ends_of_passwords(word))


def _ends_of_passwords(word: str) -> Iterator[re.Match[str]]:
    """Each `@` of a word after `user:password`, which has no slash and no other `@`."""
    user = password = 0  # where they begin; 0 also without a password
    for match in MARK.finditer(word):
        if match["at"] and 0 < password < match.start() and not word.startswith(NO_USER, user):
            yield match
        if match[0] in "/@":
            user, password = match.end(), 0
        elif match["colon"] and not password and match.start() > user:
            password = match.end()
