from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from buildkit.model.target import Pins, Rendered
from buildkit.render import inputs, render
from buildkit.support.errors import ToolError
from tests.support import projects

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TARGET = projects.target()
PLAIN = "FROM python:3.11-slim\nCOPY . /opt/program\n"
SCRIPTED = PLAIN + "COPY --from=runtime . /opt/buildkit\n"


def make(folder: Path) -> Path:
    """A checkout with the context of an image and a runtime."""
    for name, text in {
        "context/train": "#!/bin/sh\n",
        "context/lib/a.py": "a = 1\n",
        "context/.dockerignore": "# not these\n**/__pycache__\n\nbig\n",
        "context/__pycache__/a.pyc": "1",
        "context/big/data": "1",
        "runtime/launch": "launch",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "context" / "train").chmod(0o755)
    (folder / "context" / "link").symlink_to("train")
    return folder


def digest(checkout: Path, dockerfile: str = PLAIN, **changes: object) -> str:
    target = dataclasses.replace(TARGET, context=str(checkout / "context"), **changes)  # type: ignore[arg-type]
    rendered = Rendered(target=target, dockerfile=dockerfile)
    (found,) = inputs.Inputs(runtime=checkout / "runtime").digests([rendered]).values()
    return found


def test_each_folder_is_read_once_for_all_targets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path)
    content_of, read = inputs.content_of, []

    def counted(folder: str, ignore: Path | None = None) -> str:
        read.append(folder)
        return content_of(folder, ignore)

    monkeypatch.setattr(inputs, "content_of", counted)
    context, runtime = str(tmp_path / "context"), tmp_path / "runtime"
    rendered = [
        Rendered(target=dataclasses.replace(TARGET, id=id_, context=context), dockerfile=SCRIPTED)
        for id_ in ("one", "two")
    ]
    source = render.templates(tmp_path)
    reader = inputs.Inputs(runtime=runtime)
    reader.digests(rendered)
    reader.parts(rendered[0], source)
    assert sorted(read) == [context, str(runtime)]


def test_the_same_files_elsewhere_and_later_have_the_same_digest(tmp_path: Path) -> None:
    one = make(tmp_path / "one")
    two = tmp_path / "two" / "deeper"
    shutil.copytree(one, two, symlinks=True)
    for path in (two / "context").rglob("*"):
        if not path.is_symlink():
            os.utime(path, (0, 0))
            path.chmod(path.stat().st_mode & 0o700)  # another umask
    assert digest(two) == digest(one)
    assert digest(one).startswith("sha256:")


@pytest.mark.parametrize("what", ["not UTF-8", "a named pipe", "a folder"])
@pytest.mark.parametrize("name", [".dockerignore", "lock"])
def test_what_cannot_be_read_of_the_inputs_is_named(tmp_path: Path, name: str, what: str) -> None:
    path = make(tmp_path) / "context" / name
    path.unlink(missing_ok=True)
    if what == "a named pipe":
        os.mkfifo(path)
    elif what == "a folder":
        path.mkdir()
    else:
        path.write_bytes(b"caf\xe9")
    with pytest.raises(ToolError) as caught:
        digest(tmp_path, lock=str(path) if name == "lock" else None)
    assert caught.value.message.startswith(f"{path} cannot be read: ")


def test_what_differs_in_each_checkout_does_not_count(tmp_path: Path) -> None:
    one = make(tmp_path)
    before = digest(one)
    for name in (".git/index", ".buildkit/README.md"):
        (one / "context" / name).parent.mkdir()
        (one / "context" / name).write_text("of this checkout")
    assert digest(one) == before
    (one / "context" / ".github").mkdir()
    (one / "context" / ".github" / "CODEOWNERS").write_text("me")
    assert digest(one) != before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda c: (c / "context/lib/a.py").write_text("a = 2\n"), id="content"),
        pytest.param(lambda c: (c / "context/lib/a.py").rename(c / "context/lib/b.py"), id="name"),
        pytest.param(lambda c: (c / "context/lib/a.py").chmod(0o755), id="executable"),
        pytest.param(lambda c: (c / "context/new").write_text(""), id="an empty file"),
        pytest.param(lambda c: (c / "context/lib/a.py").unlink(), id="a file less"),
        pytest.param(
            lambda c: ((c / "context/link").unlink(), (c / "context/link").symlink_to("lib")),
            id="a link",
        ),
        pytest.param(
            lambda c: ((c / "context/link").unlink(), (c / "context/link").write_text("train")),
            id="a file for a link",
        ),
    ],
)
def test_a_change_of_what_a_build_sees_changes_the_digest(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    checkout = make(tmp_path)
    before = digest(checkout)
    change(checkout)
    assert digest(checkout) != before


def test_what_a_build_does_not_see_does_not_count(tmp_path: Path) -> None:
    checkout = make(tmp_path)
    before = digest(checkout)
    (checkout / "context" / "__pycache__" / "a.pyc").write_text("2")
    (checkout / "context" / "big" / "data").write_text("2")
    assert digest(checkout) == before


def test_the_runtime_counts_where_the_dockerfile_takes_it(tmp_path: Path) -> None:
    checkout = make(tmp_path)
    plain, scripted = digest(checkout), digest(checkout, SCRIPTED)
    (checkout / "runtime" / "launch").write_text("launched")
    assert digest(checkout) == plain
    assert digest(checkout, SCRIPTED) != scripted


def test_dockerfile_arguments_and_platform_count(tmp_path: Path) -> None:
    checkout = make(tmp_path)
    found = {
        digest(checkout),
        digest(checkout, PLAIN + "# more\n"),
        digest(checkout, args=(("A", "1"),)),
        digest(checkout, platform="linux/arm64"),
    }
    assert len(found) == 4


def test_an_image_without_files_of_its_own_has_a_digest_too(tmp_path: Path) -> None:
    rendered = Rendered(target=TARGET, dockerfile=PLAIN)
    assert inputs.Inputs(runtime=tmp_path).digests([rendered]).keys() == {TARGET.id}


@pytest.mark.parametrize("header", ['["y", "file", 1]', '["y", "file"]'])
def test_files_cannot_be_taken_for_each_other(tmp_path: Path, header: str) -> None:
    """What ends one file begins no other."""
    one, two = make(tmp_path / "one"), make(tmp_path / "two")
    (one / "context" / "x").write_text(f"a\n{header}\nb")
    (two / "context" / "x").write_text("a\n")
    (two / "context" / "y").write_text("b")
    assert digest(one) != digest(two)


def test_the_lock_counts_where_there_is_one(tmp_path: Path) -> None:
    checkout = make(tmp_path)
    lock = checkout / "lock.txt"
    lock.write_text("six==1.17.0 --hash=sha256:aa\n")
    without, before = digest(checkout), digest(checkout, lock=str(lock))
    lock.write_text("six==1.17.0 --hash=sha256:bb\n")
    assert len({without, before, digest(checkout, lock=str(lock))}) == 3


def test_what_images_lock_pins_counts(tmp_path: Path) -> None:
    """The packages as a lock of the user's own with the same text; the base by its digest."""
    checkout = make(tmp_path)
    lock = checkout / "lock.txt"
    lock.write_text("six==1.17.0 --hash=sha256:aa\n")
    packages = hashlib.sha256(lock.read_bytes()).hexdigest()
    found = [digest(checkout, pins=pins) for pins in (Pins(), Pins(base="a"), Pins(base="b"))]
    pinned = digest(checkout, pins=Pins(packages=packages))
    assert len({*found, pinned, digest(checkout, pins=Pins(packages="0"))}) == 5
    assert pinned == digest(checkout, lock=str(lock))


def test_the_digest_of_an_image_without_lock_is_that_of_the_ledgers_there_are(
    tmp_path: Path,
) -> None:
    """Written down before there were locks: no image may look changed."""
    rendered = Rendered(target=TARGET, dockerfile=PLAIN)
    assert inputs.Inputs(runtime=tmp_path).digests([rendered]) == {
        TARGET.id: "sha256:26b0084e4ce93ec86dbe9708d457b9d8b3bfc3056bd1a428aa634ce011982879"
    }


def test_a_folder_without_files_counts(tmp_path: Path) -> None:
    """The image gets the folder, too; one that is ignored does not."""
    checkout = make(tmp_path)
    before = digest(checkout)
    (checkout / "context" / "__pycache__" / "more").mkdir()
    assert digest(checkout) == before
    (checkout / "context" / "empty").mkdir()
    assert digest(checkout) != before


def test_a_file_that_a_pattern_brings_back_counts(tmp_path: Path) -> None:
    checkout = make(tmp_path)
    (checkout / "context" / ".dockerignore").write_text("*\n!**/*.py\n")
    before = digest(checkout)
    (checkout / "context" / "lib" / "a.py").write_text("a = 2\n")
    assert digest(checkout) != before


def own(folder: Path, **changes: object) -> Rendered:
    """A target with a Dockerfile of the user's own, which is no part of the context."""
    file = folder / "docker" / "Dockerfile"
    if not file.exists():
        file.parent.mkdir()
        file.write_text("FROM a AS runtime\nFROM b\n")
    made = {"template": "", "dockerfile": str(file), "context": str(folder / "context"), **changes}
    target = dataclasses.replace(TARGET, **made)  # type: ignore[arg-type]
    return Rendered(target=target, dockerfile="FROM a AS runtime\nFROM b\n")


def of_own(folder: Path, **changes: object) -> str:
    (found,) = inputs.Inputs(runtime=folder / "runtime").digests([own(folder, **changes)]).values()
    return found


def test_a_dockerfile_of_one_s_own_counts_with_what_is_built_of_it(tmp_path: Path) -> None:
    before = of_own(make(tmp_path / "one"))
    assert of_own(make(tmp_path / "two")) == before
    folder = make(tmp_path / "three")
    changed = [of_own(folder, **each) for each in (
        {"stage": "runtime"}, {"args": (("A", "1"),)}, {"labels": (("a", "b"),)}, {"id": "other"}
    )]  # fmt: skip
    assert len({before, *changed}) == 5
    for key in ("args", "labels"):
        pairs = (("a", "1"), ("b", "2"))
        assert of_own(folder, **{key: pairs}) == of_own(folder, **{key: pairs[::-1]})
    (folder / "runtime" / "launch").write_text("no part of it, although a stage is called so")
    assert of_own(folder) == before
    (folder / "docker" / "Dockerfile").write_text("FROM c\n")
    assert of_own(folder) != before


def test_the_dockerignore_beside_a_dockerfile_says_what_counts(tmp_path: Path) -> None:
    before = of_own(folder := make(tmp_path))
    (folder / "docker" / "Dockerfile.dockerignore").write_text(
        ".docker*\nlib\nbig\n**/__pycache__\n"
    )
    without = of_own(folder)
    assert without != before
    (folder / "context" / "lib" / "a.py").write_text("a = 2\n")
    (folder / "context" / ".dockerignore").write_text("# nothing reads it\n")
    assert of_own(folder) == without
    (folder / "context" / "train").write_text("#!/bin/bash\n")
    assert of_own(folder) != without


def test_a_changed_dockerfile_is_named_by_its_path(tmp_path: Path) -> None:
    source = render.templates(make(tmp_path))
    before = dict(inputs.Inputs(runtime=tmp_path).parts(own(tmp_path), source))
    assert before.keys() == {"images.toml", "docker/Dockerfile", "context"}
    (tmp_path / "docker" / "Dockerfile").write_text("FROM c\n")
    after = dict(inputs.Inputs(runtime=tmp_path).parts(own(tmp_path), source))
    assert {name for name in after if after[name] != before[name]} == {"docker/Dockerfile"}
