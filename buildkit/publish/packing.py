"""Built -> Packed: blob by blob if the content store is readable, else by `docker save`."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from buildkit.publish.image_archive import as_built

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.engine.content_store import Store
    from buildkit.model.image import Built
    from buildkit.publish.image_archive import Packed, Spool


@dataclass(frozen=True, kw_only=True)
class Packing:
    """Fits `publish.Packer`. An engine with the classic store has no blobs, only whole images."""

    store: Store
    spool: Spool

    @contextmanager
    def packed(self, built: Built) -> Iterator[Packed]:
        """An image's blobs, readable inside the `with` block. Raises ToolError."""
        image, digest = built.image_id, built.manifest_digest
        content = self.store.read(image, digest) if digest else None
        if content is None:
            with self.spool.packed(built) as packed:
                yield packed
        else:
            yield as_built(built, content, partial(self.store.open, image))
