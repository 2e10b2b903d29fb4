"""Records of shards -> records of one project, complete and without contradictions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkit import records
from buildkit.model.image import Status
from buildkit.support.amounts import count
from buildkit.support.errors import BuildkitError, ToolError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from buildkit.model.image import Staged, Verified
    from buildkit.model.target import Target
    from buildkit.project import Project


@dataclass(frozen=True, kw_only=True)
class Part:
    """A tested target in the records of one shard."""

    folder: Path
    verified: Verified
    staged: Staged | None

    @property
    def digest(self) -> str:
        return self.staged.digest if self.staged else self.verified.built.image_id


def folders(given: Sequence[Path]) -> tuple[Path, ...]:
    """The folders with records: the given ones, and those in them. Raises UsageError for none."""
    found = [
        each
        for folder in given
        for each in (folder, *sorted(inner for inner in folder.iterdir() if inner.is_dir()))
        if next(each.glob("*/*.json"), None) is not None
    ]
    if not found:
        raise UsageError(
            f"no records found in {', '.join(map(str, given))}",
            hint="name the folder of `buildkit build --dist FOLDER`, or a folder of such folders",
        )
    return tuple(found)


def merge(
    project: Project,
    targets: Sequence[Target],
    where: Sequence[Path],
    made_from: Mapping[str, str],
) -> tuple[Part, ...]:
    """One part for each target. `made_from` are the digests of the inputs in this checkout.

    Raises ToolError with all records that are missing or contradict each other.
    """
    parts, problems = [], []
    kept = [records.kept_in(folder, project.config.boundary) for folder in where]
    shards = [(replace(project, records=each), frozenset(each.ids())) for each in kept]
    for target in targets:
        found: list[Part] = []
        wrong: list[str] = []
        for there, ids in shards:
            if target.id in ids:
                try:
                    found.append(_part(there, target, made_from[target.id]))
                except BuildkitError as error:
                    wrong.append(f"{there.records.folder}: {error.message}")
        if not found and not wrong:
            wrong.append("no record found")
        if len({each.digest for each in found}) > 1:
            wrong.append("; ".join(f"{each.folder} has {each.digest}" for each in found))
        problems += [f"{target.id}: {each}" for each in wrong]
        parts += found[:1]
    if not problems:
        problems = list(_unlike(parts))
    if problems:
        raise ToolError(
            f"the records of {count(len(targets), 'target')} cannot be merged",
            details="\n".join(problems),
            hint="rerun the shards that should have built these targets, all from the same commit",
        )
    return tuple(parts)


def write(project: Project, parts: Sequence[Part]) -> None:
    """Write the records, as if this project had built and tested the targets."""
    for each in parts:
        project.records.check(each.verified.built.target.id)
    for each in parts:
        verified, target = each.verified, each.verified.built.target.id
        project.records.write(records.BUILT, target, verified.built)
        project.records.write(records.REPORT, target, verified.report)
        project.records.write(records.VERIFIED, target, verified)
        if each.staged is not None:
            project.records.write(records.STAGED, target, each.staged)
        else:
            project.records.forget(records.STAGED, target)


def _part(there: Project, target: Target, made_from: str) -> Part:
    """One target of a shard. Raises ToolError if it failed, or was built from other files."""
    report = there.records.find(records.REPORT, target.id)
    if report is not None and not report.passed:
        broken = [each.id for each in report.clauses if each.status is Status.FAIL]
        raise ToolError(f"the image fails {', '.join(broken)}")
    verified = there.verified(target)
    origin = verified.built.origin
    if origin is not None and origin.inputs not in (None, made_from):
        raise ToolError(
            "built from different files than this checkout's; exclude files that are not part of "
            "the image with .dockerignore"
        )
    return Part(folder=there.records.folder, verified=verified, staged=there.staged(verified))


def _unlike(parts: Sequence[Part]) -> Iterator[str]:
    """Parts that were uploaded to different registries."""
    hosts = {each.staged.hosts if each.staged else () for each in parts}
    if len(hosts) > 1:
        for each in parts:
            where = ", ".join(each.staged.hosts) if each.staged else "no registry"
            yield f"{each.verified.built.target.id}: {each.folder}: staged in {where}"
