"""images.toml -> what `doctor` looks at for it: bases, registries, repositories, folders."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.config import substitution
from buildkit.doctor.facts import Images
from buildkit.ecr import places
from buildkit.ecr.permissions import Asked
from buildkit.ecr.places import Api, Place
from buildkit.model.target import Device
from buildkit.publish import connect
from buildkit.registry import bases, docker_config
from buildkit.support.errors import ToolError
from buildkit.system import cache

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from buildkit.config.substitution import Rule
    from buildkit.model.target import Target
    from buildkit.project import Project

TEMPORARY, CACHE, PROJECT = "temporary files", "buildkit's cache", "the records of targets"
NOWHERE = Place(host="ECR")
"""Asked for the identity of the credentials if no registry of ECR is named."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """Bases as they are pulled, the registries to publish to, and what is asked of those of ECR."""

    images: Images
    bases: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    asked: tuple[Asked, ...] = ()
    folders: Mapping[str, Path] = field(default_factory=dict)

    @property
    def hosts(self) -> tuple[str, ...]:
        """All registries, each once."""
        pulled = (bases.located(each)[0] for each in self.bases)
        return tuple(dict.fromkeys((*pulled, *(each.host for each in self.places))))


def without_file(images: Images, folder: Path) -> Question:
    return Question(images=images, folders=_folders(folder))


def of_project(
    project: Project,
    targets: Sequence[Target],
    rules: Sequence[Rule],
    registries: Sequence[str],
) -> Question:
    """Raises UsageError for a registry of the command line that cannot be one."""
    config = project.config
    named = registries or connect.written(config)
    found = places.places(config.registry, registries) if named else ()
    pulled = tuple(dict.fromkeys(_bases(targets, (*rules, *config.substitutes))))
    asked = tuple(_asked(project, targets, found, pulled))
    return Question(
        images=Images(
            path=config.path,
            targets=len(targets),
            platforms=tuple(dict.fromkeys(target.platform for target in targets)),
            gpus=any(target.device is Device.GPU for target in targets),
            needs_aws=bool(asked),
        ),
        bases=pulled,
        places=found,
        asked=asked,
        folders=_folders(project.records.folder),
    )


def _folders(folder: Path) -> dict[str, Path]:
    found = {PROJECT: folder, CACHE: cache.folder()}
    with suppress(FileNotFoundError):  # that is a finding
        found[TEMPORARY] = Path(tempfile.gettempdir())
    return found


def _bases(targets: Sequence[Target], rules: Sequence[Rule]) -> Iterator[str]:
    for target in targets:
        for image in target.images:
            if image != bases.NO_IMAGE:
                yield substitution.substitute(image, rules) or image


def _asked(
    project: Project, targets: Sequence[Target], found: Sequence[Place], pulled: Sequence[str]
) -> Iterator[Asked]:
    """What is asked of each registry of ECR. Where docker has a login, no other is needed."""
    repositories = tuple(dict.fromkeys(target.repository for target in targets))
    table = project.config.registry.repositories
    for place in found:
        if place.api is not Api.NONE:
            yield Asked(place=place, pushed=repositories, table=table)
    by_host: dict[str, list[str]] = {}
    for base in pulled:
        host, repository, _ = bases.located(base)
        by_host.setdefault(host, []).append(repository)
    own = {each.host for each in found}
    with suppress(ToolError):  # a broken configuration of docker's is a finding
        for host in docker_config.lacking(by_host):
            private = places.private(host)
            if private is not None and host not in own:
                yield Asked(place=private, pulled=tuple(dict.fromkeys(by_host[host])))
