"""The JSON of registries -> frozen values (OCI image and distribution specifications 1.1).

No registry is trusted: an answer must be JSON in UTF-8, in the shape of the specifications and not
nested deeper than their documents. If not, the error says what is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeVar

from buildkit.model import names
from buildkit.support import decode

Value = TypeVar("Value")
DEEPEST = 64
"""Levels. The deepest documents of the specifications have six."""
MOST_PARTS = 1_000_000
"""Commas and brackets: three bytes of JSON may take sixty in memory. Pages of tags have fewer."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
WORD = re.compile(r"[\x21-\x7e]+")
"""One word in a header: a token (RFC 6750, 2.1, and what registries use beyond that)."""


class NotJsonError(ValueError):
    """Not JSON at all: the answer may have been cut off."""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """What an image of an index runs on."""

    os: str | None = None
    architecture: str | None = None


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """How a document refers to another one, or to a blob of `size` bytes.

    Only the images of an index have a platform there.
    """

    digest: str
    size: int
    media_type: str | None = field(default=None, metadata=decode.key("mediaType"))
    platform: Platform | None = None

    def __post_init__(self) -> None:
        """Check the digest, which becomes part of a URL."""
        if not DIGEST.fullmatch(self.digest):
            raise ValueError(f".digest: {decode.shown(self.digest)} is not a digest of SHA-256")


@dataclass(frozen=True, kw_only=True)
class Document:
    """A manifest or an index of any type: the fields that each of them may have."""

    media_type: str | None = field(default=None, metadata=decode.key("mediaType"))
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] | None = None
    manifests: tuple[Descriptor, ...] | None = None

    @property
    def is_image(self) -> bool:
        """Whether this has what a manifest or an index must have, whatever type it names."""
        return self.manifests is not None or (self.config is not None and self.layers is not None)


@dataclass(frozen=True, kw_only=True)
class Tags:
    """A page of a repository's tags; registries send null for none."""

    tags: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Check the tags, which become parts of URLs."""
        for number, tag in enumerate(self.tags or ()):
            if not names.TAG.fullmatch(tag):
                raise ValueError(f".tags[{number}]: {decode.shown(tag)} is not a tag")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How containers of an image run. The keys of `volumes` and `exposedports` are the values."""

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
    """The configuration of an image: the fields that buildkit reads."""

    os: str | None = None
    architecture: str | None = None
    created: str | None = None
    config: Settings | None = None
    history: tuple[Step, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Token:
    """The answer of a token server (distribution: token authentication)."""

    token: str | None = None
    access_token: str | None = None

    def __post_init__(self) -> None:
        if not WORD.fullmatch(self.text):
            raise ValueError(".token: missing, or with whitespace or control characters")

    @property
    def text(self) -> str:
        return self.token or self.access_token or ""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A reason why a registry refuses a request."""

    code: str
    message: str | None = None


@dataclass(frozen=True, kw_only=True)
class Problems:
    """All reasons (distribution specification, "Error codes")."""

    errors: tuple[Problem, ...]


def read(kind: type[Value], content: bytes) -> Value:
    """Read JSON into a type. Raises NotJsonError, or ValueError for another shape."""
    return decode.read(kind, parsed(content))


def parsed(content: bytes) -> object:
    """JSON as Python objects, within the limits above. Raises the errors of `read`."""
    if sum(map(content.count, (b",", b"[", b"{"))) > MOST_PARTS:
        raise ValueError(f"the JSON has more than {MOST_PARTS} parts")
    try:
        document = decode.parsed(content.decode())
    except RecursionError:
        raise ValueError(f"the JSON is nested deeper than {DEEPEST} levels") from None
    except ValueError as error:
        raise NotJsonError(f"not JSON: {error}") from None
    level, depth = [document], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"the JSON is nested deeper than {DEEPEST} levels")
        level = [child for each in level for child in _inside(each)]
    return document


def _inside(value: object) -> list[object]:
    """The parts of a value. Raises ValueError for half a surrogate pair, which has no encoding."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, list):
        return value
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{decode.shown(value)} contains an unpaired surrogate") from None
    return []
