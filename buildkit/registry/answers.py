"""What a registry answers, as far as it is wanted: read as it comes, up to a limit, and typed."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from buildkit.registry import shapes
from buildkit.support.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = TypeVar("Value")
MANIFEST_BYTES = 4 << 20
"""What a registry has to take (distribution specification, "Pushing Manifests")."""
CONFIG_BYTES = 16 << 20
TAGS_BYTES = 16 << 20
"""A page; some registries put all tags on one."""
TOKEN_BYTES = 1 << 20
WORDS_BYTES = 1 << 16
"""Of an answer that nobody waits for, such as an error: what is longer is cut off."""
UNWANTED_BYTES = 16 << 20
"""Of the same, by its Content-Length: what says that it is longer is not waited for."""
CHUNK = 1 << 16
AT_ONCE = 1 << 20
"""Bytes that are unpacked at a time, of however few."""
SPARE = 1 << 16
"""Bytes by which packing may make something longer: it does not shrink what is packed already."""
GZIP = frozenset({"gzip", "x-gzip"})
GZIP_WINDOW = 16 + zlib.MAX_WBITS


LENGTH = re.compile(r"[0-9]+")
MOST_DIGITS = 18
"""Of a length that any body has."""


class TooLargeError(ValueError):
    """It has more bytes than anything of its kind."""


class Source(Protocol):
    """A body as urllib3 has it."""

    def read(self, amt: int, *, decode_content: bool) -> bytes: ...


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer that has come. `asked` says what it is one to, `url` who gave it in the end.

    `own` tells whether that is the registry itself, `login` what it was shown.
    """

    host: str
    asked: str
    url: str
    own: bool
    login: str
    status: int
    headers: Mapping[str, str]
    content: bytes = b""
    next: str = ""

    def read(self, kind: type[Value]) -> Value:
        """The JSON in it. Raises ToolError for another shape."""
        try:
            return shapes.read(kind, self.content)
        except ValueError as error:
            raise strange(self.host, self.asked, error) from error


def strange(host: str, asked: str, error: object) -> ToolError:
    """An answer that no registry gives."""
    return ToolError(
        f"the registry {host} answered `{asked}` with something unusable: {error}",
        hint=f"is {host} a registry, and does nothing on the way, such as a proxy, answer for it?",
    )


def check_length(headers: Mapping[str, str], most: int | None = None) -> None:
    """Refuse a body before it is waited for: by the Content-Length that an answer gives.

    Raises ValueError if that is no number of bytes, TooLargeError if it is more than `most`, or
    than a body can have. Twice the same is one (RFC 9110, section 8.6).
    """
    given = {each.strip() for each in headers.get("Content-Length", "0").split(",")}
    text = given.pop()
    if given or not LENGTH.fullmatch(text):
        raise ValueError(f"its Content-Length is {text[:40]!r}, not a number of bytes")
    digits = text.lstrip("0")
    if len(digits) > MOST_DIGITS:
        raise TooLargeError(f"its Content-Length has {len(digits)} digits")
    if most is not None and int(digits or 0) > most:
        raise TooLargeError(f"it has {digits} bytes, and {most} at most are taken")


def most_sent(most: int, encoding: str) -> int:
    """Bytes that may come where `most` are wanted: packing may make something longer."""
    return most + SPARE if encoding.strip().lower() in GZIP else most


def content(source: Source, encoding: str, most: int) -> bytes:
    """A body, unpacked if it came as gzip.

    Raises TooLargeError as soon as it has more than `most` bytes, whatever that many are packed
    into, ValueError if it cannot be unpacked, and what urllib3 raises.
    """
    packed = encoding.strip().lower()
    if packed in GZIP:
        found, whole = _unpacked(source, most)
    elif packed in ("", "identity"):
        found, whole = _plain(source, most)
    else:
        raise ValueError(f"it is packed as {encoding[:40]!r}, which nobody asked for")
    if not whole:
        raise TooLargeError(f"it has more than {most} bytes")
    return found


def beginning(source: Source, encoding: str, most: int = WORDS_BYTES) -> bytes:
    """The same of a body that people read, or nobody: it may be cut off."""
    try:
        read = _unpacked if encoding.strip().lower() in GZIP else _plain
        return read(source, most)[0]
    except ValueError:
        return b""


def _plain(source: Source, most: int) -> tuple[bytes, bool]:
    """As much as is wanted, and whether that is all."""
    found = bytearray()
    while chunk := source.read(CHUNK, decode_content=False):
        found += chunk
        if len(found) > most:
            return bytes(memoryview(found)[:most]), False
    return bytes(found), True


def _unpacked(source: Source, most: int) -> tuple[bytes, bool]:
    unpacker, found, come = zlib.decompressobj(GZIP_WINDOW), bytearray(), 0
    while not unpacker.eof and (chunk := source.read(CHUNK, decode_content=False)):
        come += len(chunk)
        while chunk and not unpacker.eof:
            try:
                found += unpacker.decompress(chunk, min(AT_ONCE, most + 1 - len(found)))
            except zlib.error as error:
                raise ValueError(f"it cannot be unpacked: {error}") from None
            if len(found) > most or come > most + SPARE:
                return bytes(memoryview(found)[:most]), False
            chunk = unpacker.unconsumed_tail
    if come and not unpacker.eof:
        raise ValueError("it cannot be unpacked: it is cut off")
    return bytes(found), True
