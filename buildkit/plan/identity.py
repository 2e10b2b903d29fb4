"""The inputs of a build and the digest of its base -> the identity of the image.

Images with one identity are the same image: the same files, from the same base, made in the same
way. The digest of the image itself is known only after a build; its identity is known before.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.build import bake_plan, epoch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.config.network import Network
    from buildkit.model.target import Rendered
    from buildkit.plan.bases import Bases
    from buildkit.render.inputs import Inputs

MAKING = 1
"""Increased when buildkit makes other bytes from the same inputs than before."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """`digest` is the identity, None as long as an image is unknown: nothing can be skipped then.

    `inputs` is the digest of all inputs but the base, `base` that of the base. `unknown` is the
    image whose digest is unknown, by its name in images.toml.
    """

    digest: str | None
    inputs: str
    base: str | None
    unknown: str | None = None


def of(
    rendered: Sequence[Rendered], read: Inputs, bases: Bases, network: Network
) -> dict[str, Identity]:
    """By target id.

    Without a lock, the newest packages of the moment are no input, but the wheels of `--wheels`
    are. An image that the build pulls counts by its digest, whether images.lock pins that or a
    registry says so.
    SOURCE_DATE_EPOCH counts if the user has set it: if not, it follows from the base.
    """
    made_from = read.digests(rendered)
    pinned = (each for each in rendered if any(each.target.images.values()))
    but_images = made_from | read.digests(pinned, with_images=False)
    unlocked = any(each.target.lock_file is None for each in rendered)
    wheels = read.content(str(network.wheels)) if network.wheels and unlocked else None
    time = None if epoch.is_ours() else os.environ[epoch.VARIABLE]
    found = {}
    for each in rendered:
        images = bases.of(each.target)
        base = images.pop(each.target.base)
        facts = {
            "making": MAKING,
            "output": bake_plan.OUTPUT,
            "inputs": but_images[each.target.id],
            "base": base,
            "wheels": None if each.target.lock_file is not None else wheels,
            "epoch": time,
        }
        if images:  # absent for all other targets: their identities are in ledgers
            facts["images"] = images
        digest = f"sha256:{hashlib.sha256(json.dumps(facts).encode()).hexdigest()}"
        digests = {each.target.base: base, **images}
        unknown = next((image for image, known in digests.items() if known is None), None)
        found[each.target.id] = Identity(
            digest=digest if unknown is None else None,
            inputs=made_from[each.target.id],
            base=base,
            unknown=unknown,
        )
    return found
