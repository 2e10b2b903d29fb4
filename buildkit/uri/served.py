"""`buildkit uri --verify`: the image that a registry serves under a tag now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.config import images_toml, schema
from buildkit.publish import connect
from buildkit.support.errors import BuildkitError, NothingSelectedError, ToolError
from buildkit.system import console

if TYPE_CHECKING:
    from buildkit.uri.asked import Asked


def digest(asked: Asked, host: str, repository: str, tag: str, expected: str | None = None) -> str:
    """The digest that a registry serves, asked with one call.

    images.toml, if there is one, names the AWS profile of the registry. Raises ToolError if the
    digest is another than expected, NothingSelectedError if the registry does not have the image.
    """
    with connect.registry(_options(asked), host) as registry:
        manifest = registry.manifest(repository, tag)
    if manifest is None:
        raise NothingSelectedError(
            f"{host}/{repository}:{tag} not found in the registry",
            hint="the image was removed or never pushed: `buildkit releases` shows what was "
            "published, `buildkit uri --list` all known images",
        )
    if expected not in (None, manifest.digest):
        raise ToolError(
            f"{host}/{repository}:{tag} differs from the ledger: the ledger has {expected}, the "
            f"registry serves {manifest.digest}",
            hint="the tag was moved; `--digest` without `--verify` prints the published image, "
            "and `buildkit promote` can tag that image again",
        )
    return manifest.digest


def _options(asked: Asked) -> schema.RegistryTable:
    """The registries of images.toml. A broken file is only a warning: nobody asked for it."""
    file = Path(asked.file)
    if not file.exists():
        return schema.RegistryTable()
    try:
        return images_toml.read(file, allow_outside=asked.allow_outside).registry
    except BuildkitError as error:
        console.say(f"warning: ignoring {file}, which cannot be read: {error}", fg="yellow")
        return schema.RegistryTable()
