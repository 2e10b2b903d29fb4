"""Bumps revisions in the text of images.toml, without any other change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomlkit

from buildkit.ledger import history
from buildkit.model import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from buildkit.ledger.record import Release
    from buildkit.model.target import Target


def bumped(targets: Iterable[Target], releases: Sequence[Release]) -> dict[str, dict[str, str]]:
    """New versions by image and version: the next revision that no release has."""
    found: dict[str, dict[str, str]] = {}
    for target in targets:
        used = {image.version for _, image in history.images(releases) if image.name == target.name}
        new = names.next_revision(target.version)
        while new in used:
            new = names.next_revision(new)
        found.setdefault(target.name, {})[target.version] = new
    return found


def edited(text: str, changes: Mapping[str, Mapping[str, str]]) -> str:
    """The text of images.toml with new versions, wherever an image has the old ones."""
    document = tomlkit.parse(text)
    for name, versions in changes.items():
        image: Any = document["image"][name]
        places: list[tuple[Any, Any]] = [
            (image["versions"], number) for number in range(len(image["versions"]))
        ]
        rules = [*image.get("include", ()), *image.get("exclude", ())]
        rules += [each["when"] for each in image.get("override", ())]
        places += [(rule, "version") for rule in rules if "version" in rule]
        for holder, key in places:
            holder[key] = versions.get(holder[key], holder[key])
    return tomlkit.dumps(document)
