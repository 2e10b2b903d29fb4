"""Built -> Packed by the shorter of two ways: blob by blob where the engine's store can be read."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Protocol

from buildkit.publish.image_archive import as_built

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from buildkit.model.image import Built
    from buildkit.publish.image_archive import Packed, Spool


class Blobs(Protocol):
    """What an engine keeps of its images. `read` answers None where it cannot be asked."""

    def read(self, image: str, digest: str) -> bytes | None: ...

    def open(
        self, image: str, digest: str, size: int | None = None
    ) -> AbstractContextManager[IO[bytes]]: ...


@dataclass(frozen=True, kw_only=True)
class Packing:
    """Fits `publish.Packer`. A classic engine has no blobs: it hands out images as a whole."""

    store: Blobs
    spool: Spool

    @contextmanager
    def packed(self, built: Built) -> Iterator[Packed]:
        """The image's blobs, while the work under it lasts. Raises ToolError."""
        image, digest = built.image_id, built.manifest_digest
        content = self.store.read(image, digest) if digest else None
        if content is None:
            with self.spool.packed(built) as packed:
                yield packed
        else:
            yield as_built(built, content, partial(self.store.open, image))
