"""Makes images of mutants and runs the suite on them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.config import images_toml
from buildkit.contract.scenario import Subject
from buildkit.engine import engine
from buildkit.matrix import matrix
from buildkit.model.features import Feature
from buildkit.model.image import SkipKind, Status
from buildkit.model.target import Profile, Purpose, Samples
from buildkit.system import stopping
from buildkit.verify import verify
from tests.support.waiting import HANG, RUN_HANGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from buildkit.contract.engine import Engine
    from buildkit.model.image import Report
    from tests.e2e.mutants.mutant import Mutant

EVERYTHING = Path(__file__).parents[1] / "everything"
GOOD = "buildkit-everything:good"
PROGRAMS = ("train", "serve", "process", "script_mode")
SIDE_BY_SIDE = 2
IN_ONE_BUILD = 12
"""Sixty exports at once are more than some builders have the patience for."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the suite says of a mutant: `flagged` are the clauses that failed or warned."""

    name: str
    mutant: Mutant
    report: Report

    @property
    def flagged(self) -> tuple[str, ...]:
        return flagged(self.report)

    @property
    def killed(self) -> bool:
        return self.mutant.clause in self.flagged

    @property
    def told(self) -> str:
        """What its own clause came to."""
        own = (each for each in self.report.clauses if each.id == self.mutant.clause)
        return "\n".join(f"{each.id}: {each.status.value}: {each.message}" for each in own)

    @property
    def too_busy(self) -> bool:
        own = (each for each in self.report.clauses if each.id == self.mutant.clause)
        return any(each.skipped_for(SkipKind.BUSY) for each in own)

    @property
    def others(self) -> tuple[str, ...]:
        """Clauses that object, too, and were not said to."""
        expected = {self.mutant.clause, *self.mutant.also}
        return tuple(each for each in self.flagged if each not in expected)


def flagged(report: Report) -> tuple[str, ...]:
    return tuple(each.id for each in report.clauses if each.status in (Status.FAIL, Status.WARN))


def objections(report: Report) -> str:
    """What is said against an image."""
    return "\n".join(
        f"{each.id}: {each.message}" for each in report.clauses if each.id in flagged(report)
    )


def build_good() -> str:
    """The image that keeps every clause."""
    bake({GOOD: EVERYTHING}, bases=True)
    return GOOD


def build(mutants: Mapping[str, Mutant]) -> dict[str, str]:
    """An image for each mutant, by the mutant's name."""
    build_good()
    with tempfile.TemporaryDirectory() as folder:
        folders = {
            f"buildkit-mutant-{name}:1": _lay_out(Path(folder) / name, mutant)
            for name, mutant in mutants.items()
        }
        tags = list(folders)
        for first in range(0, len(tags), IN_ONE_BUILD):
            bake({tag: folders[tag] for tag in tags[first : first + IN_ONE_BUILD]}, bases=False)
    return {name: f"buildkit-mutant-{name}:1" for name in mutants}


def _lay_out(folder: Path, mutant: Mutant) -> Path:
    folder.mkdir()
    lines = [f"FROM {GOOD}"]
    if mutant.old or mutant.new:
        text = (EVERYTHING / mutant.program).read_text()
        assert mutant.old in text, f"{mutant.program} does not hold {mutant.old!r}"
        shutil.copy(EVERYTHING / mutant.program, folder)
        changed = text.replace(mutant.old, mutant.new, 1).encode()
        (folder / mutant.program).write_bytes(changed)
        lines.append(f"COPY --chmod=755 {mutant.program} /usr/local/bin/")
    lines.append(mutant.dockerfile)
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
    return folder


def bake(folders: Mapping[str, Path], *, bases: bool) -> None:
    """One call for all of them. The base of the good image is whatever stands in for it here."""
    contexts = dict(
        pair.split("=", 1) for pair in os.environ.get("BUILDKIT_SUBSTITUTE", "").split()
    )
    targets = {
        f"t{number}": {
            "context": str(folder),
            "tags": [tag],
            "output": ["type=docker"],
            "attest": ["type=provenance,disabled=true"],
            "contexts": {
                name: f"docker-image://{found}" for name, found in contexts.items() if bases
            },
        }
        for number, (tag, folder) in enumerate(folders.items())
    }
    document = {"group": {"default": {"targets": list(targets)}}, "target": targets}
    done = subprocess.run(
        ["docker", "buildx", "bake", "--file", "-"],
        cwd="/",  # newer ones may only read below the folder in which they are called
        input=json.dumps(document),
        capture_output=True,
        text=True,
        timeout=RUN_HANGS,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def samples(changes: str = "") -> Samples:
    """The samples of the good image, with some lines replaced."""
    text = (EVERYTHING / "images.toml").read_text()
    new = {line.partition("=")[0]: line for line in changes.splitlines() if line}
    lines = [new.pop(line.partition("=")[0], line) for line in text.splitlines()]
    (target,) = matrix.expand(
        images_toml.parse("\n".join([*lines, *new.values()]) + "\n", EVERYTHING / "images.toml")
    )
    return target.samples


def judge(
    image: str, docker: Engine, mutant: Mutant | None = None, only: Sequence[str] = ()
) -> Report:
    """The full suite on a mutant, or on the good image with all that it promises."""
    features = [each.value for each in Feature] if mutant is None else mutant.features
    left_out = {Feature.EFA, Feature.MPI} if mutant is None else set()
    purposes = () if mutant is None else mutant.purposes
    view = docker.view(image)
    subject = Subject(
        image=image,
        architecture=view.architecture,
        purpose=Purpose(purposes[0]) if len(purposes) == 1 else Purpose.BOTH,
        samples=samples("" if mutant is None else mutant.samples),
        features=frozenset(Feature(each) for each in features) - left_out,
    )
    depth = verify.Depth(profile=Profile.FULL, only=tuple(only))
    return verify.report(subject, view.id, docker, depth, lambda _done, _of, _at_work: None)


def smoke(image: str, docker: Engine) -> Report:
    """The smoke test of an image for training and inference, without samples."""
    view = docker.view(image)
    subject = Subject(
        image=image,
        architecture=view.architecture,
        purpose=Purpose.BOTH,
        samples=Samples(),
        features=frozenset(),
    )
    return verify.report(subject, view.id, docker, verify.SMOKE, lambda _done, _of, _at_work: None)


def judge_all(
    mutants: Mapping[str, Mutant],
    tell: Callable[[Verdict], None],
    *,
    only_its_clause: bool = False,
) -> list[Verdict]:
    images = build(mutants)

    def verdict(name: str, docker: Engine) -> Verdict:
        mutant = mutants[name]
        only = (mutant.clause,) if only_its_clause else ()
        report = judge(images[name], docker, mutant, only)
        found = Verdict(name=name, mutant=mutant, report=report)
        tell(found)
        return found

    try:
        with engine.connect() as docker, ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
            try:
                found = list(pool.map(lambda name: verdict(name, docker), mutants))
                # What a busy machine left open is asked again, alone.
                return [verdict(each.name, docker) if each.too_busy else each for each in found]
            except BaseException:
                stopping.begin()  # the next run removes what is left then
                raise
    finally:
        forget(images.values())


def forget(images: Iterable[str]) -> None:
    for image in images:  # one at a time: a busy engine takes more than ten minutes for 240
        remove = ["docker", "image", "rm", "--force", image]
        subprocess.run(remove, capture_output=True, timeout=HANG)
