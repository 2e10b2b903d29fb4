"""Compare what clauses cite of AWS's API, and the SDK's data on images, with the newest releases.

    PYTHONPATH=. .venv/bin/python scripts/data/drift.py
    PYTHONPATH=. .venv/bin/python scripts/data/drift.py botocore==1.40.0    # with this release
    PYTHONPATH=. .venv/bin/python scripts/data/drift.py --keep FOLDER       # for a pull request

It writes scripts/data/shapes.txt, and prints which facts have changed, and which clauses cite them.
The facts come from the wheels of botocore and sagemaker-core; neither is installed.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename

from buildkit.contract.clauses import Shape, clauses
from scripts.data import prebuilt
from scripts.data.shapes import Facts, Model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[2]
DATA = "scripts/data/shapes.txt"
PACKAGES = ("botocore", "sagemaker-core")
SERVICES = ("sagemaker", "sagemaker-runtime", "ecr")
IMAGES = "images"
TEXT = " documentation"
BESIDES = {  # what parts of buildkit rest on, apart from the clauses
    "ECR": (
        "ecr:BatchCheckLayerAvailability", "ecr:CompleteLayerUpload",
        "ecr:CreatePullThroughCacheRule", "ecr:CreateRepository",
        "ecr:CreateRepositoryCreationTemplate", "ecr:DescribeImages",
        "ecr:DescribeImageScanFindingsResponse.imageScanStatus", "ecr:DescribeRepositories",
        "ecr:GetAccountSettingRequest.name", "ecr:GetDownloadUrlForLayer",
        "ecr:GetLifecyclePolicyPreview", "ecr:ListImages", "ecr:PutImage",
        "ecr:PutImageTagMutability", "ecr:PutReplicationConfiguration",
    ),
    "endpoints": ("sagemaker:CreateEndpointConfig",),
    "Studio": ("sagemaker:AppImageConfigDetails",),
}  # fmt: skip
HEAD = """\
# What clauses cite of AWS's API and of the SDK's data on images, by scripts/data/drift.py.
# Behind each title: who cites it. `make drift` compares all of it with the newest releases.
# The sentences are those of botocore, which has the Apache License 2.0.
"""
RELEASE = "# Source: "
BODY = """\
Made by `make drift`. Read the clauses that cite what has changed. Where one is no longer true,
correct the clause, its check and the pages that say the same. Set `read` of each clause whose
source you have read.

~~~diff
{report}
~~~
"""
MODEL = re.compile(r"botocore/data/(?P<service>[^/]+)/[^/]+/service-2\.json(?:\.gz)?")
FAMILY = re.compile(r"sagemaker/core/image_uri_config/(?P<name>[^/]+)\.json")
CUDA = re.compile(r"\bcu(?P<major>[0-9]{2})(?P<minor>[0-9]+)\b")
TITLE = re.compile(r"\[(?P<title>[^]]+)\](?P<citing>.*)")
BETWEEN = "  "
"""Separates name and value of a fact: no name has two spaces in a row."""
LONGEST = 60_000
"""GitHub limits a body to 65,536 characters."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """Facts about one thing, and the clauses and parts of buildkit that cite it."""

    citing: tuple[str, ...]
    facts: Facts


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The sections by title, as some releases have them: `botocore 1.44.8, …`."""

    releases: str
    sections: Mapping[str, Section]


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is not the same in a section: lines that begin with `-` or `+`."""

    title: str
    citing: tuple[str, ...]
    lines: tuple[str, ...]


def main() -> None:
    sys.stdout.write(watch(sys.argv[1:], ROOT / DATA, released))


def watch(
    arguments: Sequence[str], path: Path, release: Callable[[Sequence[str]], Snapshot]
) -> str:
    """Replace the recorded snapshot, and return the report."""
    keeps = arguments[:1] == ["--keep"]
    before = parsed(path.read_text(encoding="utf-8"))
    after = release([] if keeps else arguments)
    path.write_text(spelt(after), encoding="utf-8")
    text = report(before, after)
    if keeps and changes(before, after):
        keep(Path(arguments[1]), after, text)
    return text


def released(requirements: Sequence[str]) -> Snapshot:
    """What the newest release of each package says, or the one that a requirement names."""
    wanted = {re.split("[=<>]", each)[0]: each for each in (*PACKAGES, *requirements)}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
             "--no-deps", "--only-binary", ":all:", "--dest", folder, *wanted.values()],
            check=True, stdout=sys.stderr,
        )  # fmt: skip
        wheels = sorted(Path(folder).iterdir())
        releases = ["{} {}".format(*parse_wheel_filename(wheel.name)[:2]) for wheel in wheels]
        texts = {name: text for wheel in wheels for name, text in files(wheel)}
    return Snapshot(
        releases=", ".join(releases),
        sections=sections(models(texts), images(texts), citations()),
    )


def files(wheel: Path) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            match = MODEL.fullmatch(name)
            if (match and match["service"] in SERVICES) or FAMILY.fullmatch(name):
                content = archive.read(name)
                yield name, (gzip.decompress(content) if name.endswith(".gz") else content).decode()


def models(texts: Mapping[str, str]) -> dict[str, Model]:
    """The model of each service; the newest, where there are several."""
    found = {}
    for name, text in texts.items():
        if match := MODEL.fullmatch(name):
            document = json.loads(text)
            found[match["service"]] = Model(
                service=match["service"],
                shapes=document["shapes"],
                operations=document["operations"],
            )
    return found


def images(texts: Mapping[str, str]) -> dict[str, Facts]:
    """Frameworks of AWS's images, with purposes and devices, and the CUDA versions in tags."""
    frameworks: Facts = {}
    cuda = set()
    for name, text in texts.items():
        if match := FAMILY.fullmatch(name):
            uses = [
                " ".join([scope, *node.get("processors", ())])
                for scope, node in prebuilt.scopes(json.loads(text))
            ]
            if uses:
                frameworks[match["name"]] = ", ".join(uses)
            cuda |= {f"{each['major']}.{each['minor']}" for each in CUDA.finditer(text)}
    return {"frameworks": frameworks, "CUDA": dict.fromkeys(cuda, "")}


def citations() -> dict[Shape, tuple[str, ...]]:
    """Who cites each part of the API, in the order of the catalogue."""
    found: dict[Shape, tuple[str, ...]] = {}
    for id_, clause in clauses().items():
        for shape in clause.shapes:
            found[shape] = (*found.get(shape, ()), id_)
    for name, texts in BESIDES.items():
        for shape in map(Shape.parse, texts):
            found[shape] = (*found.get(shape, ()), name)
    return found


def sections(
    models: Mapping[str, Model],
    images: Mapping[str, Facts],
    cited: Mapping[Shape, tuple[str, ...]],
) -> dict[str, Section]:
    """What is known of all that is cited; what a release does not have is left out."""
    facts: dict[str, Facts] = {}
    citing: dict[str, dict[str, None]] = {}
    for model in models.values():
        facts[f"{model.service} operations"] = dict.fromkeys(model.operations, "")
    for shape, who in cited.items():
        if shape.service == IMAGES:
            about = {str(shape): images[shape.name]}
        else:
            about = dict(cited_of(models[shape.service], shape))
        facts |= about
        for title in about:
            citing.setdefault(title, {}).update(dict.fromkeys(who))
    return {
        title: Section(citing=tuple(citing.get(title, ())), facts=facts[title])
        for title in sorted(facts)
    }


def cited_of(model: Model, shape: Shape) -> Iterator[tuple[str, Facts]]:
    for name in model.around(shape):
        yield f"{shape.service}:{name}", model.facts(name)
    if sentences := model.sentences(shape):
        yield f"{shape}{TEXT}", sentences


def changes(before: Snapshot, after: Snapshot) -> list[Change]:
    none = Section(citing=(), facts={})
    found = []
    for title in sorted({*before.sections, *after.sections}):
        old, new = before.sections.get(title, none), after.sections.get(title, none)
        if lines := tuple(difference(old.facts, new.facts)):
            citing = tuple(dict.fromkeys([*new.citing, *old.citing]))
            found.append(Change(title=title, citing=citing, lines=lines))
    return found


def difference(old: Facts, new: Facts) -> Iterator[str]:
    for name in {**old, **new}:
        if old.get(name) != new.get(name):
            yield from (
                f"{sign} {line(name, facts[name])}"
                for sign, facts in (("-", old), ("+", new))
                if name in facts
            )


def report(before: Snapshot, after: Snapshot) -> str:
    """Who is concerned, then what has changed, by section."""
    found = changes(before, after)
    concerned = {who for each in found for who in each.citing}
    names = [each for each in (*clauses(), *BESIDES) if each in concerned]
    lines = [
        f"{before.releases} -> {after.releases}",
        f"Concerned: {', '.join(names)}" if names else "Nothing that is cited has changed",
    ]
    alike: dict[tuple[str, ...], list[Change]] = {}
    for each in found:
        alike.setdefault(each.lines, []).append(each)
    for same, group in alike.items():
        lines += ["", *(" ".join([f"[{each.title}]", *each.citing]) for each in group), *same]
    return "\n".join(lines) + "\n"


def spelt(snapshot: Snapshot) -> str:
    lines = [f"{HEAD}{RELEASE}{snapshot.releases}"]
    for title, section in snapshot.sections.items():
        # Sentences keep their order.
        ordered = list if title.endswith(TEXT) else sorted
        lines += ["", " ".join([f"[{title}]", *section.citing])]
        lines += [f"  {line(*fact)}" for fact in ordered(section.facts.items())]
    return "\n".join(lines) + "\n"


def line(name: str, value: str) -> str:
    return f"{name}{value and BETWEEN}{value}"


def parsed(text: str) -> Snapshot:
    releases = ""
    found: dict[str, Section] = {}
    facts: Facts = {}
    for each in text.splitlines():
        if each.startswith(RELEASE):
            releases = each.removeprefix(RELEASE)
        elif match := TITLE.fullmatch(each):
            facts = {}
            found[match["title"]] = Section(citing=tuple(match["citing"].split()), facts=facts)
        elif each.startswith("  "):
            name, _, value = each[2:].partition(BETWEEN)
            facts[name] = value
    return Snapshot(releases=releases, sections=found)


def keep(folder: Path, after: Snapshot, text: str) -> None:
    """Write title, body and data of a pull request."""
    copy = folder / DATA
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(spelt(after), encoding="utf-8")
    (folder / "title").write_text(f"AWS's API of {after.releases}\n", encoding="utf-8")
    (folder / "body").write_text(BODY.format(report=text[:LONGEST]), encoding="utf-8")


if __name__ == "__main__":
    main()
