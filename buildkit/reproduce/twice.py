"""Targets -> two builds of each without cache, the second as from another checkout, compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.build import bake_plan
from buildkit.build.images import How, maker
from buildkit.engine import engine
from buildkit.lock import check
from buildkit.model.image import Built
from buildkit.plan import bases
from buildkit.plan.decide import Rules
from buildkit.plan.plan import Planner
from buildkit.publish import packing
from buildkit.reproduce import contents, elsewhere
from buildkit.reproduce.contents import Comparison
from buildkit.support.errors import ToolError
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkit.build.bake_plan import Folders
    from buildkit.config.network import Network
    from buildkit.engine.engine import Engine
    from buildkit.lock.lockfile import Lock
    from buildkit.model.target import Rendered, Target
    from buildkit.project import Project
    from buildkit.publish.packing import Packer


Result = str | Comparison | ToolError
"""The digest of both images, or how they differ, or why one of them was not built."""


def build(
    project: Project, targets: Sequence[Target], network: Network, *, verbose: bool
) -> dict[Target, Result]:
    """Build each target twice, and compare. The images have names of the run until it ends.

    Raises LockError if images.lock does not fit, TemplateError, UsageError for a bad pip.conf, or
    ToolError if no engine answers.
    """
    rendered = check.rendered(project.lock, targets, project.templates)
    with engine.connect() as docker:
        known = bases.find(targets, network, docker.find)
        planned = Planner(project=project, network=network, rules=Rules()).plan(rendered, known)
        builds = _Builds(
            engine=docker,
            network=network,
            lock=project.lock,
            bases=known.served,
            identities={each.target.id: each.identity.digest for each in planned.decisions},
            verbose=verbose,
        )
        first = builds.make(rendered, project.templates)
        built = [each for each in rendered if isinstance(first[each.target.id], Built)]
        second: Mapping[str, Built | ToolError] = {}
        if built:
            console.say("building again, from copies of all files with other times and modes")
            with elsewhere.copied(built, project.templates) as there:
                second = builds.make(there.rendered, there)
        with packing.packer(docker) as packer:
            return {each: _result(first[each.id], second.get(each.id), packer) for each in targets}


@dataclass(frozen=True, kw_only=True)
class _Builds:
    """Builds of the same targets. The images have the labels of those that `build` makes."""

    engine: Engine
    network: Network
    lock: Lock | None
    bases: Mapping[str, str]
    identities: Mapping[str, str | None]
    verbose: bool

    def make(self, rendered: Sequence[Rendered], folders: Folders) -> dict[str, Built | ToolError]:
        """The image of each target, by its id, or why there is none."""
        how = How(no_cache=True, verbose=self.verbose)
        with (
            bake_plan.planned(rendered, folders, self.network, self.lock, self.bases) as plan,
            maker(plan, self.engine, how, self.identities) as makes,
        ):
            images = makes.images([each.target for each in rendered])
            return {target.id: image for target, image in images}


def _result(one: Built | ToolError, two: Built | ToolError | None, packer: Packer) -> Result:
    if not isinstance(one, Built):
        return one
    if not isinstance(two, Built):
        return two or ToolError("the second build did not begin", hint="rerun the command")
    if one.image_id == two.image_id:
        return one.image_id
    console.step(one.target.id, "comparing two different images", dim=True)
    try:
        with packer.packed(one) as first, packer.packed(two) as second:
            return contents.compare(first, second)
    except ToolError as error:
        return error
