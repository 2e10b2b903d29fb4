"""The JSON of registries -> frozen values (OCI image and distribution specifications 1.1).

A registry may be anybody's. What comes from one is text in UTF-8, no deeper than any document of
the specifications, and of their shape, or it is refused with what is wrong.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TypeVar

from buildkit.model import names
from buildkit.support import decode

Value = TypeVar("Value")
DEEPEST = 64
"""Levels. The deepest documents of the specifications have six."""
MOST_PARTS = 1_000_000
"""Commas and brackets: three bytes of JSON may be sixty in memory. Pages of tags have fewer."""
LARGEST = 1 << 62
"""Bytes. Sizes are signed numbers of 64 bits in all that registries are made of."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
WORD = re.compile(r"[\x21-\x7e]+")
"""What may stand in a header as one word (RFC 6750, 2.1, and what others hand out as a token)."""


class NotJsonError(ValueError):
    """Not JSON at all: it may have been cut off on its way."""


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """What one document says of another, or of a blob of `size` bytes."""

    digest: str
    size: int
    media_type: str | None = field(default=None, metadata=decode.key("mediaType"))

    def __post_init__(self) -> None:
        """The digest becomes part of a URL, the size is counted with."""
        if not DIGEST.fullmatch(self.digest):
            raise ValueError(f".digest: {decode.shown(self.digest)} is not a digest of SHA-256")
        if not 0 <= self.size <= LARGEST:
            raise ValueError(f".size: {decode.shown(self.size)} is not a number of bytes")


@dataclass(frozen=True, kw_only=True)
class Document:
    """A manifest or an index, of any type: what each of them may have."""

    media_type: str | None = field(default=None, metadata=decode.key("mediaType"))
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] | None = None
    manifests: tuple[Descriptor, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Tags:
    """A page of a repository's tags; registries say null for none."""

    tags: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Tags become parts of URLs."""
        for number, tag in enumerate(self.tags or ()):
            if not names.TAG.fullmatch(tag):
                raise ValueError(f".tags[{number}]: {decode.shown(tag)} is not a tag")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How an image's containers run. Of volumes and ports the keys say which."""

    env: tuple[str, ...] | None = field(default=None, metadata=decode.key("Env"))
    labels: dict[str, str] | None = field(default=None, metadata=decode.key("Labels"))
    entrypoint: tuple[str, ...] | None = field(default=None, metadata=decode.key("Entrypoint"))
    cmd: tuple[str, ...] | None = field(default=None, metadata=decode.key("Cmd"))
    user: str | None = field(default=None, metadata=decode.key("User"))
    workingdir: str | None = field(default=None, metadata=decode.key("WorkingDir"))
    exposedports: dict[str, object] | None = field(
        default=None, metadata=decode.key("ExposedPorts")
    )
    volumes: dict[str, object] | None = field(default=None, metadata=decode.key("Volumes"))
    stopsignal: str | None = field(default=None, metadata=decode.key("StopSignal"))


@dataclass(frozen=True, kw_only=True)
class Step:
    """A line of an image's history."""

    comment: str | None = None


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """The configuration of an image, as far as anything here looks at it."""

    os: str | None = None
    architecture: str | None = None
    created: str | None = None
    config: Settings | None = None
    history: tuple[Step, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Token:
    """What a token server gives (distribution: token authentication)."""

    token: str | None = None
    access_token: str | None = None

    def __post_init__(self) -> None:
        if not WORD.fullmatch(self.text):
            raise ValueError(".token: is missing, or not one word")

    @property
    def text(self) -> str:
        return self.token or self.access_token or ""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One of the reasons why a registry refuses something."""

    code: str
    message: str | None = None


@dataclass(frozen=True, kw_only=True)
class Problems:
    """All of them (distribution specification, "Error codes")."""

    errors: tuple[Problem, ...]


def read(kind: type[Value], content: bytes) -> Value:
    """Raises NotJsonError, or ValueError that says what is of another shape."""
    return decode.read(kind, parsed(content))


def parsed(content: bytes) -> object:
    """JSON as Python has it, no larger and no deeper than wanted. Raises the errors of `read`."""
    if sum(map(content.count, (b",", b"[", b"{"))) > MOST_PARTS:
        raise ValueError(f"it has more than {MOST_PARTS} parts")
    try:
        document: object = json.loads(content.decode())
    except RecursionError:
        raise ValueError(f"it is nested deeper than {DEEPEST} levels") from None
    except ValueError as error:
        raise NotJsonError(f"it is not JSON: {error}") from None
    level, depth = [document], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"it is nested deeper than {DEEPEST} levels")
        level = [child for each in level for child in _inside(each)]
    return document


def _inside(value: object) -> list[object]:
    """What a value is made of. Raises ValueError for half a character, which cannot be written."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, list):
        return value
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{decode.shown(value)} holds half a character") from None
    return []
