"""Exact tags and aliases -> the filters that let aliases move in an immutable repository.

ECR takes five filters of letters, digits, `._-` and two `*` each
(https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageTagMutabilityExclusionFilter.html).
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CACHE = "cache-"
"""What the tags of build caches begin with: they move, and they expire."""
SIGNATURES = "sha256-"
"""What tags of signatures and attestations begin with, where a registry has no API for them."""
MOST = 5


def check(name: str, otherwise: str) -> None:
    """Raise ValueError, which ends with the way out, for a name that people's tags may not have."""
    for beginning, whose in (
        (CACHE, "caches, which expire"),
        (SIGNATURES, "signatures and reports"),
    ):
        if name.startswith(beginning):
            raise ValueError(
                f"the tag `{name}` is not an image's: `{beginning}*` are {whose}; {otherwise}"
            )


def filters(tags: Sequence[str], aliases: Sequence[str]) -> tuple[str, ...]:
    """As few as let all aliases move and no exact tag.

    Raises ValueError that says which aliases cannot be had, and the ways out.
    """
    fixed = [f"{CACHE}*", f"{SIGNATURES}*"]
    for name, key in (*((tag, "tag") for tag in tags), *((alias, "aliases") for alias in aliases)):
        check(name, f"give `{key}` another beginning")
    found = dict.fromkeys(_filter(alias, tags) for alias in dict.fromkeys(aliases))
    every = sorted({*fixed, *found})
    if len(every) > MOST:
        raise ValueError(
            f"the aliases need {len(every)} filters, {', '.join(every)}, and ECR takes {MOST}; "
            "begin all aliases with a word of their own (`stable-{major}.{minor}-{py}-{device}` "
            'needs `stable-*` alone), have fewer of them, or write `mutability = "mutable"`'
        )
    return tuple(every)


def _filter(alias: str, tags: Sequence[str]) -> str:
    """The widest filter for an alias that lets no exact tag move."""
    for candidate in _candidates(alias):
        if not any(fnmatchcase(tag, candidate) for tag in tags):
            return candidate
    raise ValueError(
        f"the alias `{alias}` is also the exact tag of an image; name one of them differently in "
        "`aliases` or `tag`"
    )


def _candidates(alias: str) -> Iterator[str]:
    """`2-*`, `2-cpu-*`, `2-cpu-py311` for `2-cpu-py311`: the version comes first in it."""
    words = [f"{word}-" for word in alias.split("-")[:-1]]
    yield from (f"{beginning}*" for beginning in accumulate(words))
    yield alias
