"""An image that targets are built from -> its digest, asked of its registry, without an engine."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from buildkit.config import substitution
from buildkit.registry import bases
from buildkit.support.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from buildkit.model.login import Login
    from buildkit.model.target import Target


def of(targets: Iterable[Target]) -> tuple[str, ...]:
    """The images that a lock pins, sorted: all but those that images.toml names by their digest.

    These are the bases, and the images that cuda-compat comes from.
    """
    return tagged(image for target in targets for image in target.images)


def tagged(images: Iterable[str]) -> tuple[str, ...]:
    """The images whose digest can change, sorted: none by digest."""
    return tuple(sorted(each for each in {*images} if each != bases.NO_IMAGE and "@" not in each))


def digest(
    base: str,
    rules: Sequence[substitution.Rule],
    logins: Mapping[str, Login],
    *,
    attempts: int | None = None,
) -> str:
    """The digest that a base has now, or the image that replaces it by `rules`.

    `logins` are by host; for other hosts docker's own are used. Raises ToolError, which names the
    base.
    """
    image = substitution.substitute(base, rules) or base
    host, repository, reference = bases.located(image)
    if "@" in image:
        return reference
    called = f"`{base}`" if image == base else f"`{base}`, replaced with `{image}`,"
    try:
        with closing(bases.registry(host, logins, attempts=attempts)) as registry:
            found = registry.digest(repository, reference)
    except ToolError as error:
        raise type(error)(
            f"the digest of the image {called} could not be resolved: {error.message}",
            hint=error.hint,
            details=error.details,
        ) from error
    if found is None:
        raise ToolError(
            f"the image {called} was not found in {host}",
            hint="check its name in images.toml, or replace the image with `--substitute`",
        )
    return found
