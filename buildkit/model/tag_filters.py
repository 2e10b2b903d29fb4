"""Exact tags and aliases -> the filters that let aliases move in an immutable repository.

ECR allows five filters of letters, digits, `._-` and two `*` each
(https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageTagMutabilityExclusionFilter.html).
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CACHE = "cache-"
"""The prefix of the tags of build caches, which move and expire."""
SIGNATURES = "sha256-"
"""The prefix of the tags of signatures and attestations in registries without an API for them."""
RESERVED = {CACHE: "caches, which expire", SIGNATURES: "signatures and reports"}
"""Prefixes that no exact tag and no alias may have, and what they are for."""
MOST = 5


def reserved(name: str) -> str | None:
    """Why no image may have this tag: the message for a reserved prefix, None for another one."""
    for prefix, whose in RESERVED.items():
        if name.startswith(prefix):
            return f"tag `{name}` is reserved: `{prefix}*` is for {whose}"
    return None


def filters(tags: Sequence[str], aliases: Sequence[str]) -> tuple[str, ...]:
    """The fewest filters that let all aliases move, but no exact tag.

    Raises ValueError that names the aliases that are not possible, and the ways out.
    """
    fixed = [f"{prefix}*" for prefix in RESERVED]
    for name, key in (*((tag, "tag") for tag in tags), *((alias, "aliases") for alias in aliases)):
        if (wrong := reserved(name)) is not None:
            raise ValueError(f"{wrong}; give `{key}` another prefix")
    found = dict.fromkeys(_filter(alias, tags) for alias in dict.fromkeys(aliases))
    every = sorted({*fixed, *found})
    if len(every) > MOST:
        raise ValueError(
            f"the aliases need {len(every)} filters, {', '.join(every)}, but ECR allows {MOST}; "
            "begin all aliases with the same word (`stable-{major}.{minor}-{py}-{device}` needs "
            'only `stable-*`), use fewer aliases, or set `mutability = "mutable"`'
        )
    return tuple(every)


def _filter(alias: str, tags: Sequence[str]) -> str:
    """The widest filter for an alias that lets no exact tag move."""
    for candidate in _candidates(alias):
        if not any(fnmatchcase(tag, candidate) for tag in tags):
            return candidate
    raise ValueError(
        f"alias `{alias}` is also the exact tag of an image; rename one of them in `aliases` or "
        "`tag`"
    )


def _candidates(alias: str) -> Iterator[str]:
    """`2-*`, `2-cpu-*`, `2-cpu-py311` for `2-cpu-py311`: the version comes first in it."""
    words = [f"{word}-" for word in alias.split("-")[:-1]]
    yield from (f"{beginning}*" for beginning in accumulate(words))
    yield alias
