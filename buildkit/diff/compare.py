"""Two images in registries -> their differences, reading as few layers as possible."""

from __future__ import annotations

import tarfile
import zlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import IO, TYPE_CHECKING

from buildkit.diff import differences, packages
from buildkit.diff.differences import Stored
from buildkit.publish import connect
from buildkit.support.amounts import count, megabytes
from buildkit.support.errors import ToolError
from buildkit.system import console
from buildkit.system.console import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from buildkit.config.images_toml import Config
    from buildkit.diff.differences import Difference, Layers
    from buildkit.diff.packages import Layer
    from buildkit.registry.client import Registry
    from buildkit.registry.shapes import Configuration


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An image in a registry."""

    registry: Registry
    repository: str
    digest: str

    @property
    def uri(self) -> str:
        return f"{self.registry.host}/{self.repository}@{self.digest}"


@dataclass(frozen=True, kw_only=True)
class Connections:
    """The registries that images.toml names, and a function that connects to one, once."""

    own: Sequence[str]
    to: Callable[[str], Registry]

    def subject(self, host: str, repository: str, digest: str) -> Subject:
        return Subject(registry=self.to(host), repository=repository, digest=digest)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`fetched` are the bytes of the layers that were read."""

    layers: Layers
    configuration: tuple[Difference, ...]
    packages: tuple[Difference, ...]
    fetched: int


@contextmanager
def connections(settings: Config) -> Iterator[Connections]:
    """Connect to each registry when it is needed, and close all of them at the end."""
    with ExitStack() as opened:

        def reach(host: str) -> Registry:
            (there,) = opened.enter_context(connect.reach(settings, (host,)))
            return there.registry

        yield Connections(own=connect.written(settings), to=cache(reach))


def compare(a: Subject, b: Subject) -> Comparison:
    """Compare two images. Raises ToolError if one is not found, or its layers cannot be read."""
    (config_a, layers_a), (config_b, layers_b) = _parts(a), _parts(b)
    same = differences.common(layers_a, layers_b)
    reader = _Reader()
    above_a, above_b = reader.read(a, layers_a[same:]), reader.read(b, layers_b[same:])
    common: Sequence[Layer] | None = None
    if not differences.are_enough(above_a, above_b):
        console.say("upper layers replace files of shared layers; reading the shared layers too")
        common = reader.read(a, layers_a[:same])
    elif not same:
        common = ()
    return Comparison(
        layers=differences.layers(layers_a, layers_b),
        configuration=differences.configuration(config_a, config_b),
        packages=differences.packages(common, above_a, above_b),
        fetched=reader.fetched,
    )


def _parts(subject: Subject) -> tuple[Configuration, tuple[Stored, ...]]:
    """Configuration and layers of an image, the lowest first."""
    manifest = subject.registry.manifest(subject.repository, subject.digest)
    if manifest is None:
        raise ToolError(
            f"`{subject.uri}` not found in the registry",
            hint="the image was deleted: publish it again",
        )
    config, layers = manifest.config_digest, manifest.document.layers
    if config is None or not layers:
        raise ToolError(
            f"`{subject.uri}` is `{manifest.media_type}`, not a single image with layers",
            hint="choose an image that buildkit has published: `buildkit releases`",
        )
    blobs = tuple(Stored(digest=each.digest, size=each.size) for each in layers)
    return subject.registry.config(subject.repository, config), blobs


@dataclass(kw_only=True)
class _Reader:
    """Reads layers, each once."""

    fetched: int = 0
    _found: dict[str, Layer] = field(default_factory=dict)
    _pace: Pace = field(default_factory=Pace)

    def read(self, subject: Subject, blobs: Sequence[Stored]) -> tuple[Layer, ...]:
        new = {each.digest: each for each in blobs if each.digest not in self._found}
        if new:
            size = sum(each.size for each in new.values())
            layers = count(len(new), "layer")
            console.say(f"reading {layers} of {subject.uri}: {megabytes(size)}", dim=True)
        for blob in new.values():
            self._found[blob.digest] = self._scanned(subject, blob)
            self.fetched += blob.size
        return tuple(self._found[each.digest] for each in blobs)

    def _scanned(self, subject: Subject, blob: Stored) -> Layer:
        def progress(come: int) -> None:
            if self._pace.due():
                of = f"{megabytes(come)} of {megabytes(blob.size)}"
                console.say(f"layer {blob.digest[7:19]}: {of}", dim=True)

        return subject.registry.download(
            subject.repository,
            blob.digest,
            blob.size,
            lambda content: _scan(subject, blob, content),
            progress,
        )


def _scan(subject: Subject, blob: Stored, content: IO[bytes]) -> Layer:
    try:
        return packages.scan(content)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ToolError(
            f"layer {blob.digest} of `{subject.uri}` cannot be read: {error}",
            hint="check its compression: SageMaker takes gzip, not zstd",
        ) from error
