"""Answers of a registry: read in chunks, up to a limit, then typed."""

from __future__ import annotations

import re
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import requests

from buildkit.registry import shapes
from buildkit.support import addresses
from buildkit.support.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Value = TypeVar("Value")
MANIFEST_BYTES = 4 << 20
"""The size that a registry must accept (distribution specification, "Pushing Manifests")."""
CONFIG_BYTES = 16 << 20
TAGS_BYTES = 16 << 20
"""For one page of tags; some registries put all tags on one page."""
TOKEN_BYTES = 1 << 20
WORDS_BYTES = 1 << 16
"""For an answer whose content is optional, such as an error: the rest is cut off."""
UNWANTED_BYTES = 16 << 20
"""For the same kind of answer: with a larger Content-Length, it is refused unread."""
CHUNK = 1 << 16
AT_ONCE = 1 << 20
"""Bytes that are unpacked at a time, however few they were packed into."""
SPARE = 1 << 16
"""Bytes that gzip may add to content that is already compressed."""
GZIP = frozenset({"gzip", "x-gzip"})
GZIP_MAGIC = b"\x1f\x8b"
"""Each member begins with it."""
GZIP_WINDOW = 16 + zlib.MAX_WBITS
LENGTH = re.compile(r"[0-9]+")
MOST_DIGITS = 18
"""Digits of a Content-Length that a body can have."""
HTML = "text/html"
QUERY = re.compile(r"\?[^\s'\"`]+")
"""Also of an address without a host, such as `/v2/demo?signature=…`."""
LONGEST_PROBLEM, LONGEST_TEXT = 300, 200
"""Characters that a message quotes of an answer."""


class TooLargeError(ValueError):
    """An answer is larger than any of its kind."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A complete answer. `asked` is the request, `url` the address that answered in the end.

    `own`: the registry itself answered. `login` is the login that it was sent.
    """

    host: str
    asked: str
    url: str
    status: int
    headers: Mapping[str, str]
    content: bytes
    own: bool = True
    login: str = ""
    next: str = ""

    def read(self, kind: type[Value]) -> Value:
        """Read the JSON of the answer. Raises ToolError for another shape."""
        with usable(self.host, self.asked):
            return shapes.read(kind, self.content)

    @property
    def media_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def is_page(self) -> bool:
        """Whether this is a web page, as a proxy or the login of a network sends it.

        JSON is none, whatever its type: Quay answers `true` to a login, as text/html.
        """
        begins = self.content[:CHUNK].lstrip()[:1] == b"<"
        return begins or (self.media_type == HTML and self.content != b"" and not self._is_json)

    @property
    def _is_json(self) -> bool:
        try:
            shapes.parsed(self.content)
        except ValueError:
            return False
        return True

    @property
    def problems(self) -> tuple[shapes.Problem, ...]:
        """The reasons for a refusal; none if the answer is not a registry's."""
        try:
            return shapes.read(shapes.Problems, self.content).errors
        except ValueError:
            return ()

    @property
    def said(self) -> str:
        """The registry's own words, without secrets in addresses, to be appended to a message."""
        if found := self.problems:
            text, most = f"{found[0].code}, {found[0].message or ''}", LONGEST_PROBLEM
        else:
            beginning = self.content[: 4 * LONGEST_PROBLEM]
            text, most = beginning.decode(errors="replace"), LONGEST_TEXT
        text = QUERY.sub(f"?{addresses.LEFT_OUT}", addresses.hidden(" ".join(text.split())))
        return f": {text[:most]}" if text else ""

    @property
    def says_expired(self) -> bool:
        """Whether a login has expired; ECR then answers 403, as for a missing permission."""
        return self.own and (
            self.status == requests.codes.unauthorized
            or (self.status == requests.codes.forbidden and b"expired" in self.content.lower())
        )


@contextmanager
def usable(host: str, asked: str, part: str = "") -> Iterator[None]:
    """Turn ValueError into the error of `strange`; `part` names the part of the answer."""
    try:
        yield
    except ValueError as error:
        raise strange(host, asked, f"{part}{error}") from error


def strange(host: str, asked: str, error: object) -> ToolError:
    """The error for an answer that no registry gives."""
    return ToolError(
        f"the registry {host} returned an invalid response to `{asked}`: {error}",
        hint=f"check that {host} is a registry, and that no proxy answers for it",
    )


def check_length(headers: Mapping[str, str], most: int | None = None) -> None:
    """Check the Content-Length of an answer before its body is read.

    Raises ValueError if it is not a number of bytes, TooLargeError if it is more than `most`, or
    more than a body can have. The same number twice is valid (RFC 9110, section 8.6).
    """
    given = {each.strip() for each in headers.get("Content-Length", "0").split(",")}
    text = given.pop()
    if given or not LENGTH.fullmatch(text):
        raise ValueError(f"Content-Length is {text[:40]!r}, not a number of bytes")
    digits = text.lstrip("0")
    if len(digits) > MOST_DIGITS:
        raise TooLargeError(f"Content-Length has {len(digits)} digits")
    if most is not None and int(digits or 0) > most:
        raise TooLargeError(f"the answer has {digits} bytes, the limit is {most}")


def most_sent(most: int, encoding: str) -> int:
    """The limit on the wire for an answer of at most `most` bytes: gzip may make it longer."""
    return most + SPARE if encoding.strip().lower() in GZIP else most


def content(chunks: Iterator[bytes], encoding: str, most: int) -> bytes:
    """A body, decompressed if it is compressed with gzip.

    Raises TooLargeError as soon as more than `most` bytes come out, ValueError if the body cannot
    be decompressed, and the errors of `chunks`.
    """
    packed = encoding.strip().lower()
    if packed in GZIP:
        found, whole = _unpacked(chunks, most)
    elif packed in ("", "identity"):
        found, whole = _plain(chunks, most)
    else:
        raise ValueError(
            f"the answer is compressed with {encoding[:40]!r}, which was not requested"
        )
    if not whole:
        raise TooLargeError(f"the answer has more than {most} bytes")
    return found


def beginning(chunks: Iterator[bytes], encoding: str, most: int = WORDS_BYTES) -> bytes:
    """The beginning of a body that only people read; the rest is cut off."""
    try:
        read = _unpacked if encoding.strip().lower() in GZIP else _plain
        return read(chunks, most)[0]
    except ValueError:
        return b""


def _plain(chunks: Iterator[bytes], most: int) -> tuple[bytes, bool]:
    """At most `most` bytes, and whether that is the whole body."""
    found = bytearray()
    for chunk in chunks:
        found += chunk
        if len(found) > most:
            return bytes(memoryview(found)[:most]), False
    return bytes(found), True


def _unpacked(chunks: Iterator[bytes], most: int) -> tuple[bytes, bool]:
    unpacker, found, come = zlib.decompressobj(GZIP_WINDOW), bytearray(), 0
    for chunk in chunks:
        come += len(chunk)
        rest = chunk
        while rest:
            if unpacker.eof:  # another member (RFC 1952, 2.2), or padding
                if not GZIP_MAGIC.startswith(rest[: len(GZIP_MAGIC)]):
                    return bytes(found), True
                unpacker = zlib.decompressobj(GZIP_WINDOW)
            try:
                found += unpacker.decompress(rest, min(AT_ONCE, most + 1 - len(found)))
            except zlib.error as error:
                raise ValueError(f"the answer cannot be decompressed: {error}") from None
            if len(found) > most or come > most + SPARE:
                return bytes(memoryview(found)[:most]), False
            rest = unpacker.unconsumed_tail or unpacker.unused_data
    if come and not unpacker.eof:
        raise ValueError("the answer cannot be decompressed: it is cut off")
    return bytes(found), True
