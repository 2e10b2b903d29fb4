"""The image that runs: a target of images.toml as it was built last, or any image of the engine."""

from __future__ import annotations

import hashlib
import re
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit import records
from buildkit.config import boundary
from buildkit.contract.checks import TooBusy
from buildkit.contract.engine import Unfit
from buildkit.contract.scenario import Bench, Subject
from buildkit.model.target import Purpose, Samples
from buildkit.support.errors import ContractError, NothingSelectedError, ToolError, UsageError
from buildkit.verify import subject as subject_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from buildkit.engine.engine import Engine
    from buildkit.model.target import Target
    from buildkit.project import Project

RUNS = "runs"
"""The folder beside the records of targets with what runs leave."""
ODD = re.compile(r"[^A-Za-z0-9._-]+")
PROGRAM = "sagemaker_program"
SCRIPTS = (".py", ".sh", ".R", ".r")
DISK = 30 * 1024**3
"""Bytes that a container may hold: a volume of this size is the default of SageMaker's SDK."""
MEMORY_SHARE = 0.9
"""Of the engine's memory, for all containers of a run."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image by a `reference` that the engine knows, and by the `name` that a person uses.

    `target` is None for an image of no target. `folder` is for what its runs leave, `tested` has
    what its last test left.
    """

    name: str
    reference: str
    target: Target | None
    samples: Samples
    folder: Path
    tested: Path | None = None

    @property
    def purpose(self) -> Purpose:
        return Purpose.BOTH if self.target is None else self.target.purpose

    def with_hyperparameter(self, name: str, value: str) -> Image:
        more = (*self.samples.hyperparameters, (name, value))
        return self.with_samples(replace(self.samples, hyperparameters=more))

    def with_variables(self, more: Mapping[str, str]) -> Image:
        """The image with variables, unless its samples have them."""
        environment = {**more, **dict(self.samples.environment)}
        return self.with_samples(replace(self.samples, environment=tuple(environment.items())))

    def with_samples(self, samples: Samples) -> Image:
        return replace(self, samples=samples)

    def bench(self, engine: Engine) -> Bench:
        """What the parts of the suite need that run an image."""
        subject = Subject(
            image=self.reference, architecture=None, purpose=self.purpose, samples=self.samples
        )
        return Bench(subject=subject, engine=engine, kept=ExitStack())


def of_target(project: Project, target: Target, engine: Engine) -> Image:
    """Raises ToolError if the target is not built, or if the engine has lost its image."""
    try:
        built = project.built(target)
    except ToolError as error:
        raise ToolError(f"{target.id}: {error.message}", hint=error.hint) from error
    if engine.find(built.image_id) is None:
        raise ToolError(
            f"{target.id}: the engine does not have the image any more",
            hint=f"`buildkit build {target.id}`",
        )
    return Image(
        name=target.id,
        reference=built.image_id,
        target=target,
        samples=target.samples,
        folder=project.records.of(RUNS, target.id),
        tested=project.records.of(target.id, records.KEPT),
    )


def of_image(project: Project | None, image: str, engine: Engine, dist: Path) -> Image:
    """An image of the engine, with the samples of its target if it has one."""
    if engine.find(image) is None:
        raise NothingSelectedError(
            f"`{image}` is neither a target of images.toml nor an image in the engine",
            hint=f"list the targets with `buildkit list`, or pull it: `docker pull {image}`",
        )
    target = subject_of.itself(project, image)
    name = folder_name(image) if target is None else target.id
    if project is not None:
        folder = project.records.of(RUNS, name)
    else:
        folder = boundary.named(dist, boundary.around(dist.parent)).inside(dist, f"{RUNS}/{name}")
    return Image(
        name=image,
        reference=image,
        target=target,
        samples=Samples() if target is None else target.samples,
        folder=folder,
    )


def folder_name(image: str) -> str:
    """A name for the folder of an image. No two images share one."""
    name = ODD.sub("-", image)
    if name == image:
        return name
    return f"{name}-{hashlib.sha256(image.encode()).hexdigest()[:8]}"


def need(image: Image, program: str) -> None:
    """Raise UsageError if an image is not for `train`, or not for `serve`."""
    does = image.purpose.trains if program == "train" else image.purpose.serves
    if not does:
        purpose = image.purpose.value
        raise UsageError(
            f"{image.name} is for {purpose}: it has no `{program}`",
            hint="`buildkit list` shows the purpose of each target",
        )


def script_of(code: str | None, given: Iterable[tuple[str, str]], preferred: str) -> str | None:
    """The script of `--code`: the preferred one, else the only one; None if something names it.

    `given` are hyperparameters and variables.
    """
    named = {name for name, _ in given}
    if code is None or {PROGRAM, PROGRAM.upper()} & named:
        return None
    found = sorted(each.name for each in Path(code).iterdir() if each.suffix in SCRIPTS)
    if preferred in found:
        return preferred
    return found[0] if len(found) == 1 else None


@contextmanager
def explained(program: str) -> Iterator[None]:
    """Raises ContractError and ToolError for what the parts of the suite report to the suite."""
    try:
        yield
    except Unfit as error:
        raise ContractError(
            f"the image does not fit `{program}`: {error}",
            hint="`buildkit test` shows what SageMaker demands of an image",
        ) from error
    except TooBusy as error:
        raise ToolError(
            str(error), hint="free memory, disk or processes of the engine, then rerun the command"
        ) from error


def near(path: Path) -> str:
    """A path as a person in this folder would type it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
