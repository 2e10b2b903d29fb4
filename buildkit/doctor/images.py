"""images.toml with its templates and images.lock: facts -> findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.doctor.finding import ok, problem
from buildkit.support.amounts import count
from buildkit.support.errors import Exit, LockError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.doctor.facts import Facts
    from buildkit.doctor.finding import Finding


def images(facts: Facts) -> Iterator[Finding]:
    found = facts.images
    if (error := found.error) is not None:
        yield problem(
            "images-lock" if isinstance(error, LockError) else "images-toml",
            error.message,
            error.hint or "fix the file",
            details=error.details,
            code=Exit.USAGE,
        )
    elif found.path is None:
        yield ok(
            "images-toml", "no images.toml here: bases, registries and permissions not checked"
        )
    else:
        yield ok("images-toml", f"{found.path.name}: {count(found.targets, 'target')}")
