"""The name that a person gives an image -> its registry: by target, record, tag or digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.ledger import history
from buildkit.model import names
from buildkit.model.hosts import has_registry
from buildkit.support import suggest
from buildkit.support.errors import NothingSelectedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from buildkit.ledger.record import Image, Release
    from buildkit.registry.manifests import Tagged


@dataclass(frozen=True, kw_only=True)
class Named:
    """A tag or digest in a repository; `host` is None for any registry."""

    host: str | None
    repository: str
    reference: str

    def __str__(self) -> str:
        mark = "@" if self.reference.startswith("sha256:") else ":"
        host = f"{self.host}/" if self.host else ""
        return f"{host}{self.repository}{mark}{self.reference}"


@dataclass(frozen=True, kw_only=True)
class Found:
    """An image in one registry, and its record, if the ledger has one."""

    host: str
    repository: str
    digest: str
    image: Image | None


def image(releases: Sequence[Release], text: str) -> Image | None:
    """An image of the ledger by `TARGET`, `TARGET@RECORD` or a digest; None for another name.

    Raises UsageError if several images match, NothingSelectedError if none does.
    """
    target, _, record = text.partition("@")
    known = {each.target for _, each in history.images(releases)}
    if target in known and not record:
        return history.latest(releases, target)
    if target in known:
        release = history.by_id(releases, record)
        found = next((each for each in release.images if each.target == target), None)
        if found is None:
            raise NothingSelectedError(
                f"record {release.id} has no image of {target}",
                hint=f"run `buildkit releases {target}` to see the records of that target",
            )
        return found
    return history.by_digest(releases, text)[0] if history.DIGEST.fullmatch(text) else None


def images(releases: Sequence[Release], text: str) -> tuple[Image, ...]:
    """All entries of an image, by `TARGET`, `TARGET@RECORD` or a digest.

    Raises UsageError if several images match, NothingSelectedError if none does.
    """
    found = image(releases, text)
    if found is not None:
        return history.by_digest(releases, found.digest)
    known = dict.fromkeys(each.target for _, each in history.images(releases))
    raise NothingSelectedError(
        f"image `{suggest.shown(text)}` not found: neither a target in the ledger nor a digest",
        hint=f"{suggest.near_to(text, tuple(known))}; `buildkit releases` shows targets and digests"
        if known
        else "publish images first: `buildkit build --all --push`",
    )


def named(text: str) -> Named:
    """Read `[HOST/]REPOSITORY:TAG` or `[HOST/]REPOSITORY@sha256:…`. Raises UsageError."""
    try:
        names.reference(text)
    except ValueError as error:
        raise _unknown(text) from error
    host, rest = None, text
    if has_registry(text):
        host, _, rest = text.partition("/")
    repository, _, reference = rest.partition("@")
    if not reference:
        repository, _, reference = rest.rpartition(":")
    if not repository:
        raise _unknown(text)
    return Named(host=host, repository=repository, reference=reference)


def in_registries(name: Named, registries: Iterable[Tagged], releases: Sequence[Release]) -> Found:
    """The image in the first registry that has it. Raises NothingSelectedError."""
    asked = []
    for registry in registries:
        manifest = registry.manifest(name.repository, name.reference)
        if manifest is not None:
            digest = manifest.digest
            known = (each for _, each in history.images(releases) if each.digest == digest)
            return Found(
                host=registry.host,
                repository=name.repository,
                digest=digest,
                image=next(known, None),
            )
        asked.append(registry.host)
    raise NothingSelectedError(
        f"`{name}` not found in {' or '.join(asked) or 'any known registry'}",
        hint="run `buildkit releases` to see what was published, or add `--registry HOST`",
    )


def _unknown(text: str) -> UsageError:
    return UsageError(
        f"image `{text}` not found: it is neither a target in the ledger, nor a digest, nor "
        "`REPOSITORY:TAG`",
        hint="run `buildkit releases` to see targets, records and digests",
    )
