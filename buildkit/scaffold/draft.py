"""A kind and a name -> the files of a new project, as they will be written."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkit.model import names
from buildkit.scaffold import shipped
from buildkit.scaffold.kinds import IMAGES, KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "my-model"
"""The name of the image in the files of examples/init."""
LONGEST = 100
"""Characters of a name: an id, of at most 200, has the version and more."""
REGION = "us-east-1"
"""The region in the files of examples/init."""
WORKFLOW = ".github/workflows/images.yml"
TOOL, COMMIT = "OWNER/buildkit", "COMMIT"
"""Stand for the repository and the commit of this tool, in the workflow and in the manual."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The files of a project, and the lines that its ignore files must have, by path."""

    kind: str
    files: Mapping[str, bytes]
    ignored: Mapping[str, tuple[str, ...]]


def of_kind(kind: str, name: str, region: str | None) -> Draft:
    found = KINDS[kind]
    text = named(shipped.text(f"init/{kind}/{IMAGES}"), name)
    if region:
        text = text.replace(json.dumps(REGION), json.dumps(region))
    parts = {path: shipped.content(source) for path, source in found.parts.items()}
    return with_ignored(kind, {**parts, IMAGES: text.encode()}, f"{found.context}/.dockerignore")


def with_ignored(kind: str, files: Mapping[str, bytes], dockerignore: str) -> Draft:
    """The files, with those that say what git and a build leave out."""
    lines = {
        path: tuple(shipped.text(f"init/{source}").split())
        for path, source in (
            (".gitignore", "gitignore"),
            (dockerignore.lstrip("/"), "dockerignore"),
        )
    }
    return Draft(kind=kind, files=files, ignored=lines)


def with_workflow(
    draft: Draft, path: str, folder: str, tool: tuple[str, str] | None = None
) -> Draft:
    """The project with the release workflow, at `path`. `folder` has images.toml, from git's root.

    `tool` is the repository and the commit of this tool, if both are known.
    """
    text = shipped.text("init/workflow/images.yml")
    if folder != ".":
        text = f"{text.rstrip()}\n      folder: {json.dumps(folder, ensure_ascii=False)}\n"
    if tool:
        text = text.replace(TOOL, tool[0]).replace(COMMIT, tool[1])
    return replace(draft, files={**draft.files, path: text.encode()})


def named(text: str, name: str) -> str:
    """images.toml with another name of the image."""
    return re.sub(
        rf"^(?P<begin>.*{NAME}[^#\n]*?)(?P<gap> *)(?P<comment>#.*)?$",
        lambda found: line(found["begin"].replace(NAME, name), found),
        text,
        flags=re.MULTILINE,
    )


def line(begin: str, found: re.Match[str]) -> str:
    """A line with another begin, its comment in the same column if that is free."""
    if not found["comment"]:
        return begin
    column = found.start("comment") - found.start()
    return f"{begin:<{max(column, len(begin) + 2)}}{found['comment']}"


def name_of(folder: str) -> str:
    """The name of an image, from that of a folder."""
    found = "-".join(re.findall("[a-z0-9]+", folder.lower()))
    return found if problem_of(found) is None else NAME


def problem_of(name: str) -> str | None:
    """Why an image cannot have this name; None if it can."""
    if not names.NAME.fullmatch(name):
        return "use lower-case letters and digits, with single `.`, `_` or `-` between them"
    if not names.SHORTEST_REPOSITORY <= len(name) <= LONGEST:
        return f"use {names.SHORTEST_REPOSITORY} to {LONGEST} characters"
    return None
