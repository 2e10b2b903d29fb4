"""The second build sees the same files as the first, as another checkout would have them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from buildkit.model.target import Rendered
from buildkit.render import inputs
from buildkit.reproduce import elsewhere
from tests.support.projects import target


@dataclasses.dataclass(frozen=True)
class Folders:
    runtime: Path
    nothing: Path


def checkout(folder: Path) -> tuple[list[Rendered], Folders]:
    """Two targets with one context, and one without."""
    context, runtime, nothing = (folder / name for name in ("program", "runtime", "nothing"))
    for each in (context / "empty", runtime, nothing):
        each.mkdir(parents=True)
    (context / "train").write_text("#!/bin/sh\n")
    (context / "train").chmod(0o755)
    (context / "link").symlink_to("train")
    (context / "secret.txt").write_text("no")
    (context / ".dockerignore").write_text("*.txt\n")
    (runtime / "run.py").write_text("1")
    made = [
        dataclasses.replace(target(), id=str(number), context=each)
        for number, each in enumerate((str(context), str(context), None))
    ]
    rendered = [Rendered(target=each, dockerfile="COPY --from=runtime . /\n") for each in made]
    return rendered, Folders(runtime=runtime, nothing=nothing)


def test_a_copy_has_the_same_files_with_other_times_and_modes(tmp_path: Path) -> None:
    rendered, folders = checkout(tmp_path)
    with elsewhere.copied(rendered, folders) as there:
        one, two, three = (each.target.context for each in there.rendered)
        assert one == two
        assert three is None
        assert [each.dockerfile for each in there.rendered] == [
            each.dockerfile for each in rendered
        ]
        copy = Path(one or "")
        seen = inputs.seen(tmp_path / "program")
        assert inputs.seen(copy) == seen == [".dockerignore", "empty", "link", "train"]
        assert not (copy / "secret.txt").exists()
        assert (copy / "link").readlink() == Path("train")
        for name in (*seen, "."):
            old, new = (tmp_path / "program" / name).lstat(), (copy / name).lstat()
            assert new.st_mtime != old.st_mtime
            if name != "link":
                assert new.st_mode == old.st_mode ^ 0o020
        assert (there.runtime / "run.py").stat().st_mode & 0o020
        assert list(there.nothing.iterdir()) == []
    assert not copy.exists()


def test_a_copy_is_the_same_input(tmp_path: Path) -> None:
    rendered, folders = checkout(tmp_path)
    before = inputs.Inputs(runtime=folders.runtime).digests(rendered)
    with elsewhere.copied(rendered, folders) as there:
        assert inputs.Inputs(runtime=there.runtime).digests(there.rendered) == before


def test_a_copy_has_what_the_dockerignore_beside_the_dockerfile_lets_through(
    tmp_path: Path,
) -> None:
    (each, *_), folders = checkout(tmp_path)
    file = tmp_path / "Dockerfile"
    file.write_text("FROM a\n")
    (tmp_path / "Dockerfile.dockerignore").write_text("train\n")
    own = dataclasses.replace(each, target=dataclasses.replace(each.target, dockerfile=str(file)))
    with elsewhere.copied([own], folders) as there:
        copy = Path(there.rendered[0].target.context or "")
        names = sorted(path.name for path in copy.iterdir())
        assert names == [".dockerignore", "empty", "link", "secret.txt"]
