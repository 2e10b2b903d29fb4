"""Build contexts -> copies as in another checkout: the same files with other times and modes."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.render import inputs
from buildkit.system import tempdirs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildkit.build.bake_plan import Folders
    from buildkit.model.target import Rendered

TIME = 1_234_567_890
"""2009-02-13: no file of a checkout is so old."""
GROUP_MAY_WRITE = 0o020
"""The bit in which checkouts differ: a umask of 002 sets it, one of 022 does not."""


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Targets whose contexts are copies, and copies of the folders that all builds get."""

    rendered: tuple[Rendered, ...]
    runtime: Path
    nothing: Path


@contextmanager
def copied(rendered: Sequence[Rendered], folders: Folders) -> Iterator[Elsewhere]:
    """Copy what the builds of targets see; removed when the context ends."""
    with tempdirs.folder() as temporary:
        numbers = iter(range(len(rendered) + 2))

        @cache
        def copy(source: str, ignore: Path | None = None) -> Path:
            return _copy(Path(source), temporary / str(next(numbers)), ignore)

        def moved(each: Rendered) -> Rendered:
            if (context := each.target.context) is None:
                return each
            there = copy(context, inputs.ignore_file(each.target.dockerfile))
            return replace(each, target=replace(each.target, context=str(there)))

        yield Elsewhere(
            rendered=tuple(map(moved, rendered)),
            runtime=copy(str(folders.runtime)),
            nothing=copy(str(folders.nothing)),
        )


def _copy(source: Path, folder: Path, ignore: Path | None) -> Path:
    folder.mkdir()
    for name in inputs.seen(source, ignore):
        old, new = source / name, folder / name
        new.parent.mkdir(parents=True, exist_ok=True)
        if old.is_symlink():
            new.symlink_to(os.readlink(old))  # noqa: PTH115 - unchanged
        elif old.is_dir():
            new.mkdir(exist_ok=True)
        else:
            shutil.copyfile(old, new)
            new.chmod(old.stat().st_mode)
    for path in (*sorted(folder.rglob("*"), reverse=True), folder):  # folders after their content
        if not path.is_symlink():
            path.chmod(path.stat().st_mode ^ GROUP_MAY_WRITE)
        os.utime(path, (TIME, TIME), follow_symlinks=False)
    return folder
