"""Verified -> Published: the tested image into every registry, checked, and then under its tag.

Takes `Verified` and nothing else, so an untested image cannot be pushed. In each registry the order
is: blobs, manifest without a tag, check of what is served, tag, check again. A tag that has another
image is never moved.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from buildkit import console, names
from buildkit.errors import BuildkitError, ToolError, UnavailableError, ending, together
from buildkit.model import Location, Published
from buildkit.registry.manifests import refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from buildkit.export import Packed
    from buildkit.model import Built, Target, Verified
    from buildkit.registry.client import Blob
    from buildkit.registry.manifests import Manifest


class Registry(Protocol):
    """Manifests of one registry."""

    @property
    def host(self) -> str: ...

    def manifest(self, repository: str, reference: str) -> Manifest | None: ...

    def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> None: ...

    def config(self, repository: str, digest: str) -> Mapping[str, Any]: ...


class Carrier(Protocol):
    """Brings blobs into that registry."""

    def bring(self, repository: str, blobs: Iterable[Blob], subject: str) -> None: ...


class Packer(Protocol):
    """Has an image's bytes at hand while a context lasts."""

    def packed(self, built: Built) -> AbstractContextManager[Packed]: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Destination:
    """A registry to publish to. `have_repository` makes one that is missing.

    `mutable`: its owner lets tags go from one image to another.
    """

    registry: Registry
    carrier: Carrier
    have_repository: Callable[[str], None]
    mutable: bool = False


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """`absent` are registries that did not answer when the run began, by host, and why."""

    destinations: Sequence[Destination]
    packer: Packer
    absent: Mapping[str, BuildkitError] = field(default_factory=dict)

    def publish(self, verified: Verified) -> Published:
        """Have the image in every registry under its tag, sending only what is missing.

        Raises ToolError: another image has the tag somewhere, and then nothing is sent anywhere; or
        some registries failed, which are named, while the others have the image.
        """
        built, target = verified.built, verified.built.target
        found, failed = _everywhere(self.destinations, lambda each: _look(each, built))
        if not all(isinstance(error, UnavailableError) for error in failed.values()):
            raise self._partly(failed, "nothing was sent anywhere")
        failed = {**self.absent, **failed}
        lacking = [each for each, manifest in found.items() if manifest is None]
        there = [manifest for manifest in found.values() if manifest is not None]
        if lacking:
            with self.packer.packed(built) as packed:
                if differing := {each.digest for each in there} - {packed.manifest.digest}:
                    raise ToolError(
                        f"{target.image} would be {packed.manifest.digest} in one registry and "
                        f"{', '.join(differing)} in another: another engine has compressed it",
                        hint="publish from where it was published before, or raise the revision",
                    )
                _, more = _everywhere(lacking, lambda each: _push(each, packed, built))
            failed |= more
            there = [packed.manifest]
        if failed:
            hosts = (each.registry.host for each in found)
            raise self._partly(failed, ending(host for host in hosts if host not in failed))
        manifest = there[0]
        return Published(
            verified=verified,
            digest=manifest.digest,
            size=manifest.layers_size,
            manifest_size=len(manifest.content),
            locations=tuple(
                Location(uri=f"{each.registry.host}/{target.image}", pushed=each in lacking)
                for each in self.destinations
            ),
        )

    def _partly(self, failed: Mapping[str, BuildkitError], others: str) -> BuildkitError:
        """Some registries failed, of several: which and why, and how it is in the others."""
        of = len(self.destinations) + len(self.absent)
        if of == 1:
            return next(iter(failed.values()))
        named = [
            ToolError(f"{host}: {error.message}", hint=error.hint) for host, error in failed.items()
        ]
        return together(named, of, others)


def _everywhere(
    destinations: Sequence[Destination], work: Callable[[Destination], Manifest | None]
) -> tuple[dict[Destination, Manifest | None], dict[str, BuildkitError]]:
    """Work in all registries side by side: what came of it, and by host what failed.

    One that fails does not stop the others.
    """
    with ThreadPoolExecutor(max_workers=max(1, len(destinations))) as pool:
        begun = {each: pool.submit(work, each) for each in destinations}
    found, failed = {}, {}
    for each, future in begun.items():
        try:
            found[each] = future.result()
        except BuildkitError as error:
            failed[each.registry.host] = error
    return found, failed


def _look(there: Destination, built: Built) -> Manifest | None:
    """The image under its tag, None if nothing is. Raises ToolError if it is another image."""
    target = built.target
    found = there.registry.manifest(target.repository, target.tag)
    if found is None:
        return None
    if there.mutable and not _is(found, built):
        console.step(target.id, f"`{_uri(there, target)}` goes on from {found.digest}", fg="yellow")
        return None
    _refuse_another(there, built, found)
    _refuse_unfit(there, target, found)
    return found


def _push(there: Destination, packed: Packed, built: Built) -> Manifest | None:
    target, manifest, registry = built.target, packed.manifest, there.registry
    _refuse_unfit(there, target, manifest)
    console.step(target.id, f"pushing to {registry.host}", dim=True)
    there.have_repository(target.repository)
    there.carrier.bring(target.repository, packed.blobs, target.id)
    registry.put_manifest(target.repository, manifest.digest, manifest)
    _check(there, built, manifest)
    # Again: not all registries keep tags, and a large image is long on its way.
    if (now := registry.manifest(target.repository, target.tag)) and not there.mutable:
        _refuse_another(there, built, now)
        return now
    try:
        registry.put_manifest(target.repository, target.tag, manifest)
    except ToolError:
        # Immutable tags: another publisher was quicker, with this image or another one.
        now = registry.manifest(target.repository, target.tag)
        if now is None:
            raise
        _refuse_another(there, built, now)
    served = registry.manifest(target.repository, target.tag)
    if served is None:
        raise ToolError(f"`{_uri(there, target)}` was pushed, but the registry does not serve it")
    _refuse_another(there, built, served)
    return served


def _check(there: Destination, built: Built, manifest: Manifest) -> None:
    """What the registry serves is what was sent, for the platform that is wanted."""
    target, registry = built.target, there.registry
    served = registry.manifest(target.repository, manifest.digest)
    uri = f"{registry.host}/{target.repository}@{manifest.digest}"
    if served is None:
        raise ToolError(f"`{uri}` was pushed, but the registry does not serve it")
    _refuse_unfit(there, target, served)
    if served.content != manifest.content:
        raise ToolError(f"`{uri}` was pushed, but the registry serves {served.digest}")
    config = registry.config(target.repository, built.config_digest)
    found = f"{config.get('os')}/{config.get('architecture')}"
    if found != target.platform:
        raise ToolError(f"`{uri}` is for {found}, wanted is {target.platform}")


def _refuse_another(there: Destination, built: Built, found: Manifest) -> None:
    """Raise ToolError unless a manifest is the built image.

    Told by its digest; where the engine does not know that before the push, by its configuration's.
    """
    if _is(found, built):
        return
    target = built.target
    raise ToolError(
        f"`{_uri(there, target)}` is there already, with another image: {found.digest}"
        f"{_made(there, target, found)}, not {built.manifest_digest or built.config_digest}",
        hint="tags are never overwritten: raise the revision in images.toml "
        f"(`{names.next_revision(target.version)}`), or let tags move with "
        '`mutability = "mutable"` below `[registry.repositories]`',
    )


def _is(found: Manifest, built: Built) -> bool:
    if built.manifest_digest is not None:
        return found.digest == built.manifest_digest
    return found.config_digest == built.config_digest


def _made(there: Destination, target: Target, found: Manifest) -> str:
    """When and by what an image was built, as far as it tells."""
    try:
        config = there.registry.config(target.repository, found.config_digest or "")
    except ToolError:
        return ""
    by = next((step.get("comment") for step in reversed(config.get("history") or ())), None)
    facts = (
        f"built {config['created']}" if config.get("created") else "",
        f"by {by}" if by else "",
    )
    return f" ({' '.join(filter(None, facts))})" if any(facts) else ""


def _refuse_unfit(there: Destination, target: Target, manifest: Manifest) -> None:
    if wrong := refusals(manifest):
        raise ToolError(
            f"SageMaker would refuse `{_uri(there, target)}` (contract IMG-02): {'; '.join(wrong)}",
            hint="build it with `buildkit build`, which makes a manifest that it takes",
        )


def _uri(there: Destination, target: Target) -> str:
    return f"{there.registry.host}/{target.image}"
