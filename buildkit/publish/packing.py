"""Built -> Packed: the exact bytes that a registry is to hold.

They are read blob by blob if the engine's content store is readable. If not, the engine exports the
image as a tar archive, as for `docker save`. With the containerd store, the archive holds the
manifest and the blobs as the build compressed them. With the classic store, it holds unpacked
layers: they are compressed here, always to the same bytes, and a manifest is made for them.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import tempfile
import threading
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from buildkit.engine.content_store import Store
from buildkit.registry.client import Blob
from buildkit.registry.manifests import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, Manifest
from buildkit.support import streams
from buildkit.support.errors import ToolError
from buildkit.system import stopping, tempdirs

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from buildkit.engine.engine import Engine
    from buildkit.model.image import Built
    from buildkit.registry.shapes import Descriptor

Open = Callable[[str, int], AbstractContextManager[IO[bytes]]]
CHUNK = 1 << 20
GZIP = b"\x1f\x8b"
BLOBS = "blobs/sha256/"


@dataclass(frozen=True, kw_only=True)
class Packed:
    """An image that is ready to be uploaded."""

    manifest: Manifest
    config: Blob
    layers: tuple[Blob, ...]

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """Each once; the configuration last, so that it shows that the layers are complete."""
        return (*{layer.digest: layer for layer in self.layers}.values(), self.config)


@contextmanager
def packer(engine: Engine) -> Iterator[Packer]:
    """A packer of the images of an engine, whose files are removed when the context ends."""
    with tempdirs.folder() as folder, closing(Store(engine=engine)) as store:
        yield Packer(store=store, export=engine.export, folder=folder)


def as_built(built: Built, content: bytes, open_: Open) -> Packed:
    """An image as its build left it: its manifest is `content`, `open_` opens its blobs.

    `open_` takes a digest and a size. Raises ToolError if `content` is another manifest.
    """
    manifest = Manifest(media_type=DOCKER_MANIFEST, content=content)
    if manifest.digest != built.manifest_digest:
        raise ToolError(
            f"the engine returned manifest {manifest.digest} instead of {built.manifest_digest}",
            hint=f"rebuild the image: `buildkit build {built.target.id}`",
        )
    config, *layers = (
        Blob(digest=each.digest, size=each.size, open=partial(open_, each.digest, each.size))
        for each in _blobs(manifest)
    )
    return Packed(manifest=manifest, config=config, layers=tuple(layers))


def _blobs(manifest: Manifest) -> tuple[Descriptor, ...]:
    """The configuration, then the layers. Raises ToolError unless it is a manifest of one image."""
    with suppress(ValueError):
        document = manifest.document
        if document.config is not None and document.layers is not None:
            return document.config, *document.layers
    raise ToolError(
        f"the engine's `{manifest.digest}` is not the manifest of a single image",
        hint="rebuild the image with `buildkit build`",
    )


@dataclass(kw_only=True)
class Packer:
    """Makes the bytes of images readable, for several threads.

    `store` has the blobs of an engine, unless that has the classic store. `export` yields the
    archive of an image, by its id. Images share the blobs in `folder`; each is deleted when no
    image needs it any more.
    """

    store: Store
    export: Callable[[str], Generator[bytes]]
    folder: Path
    _held: Counter[str] = field(default_factory=Counter)
    _packed_as: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def packed(self, built: Built) -> Iterator[Packed]:
        """An image's blobs, readable inside the `with` block. Raises ToolError."""
        image, digest = built.image_id, built.manifest_digest
        content = self.store.read(image, digest) if digest else None
        if content is not None:
            yield as_built(built, content, partial(self.store.open, image))
            return
        held: list[str] = []
        try:
            yield self._unpacked(built, held)
        finally:
            self._release(held)

    def _unpacked(self, built: Built, held: list[str]) -> Packed:
        try:
            with closing(self.export(built.image_id)) as archive:
                files = self._unpack(archive, held)
            (document,) = json.loads(self._path(files["manifest.json"]).read_bytes())
            if built.manifest_digest is not None:
                content = self._path(built.manifest_digest.removeprefix("sha256:")).read_bytes()
                return as_built(built, content, lambda digest, _size: self._blob(digest).open())
            config = self._blob(f"sha256:{files[document['Config']]}")
            packed = [self._compressed(files[name], held) for name in document["Layers"]]
        except (tarfile.TarError, KeyError, ValueError, EOFError, FileNotFoundError) as error:
            raise ToolError(
                f"`docker save {built.image_id}` returned an unexpected format: {error!r}",
                hint="check `docker version`: 24 or newer is required",
            ) from error
        layers = tuple(map(self._blob, packed))
        return Packed(manifest=_manifest(config, layers), config=config, layers=layers)

    def _unpack(self, archive: Iterable[bytes], held: list[str]) -> dict[str, str]:
        """Names in the archive -> SHA-256 of the content, which is the name in the folder."""
        found: dict[str, str] = {}
        with tarfile.open(fileobj=streams.file(archive), mode="r|", bufsize=CHUNK) as tar:
            for member in tar:
                if member.issym() or member.islnk():
                    beside = os.path.dirname(member.name) if member.issym() else ""  # noqa: PTH120
                    found[member.name] = found[
                        os.path.normpath(f"{beside}/{member.linkname}".lstrip("/"))
                    ]
                elif (content := tar.extractfile(member)) is not None:
                    found[member.name] = self._keep(member.name, content, held)
        return found

    def _keep(self, name: str, content: IO[bytes], held: list[str]) -> str:
        promised = name.removeprefix(BLOBS) if name.startswith(BLOBS) else None
        if promised and self._hold(promised, held) and self._path(promised).exists():
            return promised
        digest, new = self._write(iter(lambda: content.read(CHUNK), b""))
        if promised and digest != promised:
            new.unlink()
            raise ValueError(f"{name} has the digest {digest}")
        self._hold(digest, held)
        new.replace(self._path(digest))
        return digest

    def _compressed(self, plain: str, held: list[str]) -> str:
        """The digest of a layer's gzip, which is made once."""
        with self._path(plain).open("rb") as file:
            if file.read(len(GZIP)) == GZIP:
                return f"sha256:{plain}"
            before = self._packed_as.get(plain)
            if before and self._hold(before, held) and self._path(before).exists():
                return f"sha256:{before}"
            file.seek(0)
            digest, new = self._write(_gzip(iter(lambda: file.read(CHUNK), b"")))
        self._hold(digest, held)
        new.replace(self._path(digest))
        self._packed_as[plain] = digest
        return f"sha256:{digest}"

    def _write(self, chunks: Iterable[bytes]) -> tuple[str, Path]:
        """Write a new file; return the SHA-256 of its content, and its path."""
        seen = hashlib.sha256()
        descriptor, name = tempfile.mkstemp(dir=self.folder, prefix="new.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                for chunk in chunks:
                    stopping.check()
                    seen.update(chunk)
                    file.write(chunk)
        except BaseException:
            Path(name).unlink()
            raise
        return seen.hexdigest(), Path(name)

    def _blob(self, digest: str) -> Blob:
        path = self._path(digest.removeprefix("sha256:"))
        return Blob(digest=digest, size=path.stat().st_size, open=lambda: path.open("rb"))

    def _path(self, digest: str) -> Path:
        return self.folder / digest

    def _hold(self, digest: str, held: list[str]) -> bool:
        with self._lock:
            self._held[digest] += 1
        held.append(digest)
        return True

    def _release(self, held: Iterable[str]) -> None:
        with self._lock:
            for digest in held:
                self._held[digest] -= 1
                if not self._held[digest]:
                    self._path(digest).unlink(missing_ok=True)


def _gzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The header has no time and no name: the same layer always gives the same bytes."""
    squeeze = zlib.compressobj(wbits=31)
    for chunk in chunks:
        yield squeeze.compress(chunk)
    yield squeeze.flush()


def _manifest(config: Blob, layers: Iterable[Blob]) -> Manifest:
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": _descriptor(config, DOCKER_CONFIG),
        "layers": [_descriptor(layer, DOCKER_LAYER) for layer in layers],
    }
    return Manifest(media_type=DOCKER_MANIFEST, content=json.dumps(document, indent=2).encode())


def _descriptor(blob: Blob, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "size": blob.size, "digest": blob.digest}
