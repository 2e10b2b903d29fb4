"""`--from`: an image or a Dockerfile that is there already -> the files of a project for it."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildkit.config import boundary, toml
from buildkit.model import names
from buildkit.model.target import Device, Purpose
from buildkit.prebuilt import facts, reverse
from buildkit.prebuilt.lookup import look_up
from buildkit.prebuilt.question import Query
from buildkit.render import dockerfile, stages
from buildkit.scaffold import shipped
from buildkit.scaffold.draft import line, named, with_ignored
from buildkit.scaffold.kinds import IMAGES
from buildkit.support.errors import BuildkitError, UsageError
from buildkit.support.suggest import shown
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from buildkit.prebuilt.reverse import Known, Parts
    from buildkit.scaffold.draft import Draft

DOCKERFILE = "Dockerfile"
PYTHON = re.compile(r"(?:py|\bpython:)(3)\.?(\d{1,2})\b")
"""A version of Python in names: `py311` of AWS's, `python:3.11` of Docker's."""
CUDA = re.compile(r"[-/:](?:gpu|cuda|cu\d{2,3})\b")
OWN = ("dist", "releases.jsonl")
"""What each run of buildkit writes into the folder of images.toml: no part of an image."""
WILD = re.compile(r"[*?\[\]$]")
MOST = 5_000
"""Files of a context that are looked at for `train` and `serve`."""
HINT = "name a Dockerfile, an image such as `python:3.11-slim-bookworm`, or the URI of one of AWS's"


def take_over(source: str, folder: Path, name: str) -> Draft:
    """The project in `folder` for a Dockerfile or an image. Raises UsageError."""
    path = Path(source)
    if _is_file(path / DOCKERFILE):
        path = path / DOCKERFILE
    if _is_file(path):
        return _of_dockerfile(path, folder, name)
    if path.name.endswith(DOCKERFILE) or source.startswith((".", "/", "~")):
        raise UsageError(f"`--from {shown(source)}`: there is no such Dockerfile", hint=HINT)
    try:
        names.reference(source)
    except ValueError as error:
        raise UsageError(f"`--from {shown(source)}`: {error}", hint=HINT) from error
    if len(source) > reverse.LONGEST:
        raise UsageError(f"`--from {shown(source)}`: the name is too long for an image", hint=HINT)
    found = _prebuilt(source, name)
    text = _of_image(source, name) if found is None else found
    return _draft("extend", text, ".dockerignore")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # it is too long for a name
        return False


def _draft(kind: str, text: str, dockerignore: str) -> Draft:
    return with_ignored(kind, {IMAGES: text.encode()}, dockerignore)


def _text(template: str, name: str, values: Mapping[str, Any]) -> str:
    """images.toml from a file of `init/from`. The values may contain the name that is replaced."""
    text = shipped.text(f"init/from/{template}") + shipped.text("init/from/samples.toml")
    return with_values(named(text, name), values)


def _of_image(source: str, name: str) -> str:
    """images.toml for any image; its name may show what the image is for."""
    values: dict[str, Any] = {"base": source}
    if found := PYTHON.search(source):
        values["pythons"] = [f"{found[1]}.{found[2]}"]
    if CUDA.search(source):
        values["devices"] = [Device.GPU.value]
    purposes = [each.value for each in Purpose if each.value in source]
    if len(purposes) == 1:
        values["purposes"] = purposes
    return _text("image.toml", name, values)


def _prebuilt(source: str, name: str) -> str | None:
    """images.toml for one of AWS's images, by what it is; None for any other image.

    Also None for an image that the keys of `prebuilt` cannot say.
    """
    try:
        parts = reverse.parse(source)
    except UsageError:  # a name without a tag
        return None
    if not parts.region or parts.digest or not reverse.is_of_aws(parts):
        return None
    found = reverse.known(parts)
    purposes = frozenset(each.entry.purpose for each in found)
    for known in found:
        values = _values(known, purposes, parts.region)
        if values and _leads_to(values, parts):
            return _text("prebuilt.toml", name, values)
    return None


def _values(known: Known, purposes: frozenset[str], region: str) -> dict[str, Any] | None:
    """The keys of images.toml. `purposes` are those of all images of the same URI."""
    entry, python = known.entry, PYTHON.fullmatch(known.entry.python or "")
    device = entry.device or Device.CPU.value
    if device not in {each.value for each in Device}:
        return None
    own = [each.value for each in Purpose if each.value in purposes]
    purpose = own[0] if len(own) == 1 else Purpose.BOTH.value
    named_purpose = None if own or entry.purpose == facts.ANY else entry.purpose
    table = {
        "framework": entry.framework,
        "python": None if python else entry.python,
        "purpose": named_purpose,
        "base-framework": next(iter(entry.bases), None),
        "container-version": known.rest,
    }
    return {
        "region": region,
        "versions": [f"{known.version}-1"],
        "tag": "{version}-{device}-{py}" if python else "{version}-{device}",
        "pythons": [f"{python[1]}.{python[2]}"] if python else ["3.11"],
        "devices": [device],
        "purposes": [purpose],
        "base": {"prebuilt": {key: value for key, value in table.items() if value}},
    }


def _leads_to(values: Mapping[str, Any], parts: Parts) -> bool:
    """Whether images.toml with these values builds on the image of the URI."""
    table = {key.replace("-", "_"): value for key, value in values["base"]["prebuilt"].items()}
    (version,), (device,), (python,), (purpose,) = (
        values[key] for key in ("versions", "devices", "pythons", "purposes")
    )
    asked: dict[str, Any] = {
        "version": version.removesuffix("-1"),
        "device": device,
        "python": python,
        "purpose": None if purpose == Purpose.BOTH.value else purpose,
        **table,
    }
    try:
        answer = look_up(Query(region=values["region"], **asked))
    except BuildkitError:
        return False
    return answer.uri == f"{parts.host}/{parts.repository}:{parts.tag}"


def _of_dockerfile(path: Path, folder: Path, name: str) -> Draft:
    limits = boundary.around(folder)
    if limits.outside(path) is not None:
        raise UsageError(
            f"`{path}` is outside of the project `{limits.root}`",
            hint=f"start the project there: `buildkit init {path.parent} --from {path}`",
        )
    try:
        found = dockerfile.instructions(reading.text(path))
    except (OSError, ValueError) as error:
        raise UsageError(f"`{path}` cannot be read: {error}", hint=HINT) from error
    context = _context(found, path.parent, folder)
    own = path.with_name(f"{path.name}.dockerignore")  # BuildKit prefers it
    ignore = own if own.exists() else context / ".dockerignore"
    values = {
        "dockerfile": _relative(path, folder),
        "context": _relative(context, folder),
        "purposes": [_purpose(found, context).value],
    }
    text = _text("dockerfile.toml", name, values)
    made = _draft("dockerfile", text, _relative(ignore, folder))
    # What else a build may read is the author's choice.
    lines = OWN if os.path.realpath(context) == os.path.realpath(folder) else ()
    return replace(made, ignored={**made.ignored, _relative(ignore, folder): lines})


def _context(found: Iterable[dockerfile.Instruction], *folders: Path) -> Path:
    """The first folder that has everything which the Dockerfile copies, else the first folder."""
    copied = [
        word
        for each in found
        if each.word in ("COPY", "ADD") and not each.body and "from" not in dict(each.flags)
        for word in each.words[:-1]
        if not WILD.search(word) and not stages.ELSEWHERE.match(word)
    ]
    return next(
        (each for each in folders if all(stages.inside(each, word).exists() for word in copied)),
        folders[0],
    )


def _purpose(found: Iterable[dockerfile.Instruction], context: Path) -> Purpose:
    """Whether only one of `train` and `serve` is named by the Dockerfile or a file."""
    words = {word for each in found for word in re.findall(r"\w+", f"{each.rest} {each.body}")}
    words |= {path.name for path in islice(context.rglob("*"), MOST) if path.is_file()}
    match ("train" in words, "serve" in words):
        case (True, False):
            return Purpose.TRAINING
        case (False, True):
            return Purpose.INFERENCE
        case _:
            return Purpose.BOTH


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()


def with_values(text: str, values: Mapping[str, Any]) -> str:
    """images.toml with other values of some keys; the comments stay."""
    for key, value in values.items():
        begin = f"{key} = {toml.as_toml(value)}"
        text = re.sub(
            rf"^{key} = [^#\n]*?(?P<gap> *)(?P<comment>#.*)?$",
            partial(line, begin),
            text,
            count=1,
            flags=re.MULTILINE,
        )
    return text
