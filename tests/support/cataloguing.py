"""A project with many published images, as `buildkit report` shows them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from buildkit import project, records
from buildkit.ledger import ledger
from buildkit.ledger.record import Action, Image, Move, Release, Verdict
from buildkit.lock.lockfile import Lock, Locked
from buildkit.model.image import Built, ClauseResult, Layer, Level, Origin, Report, Status
from buildkit.model.target import PINNED
from buildkit.render import inputs
from tests.support import fakes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from buildkit.model.target import Target
    from buildkit.project import Project

ACCOUNT = "123456789012"
HOSTS = tuple(
    f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com"
    for region in ("eu-west-1", "us-east-1", "ap-southeast-2")
)
UNREPORTED = "churn-4.0-cpu-py313"
"""The target whose test only the ledger knows."""
MEGABYTE = 1_000_000
PACKAGES = (
    "numpy==2.3.1",
    "pandas==2.3.3",
    *(f"package-with-a-name-{number}==1.{number}.0" for number in range(38)),
)
HEAD = """
[defaults]
base = "python:{python}-slim-bookworm"
template = "basic"
context = "program"
packages = ["numpy>=2", "pandas<3"]

[registry]
account = "123456789012"
region = "eu-west-1"
"""
SMALL = """
[image.sklearn]
versions = ["1.6.1", "1.7.2-1"]
pythons = ["3.11", "3.13"]
override = [{ when = { version = "1.6.*" }, end-of-life = "2026-05" }]

[image.xgboost]
versions = ["3.2.0"]
pythons = ["3.11", "3.13"]
purposes = ["training", "inference"]
repository = "xgboost-{purpose}"

[image.pytorch]
versions = ["2.6.0"]
devices = ["cpu", "gpu"]
pythons = ["3.11"]
[[image.pytorch.override]]
when = { device = "gpu" }
base = "nvidia/cuda:12.6.3-runtime-ubuntu22.04"

[image.churn]
versions = ["4.0", "4.1"]
pythons = ["3.13"]
"""


def many(frameworks: int, versions: int) -> str:
    """An images.toml with `frameworks` x `versions` x 2 devices x 4 Pythons."""
    listed = ", ".join(f'"{number}.0"' for number in range(1, versions + 1))
    return "".join(
        f'\n[image.framework-{number}]\nversions = [{listed}]\ndevices = ["cpu", "gpu"]\n'
        'pythons = ["3.10", "3.11", "3.12", "3.13"]\n'
        for number in range(1, frameworks + 1)
    )


def digest(*words: object) -> str:
    return f"sha256:{hashlib.sha256(repr(words).encode()).hexdigest()}"


def make(folder: Path, text: str = SMALL, *, releases: int = 3, published: bool = True) -> Project:
    """images.toml, images.lock, the ledger and dist/ in a folder; the last target is not published.

    Each target had `releases` releases, of earlier versions that images.toml does not have.
    """
    (folder / "program").mkdir()
    for word in ("train", "serve"):
        (folder / "program" / word).write_text("#!/bin/sh\n")
        (folder / "program" / word).chmod(0o755)
    (folder / "images.toml").write_text(HEAD + text)
    found = project.read(folder / "images.toml", None, use_environment=False)
    hashes = {each: (digest(each),) for each in PACKAGES}
    locked = Locked(made_from=digest("request"), packages=PACKAGES)
    found = found.with_lock(Lock(targets={e.id: locked for e in found.targets}, hashes=hashes))
    if published:
        book = ledger.Ledger(path=folder / ledger.NAME)
        lines = [ledger.text(each) for each in _releases(found.targets[:-1], releases)]
        book.path.write_text("\n".join(lines) + "\n")
    _reports(found, releases)
    return found


def layers(target: Target, release: int) -> tuple[Layer, ...]:
    """The base, what one framework and Python share, and two layers of the image alone."""
    gpu = target.device.value == "gpu"
    base = ("base", target.device, target.python)
    sizes: tuple[tuple[tuple[object, ...], int], ...] = (
        (("os", target.device), 29),
        (base, 3),
        ((*base, "python"), 18 + 700 * gpu),
        ((target.name, target.python, target.device), 60 + 2000 * gpu),
        ((target.id, release), 90 + 7 * release),
        ((target.id, release, "code"), 1),
    )
    return tuple(Layer(digest=digest(words), size=size * MEGABYTE) for words, size in sizes)


def _releases(targets: Sequence[Target], number: int) -> list[Release]:
    made = []
    for count in range(number):
        last = count == number - 1
        images = [
            _image(each, count, "" if last else f"0.{count}.{place}")
            for place, each in enumerate(targets)
        ]
        moves = [
            Move(
                host=host,
                repository=each.repository,
                alias=f"latest-{each.tag.partition('-')[2]}",
                before=None,
                after=each.digest,
                tag=each.tag,
            )
            for each in images
            for host in HOSTS
        ]
        made.append(
            Release(
                id=f"202611{10 + count:02}T091500-{count:08x}",
                time=f"2026-11-{10 + count:02}T09:15:00Z",
                action=Action.PUBLISH,
                tool="0.1.0",
                commit="5c65793a1f20c1d8e7f4b6a09d3e2c5b8a7f6e1d",
                images=tuple(images),
                moves=tuple(moves),
            )
        )
    return made


def _image(target: Target, release: int, version: str) -> Image:
    """The image of a release; with a version, an earlier one."""
    if version:
        tag = target.tag.replace(target.version, version)
        named = {
            "target": target.id.replace(target.version, version),
            "version": version,
            "tag": tag,
        }
    else:
        named = {"target": target.id, "version": target.version, "tag": target.tag}
    found = layers(target, release)
    untried = "not trained, not served: no samples" if target.name == "churn" else ""
    pinned = inputs.short(target.pins.packages or "")
    return Image(
        **named,
        name=target.name,
        device=target.device.value,
        python=target.python,
        purpose=target.purpose.value,
        repository=target.repository,
        digest=digest("manifest", target.id, release),
        config_digest=digest("config", target.id, release),
        size=sum(each.size for each in found),
        locations=tuple(f"{host}/{target.repository}:{named['tag']}" for host in HOSTS),
        origin=Origin(base=target.base, base_digest=digest(target.base), parts=((PINNED, pinned),)),
        verdict=Verdict(
            profile="full",
            suite="s",
            passed=61,
            warned=int(target.device.value == "gpu"),
            skipped=34,
            seconds=41.5,
            untried=untried,
        ),
        build_seconds=93.0,
        layers=tuple((each.digest, each.size) for each in found),
    )


def clauses(*broken: ClauseResult) -> tuple[ClauseResult, ...]:
    passed = [fakes.clause(id=f"RUN-{number:02}") for number in range(1, 90)]
    return (*broken, *passed, fakes.clause(Status.SKIP, id="MME-01", message="not promised: mme"))


def _reports(found: Project, releases: int) -> None:
    """In dist/: a warning for the published image of almost each target, a failure of the last."""
    warning = fakes.clause(
        Status.WARN,
        id="LOG-01",
        level=Level.RECOMMENDED,
        title="`train` says what it does",
        message="no line on stdout in 12 s",
        hint="print one line per epoch",
    )
    failure = fakes.clause(
        Status.FAIL,
        id="SERVE-03",
        title="the server answers `/ping` with 200",
        message="GET /ping: 500\nTraceback (most recent call last):\n  no module named churn",
        hint="install the package `churn`",
    )
    for target in found.targets:
        if target.id == UNREPORTED:
            continue
        is_last = target == found.targets[-1]
        built = Built(
            target=target,
            image_id=digest("id", target.id),
            config_digest=digest("config", target.id, releases - 1),
            manifest_digest=None,
        )
        report = Report(
            image=target.image,
            digest=built.image_id,
            profile="full",
            suite="s",
            clauses=clauses(failure if is_last else warning),
            at="2026-11-12T09:00:00Z",
            seconds=40.0,
        )
        found.records.write(records.BUILT, target.id, built)
        found.records.write(records.REPORT, target.id, report)
