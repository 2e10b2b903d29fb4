"""What the builder of an engine keeps: finished steps, downloaded packages, contexts.

Images have their own copies of layers, so they need nothing of it; nor do other projects, whose
builds only take longer without it.
"""

from __future__ import annotations

from collections import defaultdict
from enum import Enum
from typing import TYPE_CHECKING, Any

from buildkit.engine.calls import streamed, translated
from buildkit.system.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit.engine.engine import Engine

PRUNE_SECONDS = 3600
"""An engine answers when everything is deleted, which may be millions of files."""


class Kind(Enum):
    STEPS = "steps"
    PACKAGES = "packages"
    CONTEXTS = "contexts"


KINDS = {"exec.cachemount": Kind.PACKAGES, "source.local": Kind.CONTEXTS}
"""Kinds by the engine's types of records; all others are about steps."""


def usage(engine: Engine) -> Mapping[Kind, Usage]:
    """What can be freed, without the layers that images share. Raises ToolError."""
    kept: dict[Kind, list[int]] = defaultdict(list)
    api: Any = engine.client.api
    with (
        translated("asking the engine for its build cache"),
        streamed(api, "system/df", params={"type": "build-cache"}) as answer,
    ):
        for record in answer.json()["BuildCache"] or ():
            if not record["Shared"]:
                kept[KINDS.get(record["Type"], Kind.STEPS)].append(record["Size"])
    return {kind: Usage(entries=len(kept[kind]), size=sum(kept[kind])) for kind in Kind}


def prune(engine: Engine, older_than: int, keep: int) -> Usage:
    """Delete what was not used for `older_than` seconds, and return how much that was.

    What was used longest ago is deleted first, until `keep` bytes are left. Raises ToolError.
    """
    options: dict[str, Any] = {"keep-storage": keep} if keep else {}
    if older_than:
        options["filters"] = f'{{"until": ["{older_than}s"]}}'
    api: Any = engine.client.api
    with (
        translated("pruning the build cache of the engine"),
        streamed(api, "build/prune", json={}, params=options, timeout=PRUNE_SECONDS) as answer,
    ):
        found = answer.json()
    return Usage(entries=len(found["CachesDeleted"] or ()), size=found["SpaceReclaimed"])
