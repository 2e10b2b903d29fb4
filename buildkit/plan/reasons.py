"""Why a target is built, tested or published again, in words."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from buildkit.model import names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.model.image import Origin
    from buildkit.plan.known import Known

ENTRY = "images.toml"
"""The part of the inputs that a target's own entry is."""


def of_build(known: Known, *, retest: bool) -> tuple[str, ...]:
    """Why the image has to be built."""
    if known.before is None:
        return (
            (*_lacking(known), "never built on this machine")
            if known.lacking
            else ("never built on this machine",)
        )
    if changed := tuple(_changes(known, known.before)):
        return changed
    again = ("tested again",) if retest else ()
    return (*again, *_lacking(known), "not built on this machine")


def of_no_identity(known: Known) -> tuple[str, ...]:
    """Why an image has no identity: whether it is the same cannot be known."""
    if known.identity.unknown is not None:
        return (f"the digest of the image `{known.identity.unknown}` is unknown",)
    return (
        "its context has files that each run writes: list `dist` and the ledger in .dockerignore",
    )


def of_refusal(known: Known) -> tuple[str, ...]:
    """What differs between the image that has the tag and the one that is wanted."""
    changed = () if known.recorded is None else tuple(_changes(known, known.recorded))
    return changed or ("the tag has an image that was made from other inputs",)


def of_test(known: Known, *, retest: bool) -> tuple[str, ...]:
    """Why an image that is built has not come to its end."""
    tested = "tested again" if retest else known.untested
    unreached = (f"{e.host} does not answer" for e in known.served if e.error is not None)
    unnoted = () if known.noted or known.lacking else ("not in the ledger",)
    return (*filter(None, (tested,)), *_lacking(known), *unreached, *unnoted)


def _lacking(known: Known) -> tuple[str, ...]:
    return tuple(f"never published to {host}" for host in known.lacking)


def _changes(known: Known, before: Origin) -> Iterator[str]:
    """What differs between the inputs of an earlier image and those of now."""
    target, now = known.target, known.identity
    if before.base_digest != now.base and before.base_digest and now.base:
        old, new = before.base_digest[: names.SHORT_DIGEST], now.base[: names.SHORT_DIGEST]
        yield f"`{target.base}` moved from {old} to {new}"
    if before.identity is None:
        yield "the last image has no identity: it was built by an older version of buildkit"
    elif before.inputs != now.inputs:
        yield from _parts(known, before)
    elif before.identity != now.digest and before.base_digest == now.base:
        images = [each for each, pin in target.images.items() if each != target.base and not pin]
        also = "".join(f"`{each}`, " for each in images)
        yield f"{also}the wheels, SOURCE_DATE_EPOCH or the version of buildkit changed"


def _parts(known: Known, before: Origin) -> Iterator[str]:
    old, new = dict(before.parts), dict(known.parts)
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield f"{name} is new"
        elif name not in new:
            yield f"{name} is not used any more"
        elif old[name] != new[name]:
            keys = _keys(known) if name == ENTRY else ""
            yield f"{name} changed{keys}"


def _keys(known: Known) -> str:
    """The keys of the target's entry that changed, as far as the record of the build shows."""
    if known.built is None:
        return ""
    old, new = known.built.target.entry, known.target.entry
    changed = [f.name for f in fields(new) if getattr(old, f.name) != getattr(new, f.name)]
    return f": {', '.join(changed)}" if changed else ""
