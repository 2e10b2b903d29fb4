"""Copy the user's code to `/opt/ml/code`, from a folder, an archive, a file or S3 (TTK-04)."""

from __future__ import annotations

import contextlib
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from buildkit_runtime.failure import JobFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

_PERMISSIONS = 0o777


def fetch(location: str, code: Path, variables: Mapping[str, str]) -> None:
    """Fill the code folder. If it is not empty, its content is the code (TTK-05)."""
    if not location or Path(location) == code:
        return
    if code.is_dir() and any(code.iterdir()):
        print(f"{code} is not empty: using its code instead of {location}", flush=True)
        return
    try:
        code.mkdir(parents=True, exist_ok=True)
        if location.startswith("s3://"):
            _fetch_from_s3(location, code, variables)
        else:
            _fetch_from_disk(Path(location), code, location)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise JobFailure(f"cannot copy {location} to {code}: {error}") from error


def _fetch_from_disk(path: Path, code: Path, location: str) -> None:
    if path.is_dir():
        shutil.copytree(path, code, dirs_exist_ok=True)
    elif not path.exists():
        raise JobFailure(f"`sagemaker_submit_directory` names {path}, which does not exist")
    elif tarfile.is_tarfile(path):
        extract(path, code, location)
    else:
        shutil.copy(path, code)


def _fetch_from_s3(location: str, code: Path, variables: Mapping[str, str]) -> None:
    from buildkit_runtime import s3  # noqa: PLC0415 - seldom needed, and boto3 loads slowly

    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / PurePosixPath(location).name
        s3.download(location, archive, variables)
        _fetch_from_disk(archive, code, location)


def extract(archive: Path, target: Path, location: str) -> None:
    """Unpack folders and files; refuse paths outside, devices, and more than the disk can hold.

    Links to files of the archive become copies. Links to its folders are created last, so that
    nothing is written through a link. Owners and setuid bits are ignored.
    """
    links: list[tuple[Path, tarfile.TarInfo]] = []
    with tarfile.open(archive) as tar:
        for member in tar:
            path = target / _safe_name(member.name, location)
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            content = _content(tar, member)
            if content is None:
                links.append((path, member))
                continue
            free = shutil.disk_usage(target).free
            if member.size > free:
                raise JobFailure(
                    f"{location} holds `{member.name}` of {member.size} bytes, more than the {free}"
                    f" that are free in {target}"
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            with content, path.open("wb") as file:
                shutil.copyfileobj(content, file)
            path.chmod(member.mode & _PERMISSIONS)
    for path, member in links:
        _link(path, member, target, location)


def _safe_name(name: str, location: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise JobFailure(
            f"{location} holds `{name}`, which would be unpacked outside the code folder"
        )
    return path


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes] | None:
    """The content of a file, or of a link's target; None if that is not a file of the archive."""
    try:
        return tar.extractfile(member)
    except (KeyError, RecursionError):
        return None


def _link(path: Path, member: tarfile.TarInfo, target: Path, location: str) -> None:
    if member.issym():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(member.linkname)
        with contextlib.suppress(OSError, RuntimeError):
            inside = target.resolve() in path.resolve(strict=True).parents
            if inside and path.is_dir():
                return
        path.unlink()
    what = f"a link to `{member.linkname}`, which is not in it" if member.linkname else "no file"
    raise JobFailure(f"{location} holds `{member.name}`, {what}")
