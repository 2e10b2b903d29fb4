"""AWS's prebuilt images, each once, with all of its purposes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from buildkit.prebuilt import facts
from buildkit.prebuilt.naming import named

if TYPE_CHECKING:
    from collections.abc import Iterator


class Listed(NamedTuple):
    """`names` are the ways to say the version, the full one first; empty without a version.

    `device` and `python` are None for any; `tag` is None for an image without one.
    """

    framework: str
    names: tuple[str, ...]
    purposes: tuple[str, ...]
    device: str | None
    python: str | None
    bases: tuple[str, ...]
    repository: str
    tag: str | None
    accounts: str

    @property
    def regions(self) -> frozenset[str]:
        return facts.regions_of(self.accounts)

    def uri(self, region: str) -> str:
        there = facts.regions()[region]
        account = there.accounts[facts.family(self.accounts)]
        tag = f":{self.tag}" if self.tag else ""
        return f"{account}.dkr.ecr.{region}.{there.domain}/{self.repository}{tag}"


def images() -> Iterator[Listed]:
    """All of them, in the order of the data."""
    found: dict[Listed, list[str]] = {}
    for framework in facts.frameworks():
        for entry in facts.entries(framework):
            repository, tag = named(entry)
            names = tuple(filter(None, entry.names))
            each = Listed(
                framework, names, (), entry.device, entry.python, entry.bases, repository,
                tag or None, entry.accounts,
            )  # fmt: skip
            found.setdefault(each, []).append(entry.purpose)
    for each, purposes in found.items():
        yield each._replace(purposes=tuple(purposes))
