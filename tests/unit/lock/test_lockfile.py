from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from buildkit.lock import lockfile
from buildkit.lock.lockfile import Lock, Locked
from buildkit.model.target import Pins
from buildkit.support.errors import ConfigError
from tests.support.projects import target

if TYPE_CHECKING:
    from pathlib import Path

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
DEMO = "demo-1.0-cpu-py311"
LOCK = Lock(
    bases={"python:3.11-slim": A},
    targets={DEMO: Locked(made_from=B, packages=("numpy==2.3.1", "six==1.17.0"))},
    hashes={"numpy==2.3.1": (A, B), "six==1.17.0": (A,), "unused==1": (A,)},
)
TEXT = f"""\
# Written by `buildkit lock`, for `buildkit build`. Commit this file.

format = 1

[bases]
"python:3.11-slim" = "{A}"

[target."{DEMO}"]
made-from = "{B}"
packages = [
    "numpy==2.3.1",
    "six==1.17.0",
]

[hashes]
"numpy==2.3.1" = [
    "{A}",
    "{B}",
]
"six==1.17.0" = [
    "{A}",
]
"""


def test_a_lock_is_written_sorted_one_entry_per_line_without_unused_hashes() -> None:
    assert lockfile.text(LOCK) == TEXT


def test_what_is_written_is_read() -> None:
    read = lockfile.parsed(TEXT)
    assert lockfile.text(read) == TEXT
    assert lockfile.parsed(lockfile.text(Lock())) == Lock()


def test_pip_gets_the_packages_of_one_target_with_their_hashes() -> None:
    assert LOCK.requirements(replace(target(), id="other")) is None
    assert LOCK.requirements(target()) == (
        "--only-binary :all:\n"
        f"numpy==2.3.1 \\\n    --hash={A} \\\n    --hash={B}\n"
        f"six==1.17.0 \\\n    --hash={A}\n"
    )


def test_pip_builds_only_what_the_image_allows() -> None:
    found = LOCK.requirements(replace(target(), source_builds=("six",))) or ""
    assert found.startswith("--only-binary :all:\n--no-binary six\nnumpy==2.3.1 ")


def test_a_target_is_pinned_by_its_id_and_its_base() -> None:
    (pinned,) = LOCK.pinned([target()])
    assert pinned.pins.base == A
    assert pinned.pins.packages is not None
    assert pinned.lock_file == "images.lock"
    other = replace(target(), id="other", base="debian")
    assert LOCK.pinned([other])[0].pins == Pins()


def test_an_own_lock_replaces_the_packages_and_not_the_base() -> None:
    own = replace(target(), lock="/locks/demo.txt")
    assert LOCK.pinned([own])[0].pins == Pins(base=A)


def test_packages_that_cannot_be_locked_leave_only_the_base_pinned() -> None:
    (pinned,) = LOCK.pinned([replace(target(), lockable=False)])
    assert pinned.pins == Pins(base=A)
    assert pinned.lock_file is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format = 1", "format = 2", "3: expected `format = 1`, found `2`"),
        ("format = 1", "format = true", "3: expected `format = 1`, found `True`"),
        ("format = 1", "format = 1.0", "3: expected `format = 1`, found `1.0`"),
        (f'slim" = "{A}"', 'slim" = "latest"', "6: `latest` is not a digest"),
        (f'made-from = "{B}"', "", "8: `None` is not a digest"),
        ('    "six==1.17.0",', '    "six==1.16.0",', "12: `six==1.16.0` has no entry in [hashes]"),
        ('    "six==1.17.0",', "    7,", "12: `7` is not a text"),
        ('"six==1.17.0" = [', '"six --index-url https://e.example" = [', "20: 'six --index-url"),
        ('"six==1.17.0" = [', '"six; os_name == \'\\n-i x\'" = [', "20: "),
        (f'"{B}",\n]\n"six', '"md5:1",\n]\n"six', "18: `md5:1` is not a hash"),
        ("[hashes]", "<<<<<<< HEAD\n[hashes]", "15: git left a merge conflict here"),
        ("[bases]", "[bases", "5: not TOML"),
    ],
)  # fmt: skip
def test_what_is_no_lock_is_an_error_with_its_line(old: str, new: str, said: str) -> None:
    assert old in TEXT
    with pytest.raises(ConfigError) as caught:
        lockfile.parsed(TEXT.replace(old, new, 1))
    assert caught.value.message.startswith(f"images.lock:{said}")


def test_no_file_is_no_lock(tmp_path: Path) -> None:
    assert lockfile.read(tmp_path / "images.lock") is None


@pytest.mark.process
def test_git_merges_the_changes_of_different_targets(tmp_path: Path) -> None:
    """Two branches that each upgrade another target; the packages lie apart."""
    both = {
        id_: Locked(made_from=B, packages=(f"a{number}==1", f"z{number}==1"))
        for number, id_ in enumerate(("one", "two"))
    }
    before = Lock(
        targets=both,
        hashes={f"{letter}{n}=={v}": (A,) for letter in "az" for n in (0, 1) for v in (1, 2)},
    )
    texts = [lockfile.text(before)]
    for id_, number in (("one", 0), ("two", 1)):
        changed = Locked(made_from=B, packages=(f"a{number}==2", f"z{number}==2"))
        texts.append(lockfile.text(replace(before, targets={**both, id_: changed})))
    for name, text in zip(("base", "ours", "theirs"), texts, strict=True):
        (tmp_path / name).write_text(text)
    merged = subprocess.run(
        ["git", "merge-file", "-p", "ours", "base", "theirs"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    found = lockfile.parsed(merged.stdout).targets
    assert {id_: each.packages for id_, each in found.items()} == {
        "one": ("a0==2", "z0==2"),
        "two": ("a1==2", "z1==2"),
    }
