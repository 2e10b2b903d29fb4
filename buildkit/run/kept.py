"""What a run of `train` leaves on this machine: the model, as SageMaker packs it, and unpacked."""

from __future__ import annotations

import tarfile
import tempfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract import archive
from buildkit.contract.jobs import training_job
from buildkit.run import image
from buildkit.support.amounts import count
from buildkit.support.errors import ToolError, UsageError
from buildkit.system import console, git, tempdirs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from buildkit.contract.engine import Container

MODEL = "model"
OUTPUT = "output"
SUFFIX = ".tar.gz"
STOPPED = ".stopped"
"""How the folder ends, beside the other one, of a job that was stopped before its end."""
MOST = 10_000_000
MOST_SECONDS = 24 * 60 * 60
"""Files, and seconds of reading them: generous, as hours of training would be lost."""
PART = ".part"
BROKEN = (tarfile.TarError, EOFError, zlib.error, OSError)
"""What reading a broken archive raises."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The paths of what was kept. None: `train` left no file there."""

    folder: Path
    model: Path | None
    output: Path | None


def model_of(folder: Path) -> Path | None:
    """The model that the last successful run, or the last test, left in its folder, if any."""
    path = folder / f"{MODEL}{SUFFIX}"
    return path if path.is_file() else None


def keep(containers: Sequence[Container], folder: Path, *, stopped: bool = False) -> Kept:
    """Replace what is in a folder by what the hosts of a job left. Raises ToolError.

    The folder does not change before everything has been read, and keeps its model if the hosts
    left none. What a stopped job left is beside it, as it may be half of a model.
    """
    git.advise_to_ignore(folder.parents[1])
    if stopped:
        folder = folder.with_name(f"{folder.name}{STOPPED}")
    with _new(folder) as new:
        packed = {
            name: _packed(containers, f"{training_job.ROOT}/{path}", new / name, folder)
            for name, path in ((MODEL, "model"), (OUTPUT, "output/data"))
        }
        if not packed[MODEL] and not stopped:
            for name in (MODEL, f"{MODEL}{SUFFIX}"):
                if (folder / name).exists():
                    (folder / name).rename(new / name)
    return Kept(
        folder=folder,
        model=folder / f"{MODEL}{SUFFIX}" if packed[MODEL] else None,
        output=folder / f"{OUTPUT}{SUFFIX}" if packed[OUTPUT] else None,
    )


@contextmanager
def _new(folder: Path) -> Iterator[Path]:
    """A folder that takes the place of another one in the end."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        tempdirs.sweep(folder.parent)
        with tempfile.TemporaryDirectory(prefix=tempdirs.prefix(), dir=folder.parent) as name:
            new, old = Path(name) / "new", Path(name) / "old"
            new.mkdir()
            yield new
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
    except OSError as error:
        raise ToolError(
            f"{folder} cannot be written: {error.strerror or error}",
            hint="free disk space, or choose another folder with `--dist`",
        ) from error


def _packed(containers: Iterable[Container], path: str, target: Path, folder: Path) -> bool:
    """Pack and unpack a folder of all hosts; False if it has no files.

    Raises ToolError. What was read until then is beside the `folder`.
    """
    file = target.with_name(f"{target.name}{SUFFIX}")
    found = (each.get(path) for each in containers)
    try:
        existing = (chunks for chunks in found if chunks is not None)
        packed = archive.pack(existing, file, image.DISK, most=MOST, seconds=MOST_SECONDS)
        if packed.files == 0:
            file.unlink()
            return False
        target.mkdir()
        links = archive.unpack(file, target)
    except tarfile.TarError as error:
        part = folder.with_name(f"{folder.name}.{file.name}{PART}")
        file.replace(part)
        raise ToolError(
            f"{path} cannot be kept: {error}; what was read until then is in {part}",
            hint=f"unpack that with `tar xzf {part}`; let `train` write fewer or smaller files",
        ) from error
    for name in packed.twice:
        console.say(
            f"several hosts wrote {path}/{name}: that of the first host is kept", fg="yellow"
        )
    if packed.outside:
        listed = ", ".join(packed.outside[:3])
        console.say(f"left out, as they lead out of {path}: {listed}", fg="yellow")
    if links:
        console.say(f"{count(links, 'link')} of {path} in {file.name} only")
    return True


def laid_out(model: Path | None, code: Path | None) -> Iterator[bytes]:
    """An archive of `model`: a folder or .tar.gz, with `code` as an SDK adds it.

    Raises UsageError if it is no archive.
    """
    made = archive.Archive()
    if model is None:
        made.folder(MODEL)
    elif model.is_dir():
        made.tree(MODEL, model)
    else:
        try:
            made.packed(MODEL, model)
        except BROKEN as error:
            made.discard()
            if isinstance(error, OSError) and error.errno is not None:
                raise  # such as a full disk: the archive is not at fault
            # Python names each format that it has tried.
            said = str(error).partition(" - ")[0]
            raise UsageError(
                f"{model} is not a readable .tar.gz: {said}",
                hint="pass a folder or a model.tar.gz to `--model`",
            ) from error
    if code is not None:
        made.tree(f"{MODEL}/code", code)
    return made.chunks()
