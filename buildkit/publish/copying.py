"""An image -> another repository of the same registry, under its exact tag."""

from __future__ import annotations

import shutil
from typing import IO, TYPE_CHECKING

from buildkit.registry import download
from buildkit.registry.client import Blob
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
    """Have an image of this registry in the repository `to`; whether it was not there yet.

    The order is that of a publication: blobs, manifest, tag, and each is checked. Raises ToolError,
    also if another image has the tag.
    """
    uri = f"{registry.host}/{to}:{image.tag}"
    if _is_there(registry, to, image.tag, manifest, uri):
        return False
    make(to)
    document = manifest.document
    if document.config is None or document.layers is None:
        raise ToolError(
            f"`{registry.host}/{image.repository}@{manifest.digest}` is `{manifest.media_type}`, "
            "which is not one image of layers",
            hint="name an image that this tool has published: `buildkit releases`",
        )
    for each in (*document.layers, document.config):
        _bring(registry, image.repository, to, each.digest, each.size)
    for reference in (manifest.digest, image.tag):
        registry.put_manifest(to, reference, manifest)
        if not _is_there(registry, to, reference, manifest, uri):
            raise ToolError(f"`{uri}` was copied, but the registry does not serve it")
    return True


def _is_there(
    registry: Registry, repository: str, reference: str, manifest: Manifest, uri: str
) -> bool:
    found = registry.manifest(repository, reference)
    if found is not None and found.content != manifest.content:
        raise ToolError(
            f"`{uri}` is there already, with another image: {found.digest}, not {manifest.digest}",
            hint="tags are never overwritten: promote to another repository",
        )
    return found is not None


def _bring(registry: Registry, source: str, to: str, digest: str, size: int) -> None:
    if registry.has(to, digest) or registry.mount(to, digest, source):
        return
    with tempdirs.folder() as folder:
        path = folder / "blob"
        blob = Blob(digest=digest, size=size, open=lambda: path.open("rb"))
        if blob.is_large:
            size_told = f"{size / 1e6:.0f} MB"
            console.say(f"copying {digest[:19]} to {registry.host}/{to}: {size_told}", dim=True)

        def keep(content: IO[bytes]) -> None:
            with path.open("wb") as file:
                shutil.copyfileobj(content, file)

        download.read(registry, source, digest, size, keep)
        registry.upload(to, blob, lambda _sent: None)
