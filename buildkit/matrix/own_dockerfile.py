"""`dockerfile` of images.toml -> what a target is made from, and what is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildkit.matrix import bases, paths
from buildkit.matrix.draft import add_of_file, cause, pairs
from buildkit.render import dockerfile, dockerignore, inputs, own_dockerfile
from buildkit.render.own_dockerfile import Dockerfile
from buildkit.support import suggest
from buildkit.system import reading

if TYPE_CHECKING:
    from buildkit.config.images_toml import Config
    from buildkit.config.schema import Places
    from buildkit.matrix.draft import Draft

UNUSED = {
    "packages": "install packages in the Dockerfile",
    "requirements": "install packages in the Dockerfile",
    "indexes": "name package indexes in the Dockerfile",
    "lock": "install from a lock in the Dockerfile",
    "source_builds": "images.lock only has packages of templates",
    "cuda_compat": "copy the libraries in the Dockerfile",
    "apt_snapshot": "name the snapshot in the Dockerfile",
}
"""The keys that only templates read, and what to do instead."""


def is_used(places: Places) -> bool:
    """Whether a Dockerfile replaces the template: no layer above it names a template."""
    above = places.given("template") and places.rank("template") < places.rank("dockerfile")
    return bool(places.given("dockerfile")) and not above


def facts(draft: Draft) -> dict[str, Any]:
    """What the Dockerfile makes an image from, by the fields of `Target`."""
    entry = draft.entry
    text = draft.filled(pattern := entry.given("dockerfile"))
    path = draft.config.folder / text
    context = paths.whole(draft.config, entry.given("context")) or str(path.parent)
    if (file := entry.dockerfiles.get((text, context))) is None:
        file = entry.dockerfiles[text, context] = _read(draft.config, text, context)
    _check_keys(draft)
    add_of_file(draft, "dockerfile", pattern, file.wrong)
    at = entry.at("context" if entry.given("context") else "dockerfile")
    for message in file.of_context:
        draft.problems.add(at, message, f"{at}: {message}")
    stage = draft.filled(entry.given("target") or "") or None
    arguments: dict[str, str] = {}
    base = bases.NOTHING
    if file.wrong or file.of_context or not _has_stage(draft, file, stage):
        stage = None
    else:
        arguments = _arguments(draft, file, text)
        base = _base(draft, file, arguments, stage)
    return {
        "base": base,
        "template": "",
        "dockerfile": str(path),
        "stage": stage,
        "packages": (),
        "args": tuple(arguments.items()),
        "context": context,
    }


def is_read(places: Places, key: str) -> bool:
    """Whether a key counts: a Dockerfile replaces what only templates read, or a template it."""
    if is_used(places):
        return key not in ("template", *UNUSED)
    return key not in ("dockerfile", "target")


def check_without(draft: Draft) -> None:
    """Add the problem of a stage that no Dockerfile has."""
    entry = draft.entry
    if (
        entry.given("target")
        and _is_of_image(draft, "target", "template")
        and not draft.lacks("dockerfile")
    ):
        message = "a template has no stages to choose from; `target` needs `dockerfile`"
        draft.problems.add(entry.at("target"), message)


def _is_of_image(draft: Draft, key: str, beside: str = "dockerfile") -> bool:
    """Whether a key was written for this Dockerfile: not in `[defaults]`, and not in a layer below.

    There it is for other images, or for other cells.
    """
    ranks = draft.entry.rank(beside), len(draft.entry.layers) - 2
    return draft.entry.rank(key) <= min(ranks)


def _check_keys(draft: Draft) -> None:
    """Add the problems of keys that have no effect."""
    entry = draft.entry
    if entry.given("template") and entry.rank("template") == entry.rank("dockerfile"):
        message = "`dockerfile` replaces the template; remove one of the two"
        draft.problems.add(entry.at("template"), message)
    for key, instead in UNUSED.items():
        if _is_of_image(draft, key):
            message = f"no effect: only templates read this key; {instead}"
            draft.problems.add(entry.at(key), message)


def _has_stage(draft: Draft, file: Dockerfile, stage: str | None) -> bool:
    try:
        if stage is not None:
            own_dockerfile.check_stage(file.instructions, stage)
    except ValueError as error:
        add_of_file(draft, "target", draft.entry.given("target"), [str(error)])
        return False
    return True


def _arguments(draft: Draft, file: Dockerfile, text: str) -> dict[str, str]:
    """The arguments of the build: `args`, as far as the Dockerfile has them, and `base`."""
    entry, declared = draft.entry, own_dockerfile.declared(file.instructions)
    written = dict(pairs("args", draft))
    known = {
        name: value
        for name, value in written.items()
        if name in declared or own_dockerfile.PREDEFINED.fullmatch(name)
    }
    for name in written.keys() - known.keys() if _is_of_image(draft, "args") else ():
        others = suggest.near_to(name, sorted(declared)) if declared else "it has no ARG"
        draft.problems.add((*entry.at("args"), name), f"{text} has no `ARG {name}`; {others}")
    if own_dockerfile.BASE not in own_dockerfile.of_from(file.instructions):
        if _is_of_image(draft, "base"):
            message = (
                f"no effect: {text} has no `ARG {own_dockerfile.BASE}` before its first FROM; "
                f"write `ARG {own_dockerfile.BASE}` and `FROM ${{{own_dockerfile.BASE}}}` there, "
                "or remove this key"
            )
            draft.problems.add(entry.at("base"), message)
    elif entry.has("base"):
        known.setdefault(own_dockerfile.BASE, bases.base(draft))
    return known


def _base(draft: Draft, file: Dockerfile, arguments: dict[str, str], stage: str | None) -> str:
    platform = draft.entry.given("platform")
    try:
        return own_dockerfile.base(file.instructions, arguments, platform, stage)
    except ValueError as error:
        if not draft.lacks("args", "base"):
            at, message = draft.entry.at("dockerfile"), f"{draft.id}: {error}"
            draft.problems.add(at, message, cause(at, message, (draft.id, *arguments.values())))
        return bases.NOTHING


def _read(config: Config, text: str, context: str) -> Dockerfile:
    path = config.folder / text
    if wrong := [*paths.fault(config, text, paths.Kind.FILE, reading.LARGEST_TEXT)]:
        if not os.path.isfile(path) and (near := _near(config, text)):  # noqa: PTH113 - a long name
            wrong[0] += f"; did you mean `{near}`?"
        return Dockerfile(wrong=tuple(wrong))
    try:
        found = dockerfile.instructions(reading.text(path))
    except (OSError, ValueError) as error:
        return Dockerfile(wrong=(f"{text} cannot be read: {error}",))
    wrong = [f"{text}:{line}: {fault}" for line, fault in own_dockerfile.faults(found)]
    ignore = inputs.ignore_file(str(path))
    if ignore is not None:
        limit = reading.LARGEST_TEXT
        wrong += paths.fault(config, str(ignore), paths.Kind.FILE, limit)
    of_context = () if wrong else tuple(paths.unreadable(config, Path(context), ignore))
    return Dockerfile(instructions=found, wrong=tuple(wrong), of_context=of_context)


def _near(config: Config, text: str) -> str | None:
    """The Dockerfile that the author of a wrong path probably meant."""
    path, top = config.folder / text, config.folder
    forms = ((path, "*"), (path.parent, "*"), (top, "*"), (top, "*/*"))
    known = [
        os.path.relpath(each, top)
        for folder, below in forms
        if os.path.isdir(folder) and config.boundary.outside(folder) is None  # noqa: PTH112 - a long name
        for each in sorted(folder.glob(f"{below}ockerfile*"))
        if each.is_file() and each.suffix != dockerignore.NAME
    ]
    return next(iter((*suggest.near_names(text, known), *known)), None)
