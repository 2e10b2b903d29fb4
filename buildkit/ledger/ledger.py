"""`releases.jsonl`: one record per line, added atomically, by any number of runs.

Lines are independent of each other, and their ids define the order, so git may merge two ledgers by
keeping the lines of both (`merge=union`).
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from buildkit.ledger import history
from buildkit.ledger.record import Id, Release, consistent
from buildkit.support import decode
from buildkit.support.errors import ToolError
from buildkit.system import files, reading

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from buildkit.config.boundary import Boundary

NAME = "releases.jsonl"
FORMAT = 1
"""Incremented when a record changes so that an older buildkit would misread it."""
ROOM = 4 << 20
"""Bytes that a record may need: some hundred images in several registries."""
LARGEST = 512 << 20
"""The limit for a ledger in bytes: some 150,000 images of 25 layers, in two registries each."""


@dataclass(frozen=True, kw_only=True)
class Ledger:
    path: Path

    def read(self) -> tuple[Release, ...]:
        """All records, the oldest first; none without a file. Raises ToolError, as `read_file`."""
        return read_file(os.fspath(self.path))

    def check(self) -> None:
        """Raise ToolError if no record can be added."""
        files.check(
            self.path.resolve(),
            hint="free disk space, or fix the permissions: each release is recorded in that file",
            more=ROOM,
        )

    def append(self, release: Release, since: Collection[str] | None = None) -> None:
        """Add a record. Raises ToolError if the file cannot be written, or not read with it.

        Existing lines are not changed, even if they are broken. `since` are the ids of the records
        that existed when the run began: images and moves that other runs have recorded since then
        are not recorded twice.
        """
        path = self.path.resolve()
        _check_new(release)

        def added() -> str | None:
            news: Release | None = release
            if since is not None:
                others = [each for each in self.read() if each.id not in since]
                news = history.news(release, others)
            if news is None:
                return None
            before = _text(os.fspath(path))
            # A broken last line is not repaired: the record gets a line of its own.
            apart = "\n" if before and not before.endswith("\n") else ""
            return f"{before}{apart}{text(news)}\n"

        files.rewrite(
            path,
            added,
            hint="free disk space, or fix the permissions, then add this line to the file: "
            + text(release),
        )


def beside(file: Path, limits: Boundary) -> Ledger:
    """The ledger of a project, by the path of its images.toml.

    Raises UsageError if the ledger is a link that leads out of `limits`.
    """
    return Ledger(path=limits.inside(file.parent, NAME))


def file_beside(file: str, *, allow_outside: bool) -> str:
    """The path of the ledger of a project, by the path of its images.toml. Raises as `beside`."""
    path = os.path.join(os.path.dirname(file), NAME)  # noqa: PTH118, PTH120 - see `read_file`
    if os.path.islink(path):  # noqa: PTH114 - see `read_file`
        from pathlib import Path  # noqa: PLC0415 - see `read_file`

        from buildkit.config import boundary  # noqa: PLC0415 - it loads pathlib

        folder = Path(file).parent
        boundary.around(folder, open_=allow_outside).inside(folder, NAME)
    return path


def read_file(path: str, mentioning: Collection[str] = ()) -> tuple[Release, ...]:
    """All records of a file, the oldest first; none if there is no file.

    With words, only the records that contain all of them, in any case. Of the other lines only
    JSON, format and id are checked, which takes a quarter of the time.

    The path is a string: pathlib takes long to load, and `buildkit uri` does not need it. Raises
    ToolError with the number of the first broken line.
    """
    words = [word.lower() for word in mentioning]
    found: dict[str, tuple[int, str, Release | None]] = {}
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line.strip():
            id_, release = _parsed(path, number, line, words)
            first, other, _ = found.setdefault(id_, (number, line, release))
            # A merge may leave a line twice, but not changed.
            if first != number and decode.parsed(other) != decode.parsed(line):
                raise ToolError(
                    f"{path}:{first} and {path}:{number} have one id, {id_}, but different content",
                    hint=f"remove the wrong line; `git log -p {NAME}` shows the history of both",
                )
    records = (release for _, (_, _, release) in sorted(found.items()))
    return tuple(each for each in records if each is not None)


def _text(path: str) -> str:
    try:
        # Line ends are not changed: the text is written again.
        return reading.utf8(reading.content(path, LARGEST))
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise ToolError(
            f"{path} cannot be read: {error}",
            hint=f"restore the file (`git log -p {NAME}` shows its history); if it is too large, "
            "move the oldest lines to another file",
        ) from error


def _parsed(
    path: str, number: int, line: str, words: Collection[str]
) -> tuple[str, Release | None]:
    """The id and the record of a line; no record if the line does not hold all the words."""
    try:
        document: Any = decode.parsed(line)
        if not isinstance(document, dict):
            raise ValueError(f"{type(document).__name__} is not an object")  # noqa: TRY004, TRY301
        if type(found := document["format"]) is not int or found != FORMAT:  # true is 1
            raise ToolError(
                f"{path}:{number} has format {decode.shown(found)}, this buildkit reads {FORMAT}",
                hint="use the version of buildkit that wrote the line, or a newer one",
            )
        if words and not _mentions(line, words):
            return decode.read(Id, document["id"]), None
        release = consistent(decode.read(Release, document))
        return release.id, release  # noqa: TRY300 - its errors have the same message
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ToolError(
            f"{path}:{number} is not a valid record: {error}",
            hint=f"fix or remove the line; `git log -p {NAME}` shows its history",
        ) from error


def _mentions(line: str, words: Collection[str]) -> bool:
    """Whether the words are in a line; a backslash may hide any of them."""
    text = line.lower()
    return all(word in text for word in words) or "\\" in text


def _check_new(release: Release) -> None:
    """Raise ToolError for a record that no command could read again."""
    try:
        consistent(decode.read(Release, decode.parsed(text(release))))
    except ValueError as error:
        raise ToolError(
            f"the new record is not valid, and was not added to the ledger: {error}",
            hint="build and test the images again, then rerun the command",
        ) from error


def text(release: Release) -> str:
    """A record as one line of JSON."""
    return json.dumps({"format": FORMAT, **asdict(release)}, ensure_ascii=False)
