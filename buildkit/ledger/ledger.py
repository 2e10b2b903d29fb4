"""`releases.jsonl`: one record a line, added at once or not at all, by any number of runs.

Lines are independent of each other and have their order in their id, so that git may merge two
ledgers by keeping the lines of both (`merge=union`).
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from buildkit.ledger import history
from buildkit.ledger.record import Release
from buildkit.model import names
from buildkit.support import decode
from buildkit.support.errors import ToolError
from buildkit.system import files, reading

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

NAME = "releases.jsonl"
FORMAT = 1
"""Raised when a record changes so that an older tool would misread it."""
ROOM = 1 << 20
"""Bytes that a record may take: some hundred images in several registries."""
LARGEST = 256 << 20
"""Bytes of a ledger that are read: some hundred thousand images."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
REFERENCE = re.compile(r"[A-Za-z0-9._:/@\[\]-]+")
"""Letters of a URI by tag or digest, and of its parts."""
WORD = re.compile("[!-~]+")


@dataclass(frozen=True, kw_only=True)
class Ledger:
    path: Path

    def read(self) -> tuple[Release, ...]:
        """All records, the oldest first; none without a file. Raises ToolError, as `read_file`."""
        return read_file(os.fspath(self.path))

    def check(self) -> None:
        """Raise ToolError if no record could be added."""
        files.check(
            self.path.resolve(),
            hint="free disk space, or fix the permissions: a release is put on record",
            more=ROOM,
        )

    def append(self, release: Release, since: Collection[str] | None = None) -> None:
        """Add a record. Raises ToolError if the file cannot be written.

        What is there stays as it is, also where it is not understood. `since` are the ids of the
        records that there were when the run began: what others have put on record since then, the
        same images in the same places, is not recorded twice.
        """
        path = self.path.resolve()

        def added() -> str | None:
            news: Release | None = release
            if since is not None:
                others = [each for each in self.read() if each.id not in since]
                news = history.news(release, others)
            if news is None:
                return None
            before = _text(os.fspath(path))
            # What a broken line lacks is not made up for: the record gets a line of its own.
            apart = "\n" if before and not before.endswith("\n") else ""
            return f"{before}{apart}{text(news)}\n"

        files.rewrite(
            path,
            added,
            hint="free disk space, or fix the permissions; then add this line to it yourself: "
            + text(release),
        )


def beside(file: Path) -> Ledger:
    """The ledger of a project, by the path of its images.toml."""
    return Ledger(path=file.with_name(NAME))


def file_beside(file: str) -> str:
    """The path of that ledger."""
    return os.path.join(os.path.dirname(file), NAME)  # noqa: PTH118, PTH120 - see `read_file`


def read_file(path: str) -> tuple[Release, ...]:
    """All records of a file, the oldest first; none without it.

    The path is text: pathlib takes long to load, and `buildkit uri` has no other need of it.
    Raises ToolError that names the line of the first that is not understood.
    """
    lines = enumerate(_text(path).split("\n"), 1)
    releases = [_parsed(path, number, line) for number, line in lines if line.strip()]
    found = {each.id: each for each in releases}  # a merge may leave a line twice
    return tuple(found[id_] for id_ in sorted(found))


def _text(path: str) -> str:
    try:
        # Line ends as they are: what is there is written again.
        return reading.content(path, LARGEST).decode()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise ToolError(
            f"{path} cannot be read: {error}",
            hint=f"`git log -p {NAME}` shows what it was before; if it is too large, move the "
            "oldest lines into another file",
        ) from error


def _parsed(path: str, number: int, line: str) -> Release:
    try:
        document: Any = json.loads(line)
        if not isinstance(document, dict):
            raise ValueError(f"{type(document).__name__} is no object")  # noqa: TRY004, TRY301
        if (found := document["format"]) != FORMAT:
            raise ToolError(
                f"{path}:{number} has format {decode.shown(found)}, this tool reads {FORMAT}",
                hint="use the tool that wrote it, or a newer one",
            )
        return _checked(decode.read(Release, document))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ToolError(
            f"{path}:{number} is not a record that this tool understands: {error}",
            hint=f"mend or remove the line: `git log -p {NAME}` shows what it was",
        ) from error


def _checked(release: Release) -> Release:
    """Raises ValueError for what is more than one word: it is printed as it is, and looked up."""
    for name, word in _words(release):
        if not WORD.fullmatch(word):
            raise ValueError(f"{word!r} is no {name}")
    for image in release.images:
        names.plain(image.verdict.untried)
        for uri in (*image.locations, image.repository, image.tag, image.digest):
            if not REFERENCE.fullmatch(uri):
                raise ValueError(f"{uri!r} is not a reference of {image.target}")
        if not DIGEST.fullmatch(image.digest):
            raise ValueError(f"{image.digest!r} is no digest of {image.target}")
    return release


def _words(release: Release) -> Iterator[tuple[str, str]]:
    """What has a form of its own beside the references of images, and what it is called."""
    yield "id of a record", release.id
    yield "time", release.time
    if release.commit is not None:
        yield "commit", release.commit
    yield "version of the tool", release.tool
    for image in release.images:
        yield "target", image.target
        yield "name", image.name
        yield "version", image.version
        yield "device", image.device
        yield "Python", image.python
        yield "purpose", image.purpose
        yield "profile", image.verdict.profile
        yield "suite", image.verdict.suite
        if image.origin is not None:
            for word in (image.origin.base, image.origin.base_digest, image.origin.inputs):
                if word is not None:
                    yield "part of an origin", word
    for move in release.moves:
        yield "registry", move.host
        yield "repository", move.repository
        yield "alias", move.alias
        yield "tag", move.tag
        for digest in (move.before, move.after):
            if digest is not None:
                yield "digest", digest


def text(release: Release) -> str:
    """A record as one line of JSON."""
    return json.dumps({"format": FORMAT, **asdict(release)}, ensure_ascii=False)
