"""The cases are those of github.com/moby/patternmatcher, which BuildKit uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkit.render import dockerignore

if TYPE_CHECKING:
    from pathlib import Path


def ignores(path: str, *patterns: str) -> bool:
    return not dockerignore.parsed("\n".join(patterns)).sees(path)


@pytest.mark.parametrize(
    ("pattern", "path", "ignored"),
    [
        ("**", "file", True),
        ("**", "dir/file", True),
        ("**/", "dir/file", True),
        ("**/**", "dir/file", True),
        ("dir/**", "dir/file", True),
        ("dir/**", "dir/dir2/file", True),
        ("dir/**", "dir", False),
        ("**/dir2/*", "dir/dir2/file", True),
        ("**/dir2/**", "dir/dir2/dir2/file", True),
        ("**file", "file", True),
        ("**file", "dir/file", True),
        ("**file", "dir/myfile", True),
        ("**/file", "dir/dir/file", True),
        ("**/file", "myfile", False),
        ("**/file*", "dir/dir/file.txt", True),
        ("**/file*txt", "dir/dir/file.txt", True),
        ("**/**/*.txt", "file.txt", True),
        ("a**/*.txt", "a/dir/dir/file.txt", True),
        ("a/*.txt", "a/dir/file.txt", False),
        ("a/*.txt**", "a/file.txt", True),
        ("a[b-d]e", "ae", False),
        ("a[b-d]e", "ace", True),
        ("a[^b-d]e", "aze", True),
        ("a[!b]e", "a!e", True),
        ("a[!b]e", "aze", False),
        ("a[[]e", "a[e", True),
        (".*", ".foo", True),
        (".*", "foo", False),
        ("abc.def", "abcZdef", False),
        ("abc?def", "abcZdef", True),
        ("abc?def", "abcdef", False),
        ("a\\\\", "a\\", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("**/foo/bar", "dir/dir2/foo/bar", True),
        ("a(b)c/def", "a(b)c/def", True),
        ("a.|)$(}+{bc", "a.|)$(}+{bc", True),
        ("a*", "ab/c", True),
        ("a*/b", "a/c/b", False),
        ("a[", "a[", False),
        ("a?b", "a☺b", True),
        ("a*b", "a/b", False),
        ("README", "readme", False),
        ("*.CSV", "data.csv", False),
        ("**/cache", "a/b/cache/x", True),
        ("./a//b/../c/", "a/c", True),
        ("/a", "a", True),
        ("  a  ", "a/b", True),
        ("# a", "# a", False),
        ("\ufeffa", "a", True),
        ("*", ".dockerignore", False),
    ],
)
def test_a_pattern(pattern: str, path: str, ignored: bool) -> None:
    assert ignores(path, pattern) is ignored


@pytest.mark.parametrize(
    ("patterns", "path", "ignored"),
    [
        (["**", "!util/docker/web"], "util/docker/web/foo", False),
        (["**", "!util/docker/web", "util/docker/web/foo"], "util/docker/web/foo", True),
        (["**", "!dist/*.whl"], "dist/a-1.0+g08-py3-none-any.whl", False),
        (["*", "!**/*.py"], "src/a.py", False),
        (["*", "!**/*.py"], "src/a.txt", True),
        (["*", "! src"], "src/a.py", False),
        (["!src", "*"], "src/a.py", True),
        (["a", "!a/b", "a"], "a/b", False),
        (["*", "!"], "a", True),
        ([], "a", False),
    ],
)
def test_the_last_pattern_that_matches_decides(
    patterns: list[str],
    path: str,
    ignored: bool,
) -> None:
    assert ignores(path, *patterns) is ignored


@pytest.mark.parametrize(
    ("patterns", "seen"),
    [
        ([], [".dockerignore", "Data", "Data/x.csv", "src", "src/a.py", "src/lib", "src/lib/b.py"]),
        (["*"], [".dockerignore"]),
        (["*", "!**/*.py"], [".dockerignore", "src/a.py", "src/lib/b.py"]),
        (["*", "!src/lib/**"], [".dockerignore", "src/lib/b.py"]),
        (["data", "src/*"], [".dockerignore", "Data", "Data/x.csv", "src"]),
    ],
)
def test_a_folder(tmp_path: Path, patterns: list[str], seen: list[str]) -> None:
    for name in ("Data/x.csv", "src/a.py", "src/lib/b.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    (tmp_path / ".dockerignore").write_text("\n".join(patterns))
    found = dockerignore.parsed("\n".join(patterns))
    assert found.seen(tmp_path) == seen
    assert all(found.sees(name) for name in seen)
