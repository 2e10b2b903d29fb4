"""The records of each stage, in `dist/<target id>/`: a later run can continue from them."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from buildkit.config import boundary
from buildkit.model.image import Built, Published, Report, Staged, Verified
from buildkit.model.target import Rendered
from buildkit.support import decode
from buildkit.support.errors import ToolError
from buildkit.system import files, git, reading

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from buildkit.config.boundary import Boundary

FORMAT = 1
"""Increased when an older tool would misread the records of a newer one."""

LARGEST = 64 << 20
"""Most bytes of a record: the evidence in a report can be long."""
DOCKERFILE = "Dockerfile"
KEPT = "test"
"""The folder with files that an image left in its test."""

Value = TypeVar("Value", Rendered, Built, Report, Verified, Staged, Published)


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[Value]):
    """One kind of record: its file, its type and the command that writes it."""

    name: str
    type: type[Value]
    made_by: str


RENDERED = Kind(name="rendered", type=Rendered, made_by="render")
BUILT = Kind(name="built", type=Built, made_by="build")
REPORT = Kind(name="report", type=Report, made_by="test")
VERIFIED = Kind(name="verified", type=Verified, made_by="test")
STAGED = Kind(name="staged", type=Staged, made_by="build --stage")
PUBLISHED = Kind(name="published", type=Published, made_by="push")

WRITTEN = (
    *(f"{kind.name}.json" for kind in (RENDERED, BUILT, REPORT, VERIFIED, STAGED, PUBLISHED)),
    DOCKERFILE,
    KEPT,
)


@dataclass(frozen=True, kw_only=True)
class Records:
    """The records of a project, in one folder. No link is followed out of `limits`."""

    folder: Path
    limits: Boundary

    def of(self, target_id: str, name: str) -> Path:
        """The path of a file of a target. Raises UsageError if it leads out of `limits`."""
        return self.limits.inside(self.folder, f"{target_id}/{name}")

    def check(self, target_id: str) -> None:
        """Raise UsageError if any file of a target would be written outside of `limits`."""
        folder = self.limits.inside(self.folder, target_id)
        for name in WRITTEN:
            if (folder / name).is_symlink():
                self.of(target_id, name)

    def write(self, kind: Kind[Value], target_id: str, value: Value) -> None:
        document = {"format": FORMAT, kind.name: asdict(value)}
        path = self.of(target_id, f"{kind.name}.json")
        files.write_text(path, json.dumps(document, indent=2) + "\n")

    def find(self, kind: Kind[Value], target_id: str) -> Value | None:
        """Read a record, None if there is none. Raises ToolError if it cannot be read."""
        path = self.of(target_id, f"{kind.name}.json")
        try:
            document: Any = decode.parsed(reading.utf8(reading.content(path, LARGEST)))
            if type(found := document["format"]) is not int or found != FORMAT:  # true is 1
                raise ToolError(
                    f"{path} has format {decode.shown(found)}, this tool reads {FORMAT}",
                    hint="use the version of buildkit that wrote the record, or remove the record "
                    f"and run `buildkit {kind.made_by}`",
                )
            return decode.read(kind.type, document[kind.name])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ToolError(
                f"{path} is not a valid record: {error}",
                hint=f"remove the record, then run `buildkit {kind.made_by} {target_id}`",
            ) from error

    def begin(self, rendered: Iterable[Rendered]) -> None:
        """Keep the Dockerfiles of a build that begins. Raises UsageError if a record leads out."""
        git.advise_to_ignore(self.folder)
        rendered = tuple(rendered)
        for each in rendered:
            self.check(each.target.id)
        for each in rendered:
            files.write_text(self.of(each.target.id, DOCKERFILE), each.dockerfile)
            self.write(RENDERED, each.target.id, each)

    def ids(self) -> tuple[str, ...]:
        """The targets that have a record."""
        return tuple(sorted(each.parent.name for each in self.folder.glob("*/*.json")))

    def begun(self) -> frozenset[str]:
        """The targets that have a folder, so maybe a record."""
        with suppress(OSError):
            return frozenset(os.listdir(self.folder))  # noqa: PTH208 - names, not paths
        return frozenset()

    def forget(self, kind: Kind[Value], target_id: str) -> None:
        self.of(target_id, f"{kind.name}.json").unlink(missing_ok=True)


def kept_in(folder: Path, limits: Boundary) -> Records:
    """The records in a folder that the user chose."""
    return Records(folder=folder, limits=boundary.named(folder, limits))
