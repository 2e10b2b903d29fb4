"""The last values that cross stages: a tested image in registries, without its tag and with it."""

from __future__ import annotations

from dataclasses import dataclass

from buildkit.model.target import Verified  # noqa: TC001 - records are read by it


@dataclass(frozen=True, kw_only=True)
class Staged:
    """A tested image that registries hold by its digest, until it is given its tag there."""

    verified: Verified
    digest: str
    hosts: tuple[str, ...]

    @property
    def digest_uris(self) -> tuple[str, ...]:
        repository = self.verified.built.target.repository
        return tuple(f"{host}/{repository}@{self.digest}" for host in self.hosts)


@dataclass(frozen=True, kw_only=True)
class Location:
    """An image by its tag, in one registry. `pushed` tells whether this run put it there."""

    uri: str
    pushed: bool


@dataclass(frozen=True, kw_only=True)
class Published:
    """A tested image in registries, by tag and by digest. The first is the one people are told.

    `size` is in bytes, of all layers as they are sent; `manifest_size` of the manifest.
    """

    verified: Verified
    digest: str
    size: int
    manifest_size: int
    locations: tuple[Location, ...]

    @property
    def uri(self) -> str:
        return self.locations[0].uri

    @property
    def pushed(self) -> bool:
        return any(each.pushed for each in self.locations)

    @property
    def digest_uris(self) -> tuple[str, ...]:
        return tuple(f"{each.uri.rpartition(':')[0]}@{self.digest}" for each in self.locations)
