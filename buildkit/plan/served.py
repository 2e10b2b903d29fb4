"""What registries serve under the tags of targets, and from which inputs that was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.model.image import IDENTITY
from buildkit.registry.manifests import refusals
from buildkit.support.errors import BuildkitError
from buildkit.system import cache
from buildkit.system.cache import Kind

if TYPE_CHECKING:
    from buildkit.model.target import Target
    from buildkit.registry.manifests import Tagged


@dataclass(frozen=True, kw_only=True)
class Served:
    """What one registry serves under the tag of a target.

    `digest` is None for a free tag. `identity` is that of the image, by its own label; None for an
    image without the label. `error`: the registry did not answer.
    """

    host: str
    digest: str | None = None
    identity: str | None = None
    error: BuildkitError | None = None


def look(registry: Tagged, target: Target) -> Served:
    """One request; one more for an image that this machine has not seen before.

    Only an image's own configuration says what it was made from: no record is believed, nor is the
    ledger, which people edit.
    """
    host = registry.host
    try:
        found = registry.manifest(target.repository, target.tag)
        if found is None:
            return Served(host=host)
        config = found.config_digest
        if config is None or refusals(found):
            return Served(host=host, digest=found.digest)
        identity = cache.find(Kind.IDENTITIES, config)
        if identity is None:
            settings = registry.config(target.repository, config).config
            labels = settings.labels if settings else None
            identity = (labels or {}).get(IDENTITY, "")
            cache.keep(Kind.IDENTITIES, config, identity)
    except BuildkitError as error:
        return Served(host=host, error=error)
    return Served(host=host, digest=found.digest, identity=identity or None)
