"""Rendered targets -> a bake plan: plain JSON that `docker buildx bake` reads.

The plan has no bake matrix and no variables: buildkit decides all names, tags and outputs.
"""

from __future__ import annotations

import csv
import io
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from buildkit.build import mounts
from buildkit.config import substitution
from buildkit.config.network import Network
from buildkit.model.names import context
from buildkit.render import dockerfile, own_dockerfile, stages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from buildkit.lock.lockfile import Lock
    from buildkit.model.target import Rendered, Target

OUTPUT = "type=image,oci-mediatypes=false,compression=gzip,force-compression=true"
"""One Docker schema 2 manifest with gzip layers, whatever the base image has (IMG-02)."""

INDEXES = "indexes"
"""The secret with pip's options for the mirrors of a target's package indexes."""

ENVIRONMENT = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
"""An attestation would turn the manifest into an index (IMG-02)."""


class Folders(Protocol):
    """The folders that all builds get, besides the contexts of their images."""

    @property
    def runtime(self) -> Path: ...

    @property
    def nothing(self) -> Path: ...


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What builds get from outside, none of which may remain in an image.

    `secrets` are pairs of the id that templates mount and a file. `indexes` has, by target id, the
    file that names the mirrors of its package indexes, and `locks` the folder of its packages.
    `bases` are the digests that bases have in their registries, by their names in images.toml.
    """

    runtime: Path
    nothing: Path
    network: Network = field(default_factory=Network)
    secrets: tuple[tuple[str, Path], ...] = ()
    indexes: Mapping[str, Path] = field(default_factory=dict)
    locks: Mapping[str, Path] = field(default_factory=dict)
    bases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The bake file, and the bake name of each target id (bake allows no dots in names).

    `bases` are the references of the base images in use, by target id, `libraries` those of the
    images that cuda-compat comes from.
    """

    rendered: tuple[Rendered, ...]
    document: Mapping[str, Any]
    names: Mapping[str, str]
    bases: Mapping[str, str]
    libraries: frozenset[str]

    def registry(self, target_id: str) -> str:
        """The registry that the base of a target comes from; some word, if it is Docker Hub."""
        return self.bases[target_id].partition("/")[0]


@contextmanager
def planned(
    rendered: Sequence[Rendered],
    folders: Folders,
    network: Network,
    lock: Lock | None,
    bases: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Plan]:
    """The bake plan of a build, with its files of the network and the lock while it is open.

    `bases` are the digests that images have in their registries, by their names in images.toml.

    Raises UsageError for an invalid pip configuration.
    """
    targets = [each.target for each in rendered]
    with (
        mounts.mounted(network) as secrets,
        mounts.mirrored(targets, network.substitutes) as indexes,
        mounts.locked(targets, lock) as locks,
    ):
        inputs = Inputs(
            runtime=folders.runtime,
            nothing=folders.nothing,
            network=network,
            secrets=secrets,
            indexes=indexes,
            locks=locks,
            bases=bases,
        )
        yield make(rendered, inputs)


def make(rendered: Sequence[Rendered], inputs: Inputs) -> Plan:
    names: dict[str, str] = {}
    for each in rendered:
        stem = re.sub(r"[^A-Za-z0-9_-]", "_", each.target.id)
        while stem in names.values():
            stem += "_"
        names[each.target.id] = stem
    images = {each.target.id: _images(each.target, inputs) for each in rendered}
    document = {
        "group": {"default": {"targets": list(names.values())}},
        "target": {
            names[each.target.id]: _target(each, images[each.target.id], inputs)
            for each in rendered
        },
    }
    return Plan(
        rendered=tuple(rendered),
        document=_literal(document),
        names=names,
        bases={each.target.id: images[each.target.id][each.target.base] for each in rendered},
        libraries=frozenset(
            used
            for each in rendered
            for name, used in images[each.target.id].items()
            if name != each.target.base
        ),
    )


def _images(target: Target, inputs: Inputs) -> dict[str, str]:
    """What the build pulls for each image of a target: itself or a substitute, by a known digest.

    By the names in images.toml.
    """
    found = {}
    for name, pin in target.images.items():
        used = substitution.substitute(name, inputs.network.substitutes) or name
        digest = pin or inputs.bases.get(name)
        found[name] = f"{used}@{digest}" if digest and "@" not in used else used
    return found


def _target(rendered: Rendered, images: Mapping[str, str], inputs: Inputs) -> dict[str, Any]:
    target = rendered.target
    makes = _by_template if target.dockerfile is None else _by_own_dockerfile
    made = makes(rendered, inputs)
    made["contexts"] |= {
        context(name): f"docker-image://{used}" for name, used in images.items() if used != name
    }
    secrets = inputs.secrets
    if target.id in inputs.indexes:
        secrets = (*secrets, (INDEXES, inputs.indexes[target.id]))
    return {
        "context": target.context or str(inputs.nothing),
        **made,
        "platforms": [target.platform],
        "tags": [target.image],
        "secret": [_fields(f"id={name}", f"src={path}") for name, path in secrets],
        "output": [OUTPUT],
    }


def _by_template(rendered: Rendered, inputs: Inputs) -> dict[str, Any]:
    """The text, and the folders that the steps of templates mount."""
    contexts = {"runtime": str(inputs.runtime)}
    if inputs.network.wheels is not None:
        contexts["wheels"] = str(inputs.network.wheels)
    if rendered.target.id in inputs.locks:
        contexts["lock"] = str(inputs.locks[rendered.target.id])
    return {"dockerfile-inline": rendered.dockerfile, "contexts": contexts}


def _by_own_dockerfile(rendered: Rendered, inputs: Inputs) -> dict[str, Any]:
    """The file itself, so that BuildKit finds the .dockerignore beside it.

    It gets no folder as a context: that would replace a stage of the same name, such as `runtime`.
    """
    target, arguments = rendered.target, rendered.target.build_arguments
    found = dockerfile.instructions(rendered.dockerfile)
    used = stages.images(stages.built(found, arguments, target.stage))
    mirrors = {image: substitution.substitute(image, inputs.network.substitutes) for image in used}
    return {
        "dockerfile": os.path.realpath(str(target.dockerfile)),
        **({} if target.stage is None else {"target": target.stage}),
        "args": arguments,
        "labels": own_dockerfile.labels(target, found),
        "contexts": {
            context(image): f"docker-image://{mirror}"
            for image, mirror in sorted(mirrors.items())
            if mirror
        },
    }


def _fields(*fields: str) -> str:
    """One line of CSV, which buildx reads: a path may contain a comma."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()


def _literal(value: Any) -> Any:
    """Escape `${` and `%{`, which bake interpolates in every string."""
    match value:
        case str():
            return value.replace("${", "$${").replace("%{", "%%{")
        case dict():
            return {key: _literal(item) for key, item in value.items()}
        case list():
            return [_literal(item) for item in value]
        case _:
            return value
