"""Where an image comes from: what a build started with, as far as it is known."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Origin:
    """`base` is the reference that was used, after substitution; `inputs` the digest of the rest.

    `base_digest` is the id that the engine has for the base, which in a classic image store is the
    digest of its configuration; without it the one that the build resolved; None if neither tells.
    """

    base: str
    base_digest: str | None = None
    inputs: str | None = None
