"""Built -> Verified: an image that passed its smoke test, and the only maker of that value."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from buildkit.contract import kept, runner, verdict
from buildkit.model.features import Feature, promised
from buildkit.model.image import Level, Report, Status, Verdict, Verified
from buildkit.model.target import Profile, Purpose
from buildkit.support import manual
from buildkit.support.amounts import count
from buildkit.support.errors import ContractError, ToolError, UnjudgedError
from buildkit.system import stopping
from buildkit.verify import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from buildkit.contract.engine import Engine
    from buildkit.contract.scenario import Subject
    from buildkit.model.image import Built, ClauseResult
    from buildkit.model.target import Target
    from buildkit.support.errors import BuildkitError

    Progress = Callable[[int, int, str], None]

GIVEN = {
    Purpose.TRAINING: ("channels", "hyperparameters"),
    Purpose.INFERENCE: ("model", "payloads"),
    Purpose.BOTH: ("channels", "hyperparameters", "payloads"),
    Purpose.PROCESSING: ("channels",),
}
"""The samples that put an image of a purpose to work."""


@dataclass(frozen=True, kw_only=True)
class Depth:
    """How thoroughly to test. `only`: ids of clauses. `strict`: a warning is a failure.

    `at_work`: an image that was not seen to work has not passed, even if no samples are declared.
    """

    profile: Profile = Profile.SMOKE
    only: tuple[str, ...] = ()
    strict: bool = False
    at_work: bool = False

    @property
    def gates(self) -> bool:
        """Whether a pass is enough for an image to be published."""
        return not self.only


SMOKE = Depth()


def report(
    subject: Subject,
    digest: str,
    engine: Engine,
    depth: Depth,
    progress: Progress,
    *,
    keep: Path | None = None,
) -> Report:
    """Test any image of the engine, including the features that its labels promise.

    `progress` gets the number of scenarios that are done, the number of all, and the title of one
    that is running. `keep` is the folder of a target for log, metrics and model of `train`.
    """
    at, began = datetime.now(timezone.utc), time.monotonic()
    view = engine.view(subject.image)
    features = subject.features | promised(view.labels)
    labelled = features - subject.features
    if subject.purpose is Purpose.PROCESSING:
        features |= {Feature.PROCESSING}
    promising = replace(subject, features=features, labelled=labelled)
    if keep is not None:
        kept.clear(keep)
    results = runner.run(promising, engine, depth.profile, depth.only, progress, keep=keep)
    stopping.check()  # an image that is being removed proves nothing
    return Report(
        image=subject.image,
        digest=digest,
        profile=depth.profile.value,
        suite=fingerprint.of(subject),
        clauses=tuple(map(_strict, results)) if depth.strict else results,
        seconds=round(time.monotonic() - began, 3),
        purpose=subject.purpose,
        platform=f"{view.os}/{view.architecture}",
        at=f"{at:%Y-%m-%dT%H:%M:%SZ}",
        tool=manual.version(),
        sampled=subject.samples.declared,
        kept=_kept(keep),
    )


def _kept(folder: Path | None) -> tuple[str, ...]:
    """The files of a folder `dist/<target>/test`, by names that are relative to `dist`."""
    if folder is None or not folder.exists():
        return ()
    below = folder.parents[2]
    return tuple(each.relative_to(below).as_posix() for each in sorted(folder.iterdir()))


def _strict(result: ClauseResult) -> ClauseResult:
    warned = result.status is Status.WARN and result.level is not Level.INFORMATIONAL
    return replace(result, status=Status.FAIL) if warned else result


def verify(
    built: Built, engine: Engine, depth: Depth, progress: Progress, *, keep: Path
) -> tuple[Report, Verified | None]:
    """Test a built image by its id, whatever its name points at now.

    None: the image may not be published. It may if it passed, even if its target declares no
    samples, so that it was not seen to work; every report says so.
    """
    subject = fingerprint.subject_of(built.target, built.image_id)
    found = report(subject, built.image_id, engine, depth, progress, keep=keep)
    passed = found.passed and depth.gates and unjudged(built.target, found, SMOKE) is None
    return found, Verified(built=built, report=found) if passed else None


def refusal(found: Report) -> ContractError:
    """The error of a report with failed clauses, with the evidence and the fix for each cause."""
    failed = [each for each in found.clauses if each.status is Status.FAIL]
    causes = [each for each in verdict.causes(found) if each.status is Status.FAIL]
    return ContractError(
        f"the image breaks {len(failed)} of {count(len(found.clauses), 'clause')}: "
        + ", ".join(dict.fromkeys(each.id for each in (*causes, *failed))),
        details="\n".join(_evidence(found, causes)),
        hint="fix the image, then rerun the command",
    )


def too_busy(found: Report) -> ToolError | None:
    """The error of a report whose required clauses were not judged on a busy machine.

    Such an image has not passed.
    """
    busy = verdict.busy(found)
    if not busy:
        return None
    return ToolError(
        f"this machine is too busy to judge {', '.join(busy)}",
        hint="rerun the command when the machine is less busy",
    )


def unjudged(target: Target, found: Report, depth: Depth) -> BuildkitError | None:
    """The error of a report that does not show whether the image of a target works, else None.

    By design a target without samples passes the gate of a build, and so does an image for
    processing, which no smoke test starts; unless `depth` demands an image `at_work`.
    """
    if (busy := too_busy(found)) is not None or verdict.of(found) is not Verdict.UNJUDGED:
        return busy
    gated = target.purpose is Purpose.PROCESSING and found.profile == Profile.SMOKE.value
    if not depth.at_work and not depth.only and (gated or not target.samples.declared):
        return None
    return UnjudgedError(
        "no clause is broken, but the image was never seen to train, serve or process: "
        f"{why(found)}",
        hint=f"`buildkit test {target.id} --verbose` shows each reason; add {_missing(target)} to "
        f"the `samples` of the image in images.toml: {manual.page('images-toml', 'samples')}",
    )


def _missing(target: Target) -> str:
    """The keys of images.toml that may put an image to work, without those that it has."""
    keys = [each for each in GIVEN[target.purpose] if not getattr(target.samples, each)]
    if not target.samples.environment:
        keys.append("environment")
    named = ("[[payload]]" if each == "payloads" else each for each in keys)
    return ", ".join(f"`{each}`" for each in named) or "others"


def why(found: Report) -> str:
    """What the image was not seen to do, in a few words."""
    return verdict.untried(found) or "every clause was skipped"


def _evidence(found: Report, causes: Sequence[ClauseResult]) -> Iterator[str]:
    for each in causes:
        yield f"  {each.id} {each.title}"
        yield "    " + each.message.replace("\n", "\n    ")
        if follows := verdict.knock_on(found, each):
            yield f"    knock-on: {follows}"
        yield f"    fix: {each.hint}"
