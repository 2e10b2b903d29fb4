from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkit.config import locks
from buildkit.support import manual
from buildkit.support.errors import ConfigError
from tests.support.projects import MINIMAL, target

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
# made by a tool
--index-url https://example.com/simple
--only-binary :all:

six==1.17.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via -r requirements.in
other==1.0 ; python_version < "3.12" --hash=sha256:cc  # why
"""
LOCKED = (
    MINIMAL + 'pythons = ["3.11"]\nlock = "locks/{name}-{framework_version}-{device}-{py}.txt"\n'
)
NAME = "demo-1.0-cpu-py311.txt"


def write(folder: Path, text: str) -> Path:
    path = folder / "locks" / NAME
    path.parent.mkdir()
    path.write_text(text)
    return path


def problem(text: str, folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        target(text, folder)
    return caught.value.details


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("six==1.17.0", "six==1.17.0", id="none"),
        pytest.param("six==1.17.0  # --hash=sha256:aa", "six==1.17.0", id="in a comment"),
        pytest.param("six==1.17.0 \\\n    # via x\n", "six==1.17.0", id="continued to a comment"),
        pytest.param(
            "six @ git+https://e.example/six", "six @ git+https://e.example/six", id="git"
        ),
        pytest.param("./six.whl", "./six.whl", id="a file"),
    ],
)
def test_the_first_line_without_a_hash_is_named(tmp_path: Path, line: str, said: str) -> None:
    write(tmp_path, f"{GOOD}{line}\nlast==1\n")
    assert problem(LOCKED, tmp_path) == (
        f"images.toml:6: image.demo.lock: {NAME}:10: `{said}` has no hash; create the lock with "
        f"`--generate-hashes`: {manual.page('images-toml', 'a-lock')}"
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("x @ https://me:hunter2@h/x.whl --hash=sha256:aa", "the URL of 'x' holds credentials"),
        ("x @ https://h/x.whl?token=hunter2 \\\n  --hash=sha256:aa", "may hold a token"),
        ("x @ file:///x.whl --hash=sha256:aa", "cannot be reached by a build"),
        ("x @ https://me:hunter2@h/x.whl", "the URL of 'x' holds credentials"),
        ("x@ https://me:hunter2@h/x.whl --hash=sha256:aa", "the URL of 'x' holds credentials"),
        ("x@https://h/x;a=hunter2 --hash=sha256:aa", "ends with `;…`"),
        ("//me:hunter2@h/x.whl --hash=sha256:aa", "the URL holds credentials"),
        ("--index-url https://me:hunter2@h/simple", "the URL holds credentials"),
        ("--extra-index-url=https://h/simple?key=hunter2", "the URL holds credentials"),
        ("git+https://me:hunter2@h/x", "the URL holds credentials"),
    ],
)
def test_a_lock_holds_no_secret(tmp_path: Path, line: str, said: str) -> None:
    """pip writes the address of a package into the image."""
    write(tmp_path, f"{GOOD}{line}\n")
    found = problem(LOCKED, tmp_path)
    assert found.startswith(f"images.toml:6: image.demo.lock: {NAME}:10: ")
    assert said in found
    assert "hunter2" not in found


def test_a_lock_with_the_line_ends_of_windows_is_one(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    path.write_bytes(GOOD.replace("\n", "\r\n").encode())
    assert target(LOCKED, tmp_path).lock == str(path)


def test_each_target_has_the_lock_that_the_pattern_says(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    found = target(LOCKED, tmp_path)
    assert found.lock == str(path)
    assert found.recipe.lock == NAME  # the same in another checkout
    assert target().lock is None


def test_an_override_has_a_lock_of_its_own(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    override = f'[[image.demo.override]]\nwhen = {{ version = "1.*" }}\nlock = "locks/{NAME}"\n'
    assert target(MINIMAL + override, tmp_path).lock == str(path)


def test_no_lock_can_be_wanted_and_an_override_may_want_one(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    found = target(MINIMAL + "lock = false\n", tmp_path)
    assert (found.lock, found.lockable) == (None, False)
    override = f'[[image.demo.override]]\nwhen = {{ version = "1.*" }}\nlock = "locks/{NAME}"\n'
    found = target(MINIMAL + "lock = false\n" + override, tmp_path)
    assert (found.lock, found.lockable) == (str(path), True)


@pytest.mark.parametrize("written", ["true", "3", '["a"]', "{ a = 1 }"])
def test_what_is_neither_a_file_nor_false_is_a_problem(tmp_path: Path, written: str) -> None:
    found = problem(MINIMAL + f"lock = {written}\n", tmp_path)
    assert found.startswith("images.toml:5: image.demo.lock: expected a file or `false`, found ")


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("none.txt", "'none.txt' not found in "),
        ("locks", "'locks' is a folder, not a file"),
        ("locks/a,b.txt", "'a,b.txt' is not the name of a lock"),
        ("{nosuch}.txt", "unknown word {nosuch}"),
    ],
)
def test_a_lock_that_cannot_be_used_is_a_problem_of_its_line(
    tmp_path: Path, lock: str, wanted: str
) -> None:
    write(tmp_path, GOOD)
    found = problem(MINIMAL + f'lock = "{lock}"', tmp_path)
    assert found.startswith("images.toml:5: image.demo.lock: ")
    assert wanted in found


def test_what_is_no_text_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=f"{NAME} cannot be read"):
        locks.check(str(path))


PYLOCK = """\
lock-version = "1.0"
created-by = "uv"

[[packages]]
name = "six"
version = "1.17.0"
marker = "python_version < '3.12'"
sdist = { url = "https://e.example/six-1.17.0.tar.gz", hashes = { sha256 = "cc" } }
wheels = [
    { url = "https://e.example/six-1.17.0-py3-none-any.whl", hashes = { sha256 = "bb", md5 = "dd" } },
    { url = "https://e.example/six-1.17.0-py2-none-any.whl", hashes = { sha256 = "aa" } },
]

[[packages]]
name = "old"
version = "1.0"
sdist = { url = "https://e.example/old-1.0.tar.gz", hashes = { sha256 = "ee" } }

[[packages]]
name = "own"
archive = { url = "https://e.example/own.zip", subdirectory = "python", hashes = { sha512 = "ff" } }
"""


def test_a_pylock_becomes_the_lines_that_pip_of_any_age_reads(tmp_path: Path) -> None:
    path = tmp_path / "pylock.toml"
    path.write_text(PYLOCK)
    found = target(MINIMAL + 'lock = "pylock.toml"\n', tmp_path)
    assert found.lock == str(path)
    assert found.lock_file == "pylock.toml"
    assert locks.read(path) == (
        "--only-binary :all:\n"
        "--no-binary old\n"
        'six==1.17.0 ; python_version < "3.12" \\\n'
        "    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "old==1.0 \\\n    --hash=sha256:ee\n"
        "own @ https://e.example/own.zip#subdirectory=python \\\n    --hash=sha512:ff\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('lock-version = "1.0"', "", "not a pylock.toml (PEP 751): Missing required"),
        ('lock-version = "1.0"', "lock-version", "pylock.toml:1: not TOML"),
        ('sha256 = "ee"', 'md5 = "ee"', "`old`: no hash that pip accepts: sha256"),
        ("python_version < '3.12'", "'x' in extras", "`six`: its marker asks for extras"),
        ("e.example/own", "me:hunter2@e.example/own", "the URL of 'own' holds credentials"),
        (
            'version = "1.0"\nsdist = { url',
            'vcs = { type = "git", url = "https://e.example/x", commit-id = "1" }\nnot = { url',
            "`old`: not a release in an index nor a file with a URL",
        ),
    ],
)
def test_a_pylock_that_pip_could_not_install_by_hashes_is_a_problem(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in PYLOCK
    (tmp_path / "pylock.toml").write_text(PYLOCK.replace(old, new, 1))
    found = problem(MINIMAL + 'lock = "pylock.toml"\n', tmp_path)
    assert found.startswith("images.toml:5: image.demo.lock: pylock.toml:")
    assert said in found
    assert "hunter2" not in found
