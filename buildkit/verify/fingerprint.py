"""The suite, and what it tests an image for -> one digest: an earlier test holds as long as that.

The same in every checkout: files count by their content, not by their place.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract.scenario import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.model.image import Built, Verified
    from buildkit.model.target import Samples, Target

SUITE = (".py", ".toml", ".csv")
"""Suffixes of the files of the suite."""


def still_holds(verified: Verified, built: Built) -> bool:
    """Whether this image has passed this suite, for this purpose, on these samples.

    Either profile counts: both contain the clauses that gate a build.
    """
    same = verified.built.image_id == built.image_id
    return same and verified.report.suite == of_target(built.target)


def of_target(target: Target) -> str:
    """The digest for the images of a target."""
    return of(subject_of(target, image=""))


def subject_of(target: Target, image: str) -> Subject:
    """An image of a target, as the suite tests it."""
    return Subject(
        image=image,
        architecture=target.platform.partition("/")[2],
        purpose=target.purpose,
        samples=target.samples,
        features=frozenset(target.features),
        network=target.network,
    )


def of(subject: Subject) -> str:
    """A digest of the clauses, of what an image is tested for, and of the samples."""
    total = _clauses().copy()
    samples = subject.samples
    asked = [
        subject.architecture,
        subject.purpose.value,
        sorted(feature.value for feature in subject.features),
        samples.hyperparameters,
        samples.metrics,
        samples.objective,
        samples.startup_seconds,
        samples.environment,
        [payload.headers for payload in samples.payloads],
        subject.network,
    ]
    total.update(json.dumps(asked).encode())
    for name, path in _files(samples):
        total.update(f"{name} {path.stat().st_size}\n".encode())
        total.update(path.read_bytes())
    return f"sha256:{total.hexdigest()}"


@cache
def _clauses() -> hashlib._Hash:
    """The files of the contract, read once in a run."""
    total = hashlib.sha256()
    for file in sorted((Path(__file__).parents[1] / "contract").rglob("*")):
        if file.suffix in SUITE:  # not the files that Python compiles
            total.update(file.read_bytes())
    return total


def _files(samples: Samples) -> Iterator[tuple[str, Path]]:
    """Each file of the samples, with a name for its use."""
    roots = [(f"channel {name}", path) for name, path in samples.channels]
    roots += [("code", samples.code)] if samples.code else []
    roots += [("model", samples.model)] if samples.model else []
    roots += [("adapter", samples.adapter)] if samples.adapter else []
    for number, payload in enumerate(samples.payloads):
        kind = f"payload {number} {payload.content_type} {payload.accept}"
        roots.append((kind, payload.body))
        roots += [(f"{kind} answer", payload.answer)] if payload.answer else []
    for name, text in roots:
        root = Path(text)
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            if path.is_file():
                yield f"{name} {path.relative_to(root).as_posix()}", path
