"""`buildkit uri --verify`: what a registry has under a tag now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.config import images_toml, schema
from buildkit.publish import connect
from buildkit.support.errors import BuildkitError, NothingSelectedError, ToolError
from buildkit.system import console

if TYPE_CHECKING:
    from pathlib import Path


def verify(file: Path, host: str, repository: str, tag: str, digest: str | None = None) -> str:
    """The digest that a registry serves, asked with one call.

    images.toml, where there is one, says which profile is the registry's. Raises ToolError if it
    is not the one that is wanted, NothingSelectedError if there is no such image.
    """
    with connect.registry(_options(file), host) as registry:
        manifest = registry.manifest(repository, tag)
    if manifest is None:
        raise NothingSelectedError(
            f"{host}/{repository}:{tag} is not there: the registry has no such image",
            hint="it was removed, or never was: `buildkit releases` shows what was published, "
            "`buildkit uri --list` all that is known",
        )
    if digest not in (None, manifest.digest):
        raise ToolError(
            f"{host}/{repository}:{tag} is another image: the ledger has {digest}, the registry "
            f"serves {manifest.digest}",
            hint="somebody has moved the tag; `--digest` without `--verify` names the published "
            "image, which `buildkit promote` can give a tag again",
        )
    return manifest.digest


def _options(file: Path) -> schema.RegistryTable:
    """What images.toml says of registries. One that is broken is told: it is not asked for."""
    if not file.exists():
        return schema.RegistryTable()
    try:
        return images_toml.read(file).registry
    except BuildkitError as error:
        console.say(f"warning: {file} is left out, as it cannot be read: {error}", fg="yellow")
        return schema.RegistryTable()
