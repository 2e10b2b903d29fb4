"""What a target is made from: the entry of its image, and the values of its cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from buildkit.config import requirements
from buildkit.config.schema import Places
from buildkit.matrix import samples
from buildkit.model import names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkit.config.images_toml import Config
    from buildkit.config.problems import Problems
    from buildkit.config.toml import Where
    from buildkit.matrix.cells import Cell
    from buildkit.render.own_dockerfile import Dockerfile

LAYERS = ("override", "defaults")
"""What may give an image any other key."""


@dataclass(frozen=True, kw_only=True)
class Entry(Places):
    """The entry of an image for the cells with the same overrides; what differs by cell is open."""

    config: Config
    problems: Problems
    dockerfiles: dict[tuple[str, str], Dockerfile] = field(default_factory=dict)
    """Those of the user's own that were read, by their paths and contexts."""

    def named_at(self, key: str) -> Where:
        """Where a part of the image's name is written: for this image, or in `[registry]`."""
        of_registry = not self.has(key) and key in self.config.registry.model_fields_set
        return ("registry", key) if of_registry else self.at(key)

    @cached_property
    def common(self) -> dict[str, Any]:
        """What all targets of the entry have in common, by the fields of `Target`."""
        table, at = self.given("samples"), self.at("samples")
        return {
            "platform": self.given("platform"),
            "end_of_life": self.given("end_of_life"),
            "network": self.given("network"),
            "samples": samples.of_table(self.config, table, at, self.problems),
        }


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a target is made from. `problems` collects what is wrong with it.

    `words` has the value of each `{word}` of a pattern.
    """

    id: str
    entry: Entry
    cell: Cell
    words: dict[str, str]
    config: Config
    problems: Problems

    @property
    def tag(self) -> str:
        """The pattern of the tag."""
        pattern: str = self.entry.given("tag") or self.config.registry.tag
        return pattern

    def lacks(self, *keys: str) -> bool:
        return self.problems.lacks(self.cell.name, *keys, *LAYERS)

    def filled(self, pattern: str) -> str:
        return names.expand(pattern, self.words)


def pairs(key: str, draft: Draft) -> tuple[tuple[str, str], ...]:
    """A table of patterns, filled in. Its values stay in the image for good."""
    found = [(name, draft.filled(value)) for name, value in draft.entry.given(key).items()]
    for name, value in found:
        try:
            requirements.check_kept(value)
        except ValueError as error:
            draft.problems.add((*draft.entry.at(key), name), str(error))
    return tuple(found)


def add_of_file(draft: Draft, key: str, pattern: str, wrong: Iterable[str]) -> None:
    """Add what is wrong with a file that `pattern` names, once for all targets."""
    at = draft.entry.at(key)
    for message in wrong:
        same = cause(at, f"{pattern} {message}", (draft.filled(pattern),))
        draft.problems.add(at, message, same)


def cause(at: Where, message: str, words: Iterable[str]) -> str:
    """A problem without the words of its target: equal if one edit fixes both targets."""
    for word in sorted(filter(None, words), key=len, reverse=True):
        message = message.replace(word, "{}")
    return f"{at}: {message}"
