from __future__ import annotations

import shutil
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest
from buildkit_runtime import hyperparameters, script, source
from buildkit_runtime.failure import JobFailure
from buildkit_runtime.script import Kind, Script

if TYPE_CHECKING:
    from tests.runtime.runtime_harness import Tree

CODE = Path("/opt/ml/code")


def find(variables: dict[str, str], **raw: str) -> Script:
    return script.find(variables, hyperparameters.split(raw), CODE)


@pytest.mark.parametrize(
    ("variables", "raw", "expected"),
    [
        pytest.param({"SAGEMAKER_PROGRAM": "a.py"}, {}, "a.py", id="variable"),
        pytest.param({"SAGEMAKER_PROGRAM": '"a.py"'}, {}, "a.py", id="variable in JSON"),
        pytest.param({}, {"sagemaker_program": "b.py"}, "b.py", id="hyperparameter"),
        pytest.param({}, {"sagemaker_program": '"b.py"'}, "b.py", id="hyperparameter in JSON"),
        pytest.param(
            {"SAGEMAKER_PROGRAM": "a.py"}, {"sagemaker_program": "b.py"}, "a.py", id="both"
        ),
        pytest.param({"SAGEMAKER_PROGRAM": "./sub/a.py"}, {}, "sub/a.py", id="leading dot"),
    ],
)
def test_the_variable_wins_over_the_hyperparameter(
    variables: dict[str, str], raw: dict[str, str], expected: str
) -> None:
    assert find(variables, **raw) == Script(name=expected, folder=CODE)


def test_a_script_baked_into_the_image_runs_in_its_own_folder() -> None:
    found = find({"SAGEMAKER_PROGRAM": "/opt/program/train.py"})
    assert found == Script(name="train.py", folder=Path("/opt/program"))


def test_without_a_name_both_ways_to_give_one_are_told() -> None:
    with pytest.raises(JobFailure, match=r"SAGEMAKER_PROGRAM.*`sagemaker_program`"):
        find({})


@pytest.mark.parametrize("name", ["../train.py", "a/../../b.py", "-c"])
def test_a_name_that_leaves_the_folder_or_is_an_option_is_refused(name: str) -> None:
    with pytest.raises(JobFailure, match="must be a path inside"):
        find({"SAGEMAKER_PROGRAM": name})


def test_kinds_and_their_commands(tmp_path: Path) -> None:
    program, shell = Script("sub/train.py", tmp_path), Script("train.sh", tmp_path)
    binary = Script("train", tmp_path)
    assert program.kind is Kind.PROGRAM
    assert program.command(("-a", "b c")) == (sys.executable, "sub/train.py", "-a", "b c")
    assert binary.kind is Kind.COMMAND
    assert binary.command(("x",))[-2:] == ("./train", "x")
    assert shell.kind is Kind.COMMAND


def test_a_folder_with_setup_py_is_a_package_except_for_the_shell(tmp_path: Path) -> None:
    (tmp_path / "setup.py").touch()
    program = Script("sub/train.py", tmp_path)
    assert program.kind is Kind.PACKAGE
    assert program.command(()) == (sys.executable, "-m", "sub.train")
    assert Script("train.sh", tmp_path).kind is Kind.COMMAND


def test_a_missing_script_is_answered_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "other.py").touch()
    with pytest.raises(JobFailure, match=r"`train\.py` not found in .* found: other\.py"):
        script.require(Script("train.py", tmp_path))
    with pytest.raises(JobFailure, match="the folder .* does not exist"):
        script.require(Script("train.py", tmp_path / "absent"))


def member(name: str, **fields: object) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(found, field, value)
    return found


def test_an_archive_is_unpacked_with_folders_modes_and_inner_links(
    tree: Tree, make_archive: Callable[..., Path]
) -> None:
    archive = make_archive(
        (member("sub", type=tarfile.DIRTYPE, mode=0o755), b""),
        (member("./train.py", mode=0o4755), b"first"),
        (member("sub/link.py", type=tarfile.SYMTYPE, linkname="../train.py"), b""),
        (member("hard.py", type=tarfile.LNKTYPE, linkname="./train.py", mode=0o644), b""),
    )
    code = tree.base / "code"
    source.fetch(str(archive), code, {})
    assert (code / "train.py").stat().st_mode & 0o7777 == 0o755
    assert (code / "sub" / "link.py").read_text() == "first"
    assert (code / "hard.py").read_text() == "first"
    assert not (code / "sub" / "link.py").is_symlink()


@pytest.mark.parametrize(
    "escaping",
    [
        pytest.param(member("../out.py"), id="parent"),
        pytest.param(member("sub/../../out.py"), id="parent further down"),
        pytest.param(member("/out.py"), id="absolute"),
        pytest.param(
            member("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"), id="absolute link"
        ),
        pytest.param(
            member("link", type=tarfile.SYMTYPE, linkname="../../x"), id="link to a parent"
        ),
        pytest.param(
            member("link", type=tarfile.LNKTYPE, linkname="../x"), id="hard link to a parent"
        ),
        pytest.param(member("fifo", type=tarfile.FIFOTYPE), id="named pipe"),
        pytest.param(member("disk", type=tarfile.BLKTYPE), id="device"),
    ],
)
def test_an_archive_with_an_escaping_member_is_refused(
    tree: Tree, make_archive: Callable[..., Path], escaping: tarfile.TarInfo
) -> None:
    archive = make_archive((escaping, b""))
    with pytest.raises(JobFailure, match=r"sourcedir\.tar\.gz holds"):
        source.fetch(str(archive), tree.base / "code", {})
    assert list(tree.base.rglob("*")) == [tree.base / "code"]


def test_an_archive_that_would_fill_the_disk_is_refused(
    tree: Tree, make_archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive((member("small"), bytes(100)), (member("large"), bytes(101)))
    usage = shutil.disk_usage(tree.base)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(JobFailure, match="`large` of 101 bytes, more than the 100 that are free"):
        source.fetch(str(archive), tree.base / "code", {})
    assert [path.name for path in (tree.base / "code").iterdir()] == ["small"]


def test_a_filled_code_folder_is_used_as_it_is(
    tree: Tree, make_archive: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    archive = make_archive((member("train.py"), b"from the archive"))
    tree.write("code/train.py", "baked")
    source.fetch(str(archive), tree.base / "code", {})
    assert tree.read("code/train.py") == "baked"
    assert "is not empty" in capsys.readouterr().out


def test_code_comes_from_a_folder_or_a_single_file(tree: Tree) -> None:
    tree.write("input/data/code/sub/train.py", "text")
    source.fetch(str(tree.base / "input/data/code"), tree.base / "code", {})
    source.fetch(str(tree.base / "input/data/code/sub/train.py"), tree.base / "code2", {})
    assert tree.read("code/sub/train.py") == "text"
    assert tree.read("code2/train.py") == "text"


def test_a_source_that_is_not_there_is_named(tree: Tree) -> None:
    with pytest.raises(JobFailure, match="/absent, which does not exist"):
        source.fetch("/absent", tree.base / "code", {})


def test_a_broken_archive_is_a_job_failure(tree: Tree, make_archive: Callable[..., Path]) -> None:
    archive = make_archive((member("train.py"), bytes(range(256)) * 400))
    archive.write_bytes(archive.read_bytes()[:300])
    with pytest.raises(JobFailure, match="cannot copy"):
        source.fetch(str(archive), tree.base / "code", {})


def test_what_s3_says_is_a_job_failure(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    variables = {"S3_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_REGION": "eu-west-1"}
    with pytest.raises(
        JobFailure, match=r"cannot download s3://bucket/sourcedir\.tar\.gz: Could not"
    ):
        source.fetch("s3://bucket/sourcedir.tar.gz", tree.base / "code", variables)
