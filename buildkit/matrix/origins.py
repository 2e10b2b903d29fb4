"""A target -> each value that images.toml gives it, and where the author wrote that value."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from buildkit.config import schema
from buildkit.config.problems import Problems
from buildkit.matrix import cells, own_dockerfile, targets
from buildkit.model import families, names
from buildkit.render.own_dockerfile import BASE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from buildkit.config.images_toml import Config
    from buildkit.config.toml import Where
    from buildkit.matrix.draft import Entry
    from buildkit.model.target import Target

OF_REGISTRY = ("repository", "tag", "aliases")
"""Keys that an image takes from `[registry]` if it does not give them itself."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """A key as images.toml spells it, and the value that a target has: strings, lists and tables.

    `written` is where the author wrote it; None for a default of buildkit.
    """

    key: str
    value: Any
    written: Where | None


def of_targets(config: Config, chosen: Sequence[Target]) -> dict[str, tuple[Value, ...]]:
    """Every value of targets of a file without problems: the parts of a cell, then its facts."""
    images = dict(config.images)
    entries = {
        target.id: entry
        for name in dict.fromkeys(each.name for each in chosen)
        for target, entry in targets.of_image(name, images[name], config, Problems(read=()))
    }
    return {
        each.id: (*_of_cell(config, images[each.name], each), *_of_facts(entries[each.id], each))
        for each in chosen
    }


def _of_cell(config: Config, image: schema.Image, target: Target) -> Iterator[Value]:
    included = [
        (("image", target.name, "include", number), new)
        for number, new in enumerate(image.include)
        if (new.version, new.device, new.python) == (target.version, target.device, target.python)
        and new.purpose in (None, target.purpose)
    ]
    layers = ((("image", target.name), image), (("defaults",), config.defaults))
    for part, axis in cells.AXES.items():
        places = ((*at, axis) for at, layer in layers if axis in layer.model_fields_set)
        value = getattr(target, part)
        rows = (at for at, new in included if getattr(new, part) is not None)
        written = next(chain(rows, places), None)
        yield Value(key=part, value=getattr(value, "value", value), written=written)


def _of_facts(entry: Entry, target: Target) -> Iterator[Value]:
    final = _final(entry, target)
    for name, field in schema.Facts.model_fields.items():
        at = entry.named_at(name) if name in OF_REGISTRY else entry.at(name)
        written = at if entry.has(name) or at[0] == "registry" else None
        if own_dockerfile.is_used(entry):
            written = _beside_dockerfile(entry, target).get(name, written)
        is_read = own_dockerfile.is_read(entry, name)
        yield Value(
            key=field.alias or name,
            value=final[name] if is_read else None,
            written=written if is_read else None,
        )


def _beside_dockerfile(entry: Entry, target: Target) -> dict[str, Where]:
    """Where the values are written that a Dockerfile takes from other keys."""
    given = target.build_arguments.get(BASE)
    if BASE in entry.given("args"):
        base = entry.at("args") if given == target.base else entry.at("dockerfile")
        return {"base": base}
    if given is None:
        return {"base": entry.at("dockerfile")}  # its FROM names the image
    return {
        **({} if entry.has("args") else {"args": entry.at("base")}),
        **({} if given == target.base else {"base": entry.at("dockerfile")}),
    }


def _final(entry: Entry, target: Target) -> Mapping[str, Any]:
    """What a target has for each fact of the schema."""
    folder = entry.config.folder
    requirements = entry.given("requirements")
    return {
        "template": target.template,
        "dockerfile": _below(folder, target.dockerfile),
        "target": target.stage,
        "base": target.base,
        "packages": target.packages,
        "requirements": requirements and names.expand(requirements, targets.words_of(target)),
        "indexes": target.indexes,
        "lock": _below(folder, target.lock) if target.lockable else False,
        "source_builds": target.source_builds,
        "apt_snapshot": target.apt_snapshot,
        "cuda_compat": target.cuda_compat and target.cuda_compat.image,
        "args": dict(target.args),
        "labels": dict(target.labels),
        "context": _below(folder, target.context),
        "platform": target.platform,
        "repository": target.repository,
        "tag": target.tag,
        "aliases": families.aliases_of(target.family, target.version),
        "features": tuple(each.value for each in target.features),
        "end_of_life": target.end_of_life,
        "network": target.network,
        "samples": entry.given("samples").model_dump(
            mode="json", by_alias=True, exclude_unset=True, exclude_none=True
        ),
    }


def _below(folder: os.PathLike[str], path: str | None) -> str | None:
    """A path as it is written in images.toml: from the folder of the file."""
    return None if path is None else os.path.relpath(path, folder)
