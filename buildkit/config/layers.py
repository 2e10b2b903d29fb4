"""Facts of a cell that images.toml may give in several places: which place decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from buildkit.config import schema
    from buildkit.config.problems import Where


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where images.toml writes the facts of a cell. The first layer with a key decides that key.

    The last two layers are the image and `[defaults]`.
    """

    layers: tuple[tuple[Where, schema.Facts], ...]

    def has(self, key: str) -> bool:
        return any(key in layer.model_fields_set for _, layer in self.layers)

    def given(self, key: str) -> Any:
        return given(key, *(layer for _, layer in self.layers))

    def of(self, key: str) -> Where:
        """Where a key is written, or where the image could write it."""
        found = (at for at, layer in self.layers if key in layer.model_fields_set)
        return (*next(found, self.layers[-2][0]), key)


def given(key: str, *layers: schema.Facts) -> Any:
    """The value of the first layer in which the author wrote the key, else the schema's default."""
    return next(
        (getattr(layer, key) for layer in layers if key in layer.model_fields_set),
        getattr(layers[-1], key),
    )
