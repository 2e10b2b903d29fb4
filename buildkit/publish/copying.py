"""Copy an image to another repository of its registry, under its exact tag."""

from __future__ import annotations

import shutil
from typing import IO, TYPE_CHECKING

from buildkit.registry.client import Blob
from buildkit.support.amounts import megabytes
from buildkit.support.errors import ToolError
from buildkit.system import console, tempdirs

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkit.ledger.record import Image
    from buildkit.registry.client import Registry
    from buildkit.registry.manifests import Manifest


def copy(
    registry: Registry, image: Image, manifest: Manifest, to: str, make: Callable[[str], None]
) -> bool:
    """Copy an image to the repository `to`, which `make` creates; False if it is there already.

    The order is that of a publish: blobs, manifest, tag, each of them checked. Raises ToolError,
    also if another image has the tag.
    """
    uri = f"{registry.host}/{to}:{image.tag}"
    if _exists(registry, to, image.tag, manifest, uri):
        return False
    make(to)
    document = manifest.document
    if document.config is None or document.layers is None:
        raise ToolError(
            f"`{registry.host}/{image.repository}@{manifest.digest}` is `{manifest.media_type}`, "
            "not a single image with layers",
            hint="choose an image that buildkit has published: `buildkit releases`",
        )
    for each in (*document.layers, document.config):
        _copy_blob(registry, image.repository, to, each.digest, each.size)
    for reference in (manifest.digest, image.tag):
        registry.put_manifest(to, reference, manifest)
        if not _exists(registry, to, reference, manifest, uri):
            raise ToolError(
                f"`{uri}` was copied, but the registry does not serve it",
                hint="rerun the command; if the error remains, check the registry and any proxy",
            )
    return True


def _exists(
    registry: Registry, repository: str, reference: str, manifest: Manifest, uri: str
) -> bool:
    found = registry.manifest(repository, reference)
    if found is not None and found.content != manifest.content:
        raise ToolError(
            f"`{uri}` already exists with another image: {found.digest}, not {manifest.digest}",
            hint="tags are never overwritten: promote the image to another repository",
        )
    return found is not None


def _copy_blob(registry: Registry, source: str, to: str, digest: str, size: int) -> None:
    if registry.has(to, digest) or registry.mount(to, digest, source):
        return
    with tempdirs.folder() as folder:
        path = folder / "blob"
        blob = Blob(digest=digest, size=size, open=lambda: path.open("rb"))
        if blob.is_large:
            where = f"{registry.host}/{to}"
            console.say(f"copying layer {digest[7:19]} to {where}: {megabytes(size)}", dim=True)

        def keep(content: IO[bytes]) -> None:
            with path.open("wb") as file:
                shutil.copyfileobj(content, file)

        registry.download(source, digest, size, keep)
        registry.upload(to, blob)
