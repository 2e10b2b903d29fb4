"""A lock of Python packages: what can be told of it without pip, before anything is built."""

from __future__ import annotations

import re
from pathlib import Path

from buildkit import boundary, manual, names

FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")
"""What stands in an option of a Dockerfile without quotes."""
WHOLE_LINE = re.compile(r"(?:.*\\\n)*.+")
"""A line of a requirements file, with those that it is continued on."""
COMMENT = re.compile(r"(?:^|\s)#.*", re.MULTILINE)
OPTION = "-"
HASH = "--hash="


def check_name(path: str) -> str:
    """The path of a lock whose name fits into a Dockerfile. Raises ValueError."""
    what = "the name of a lock (letters, digits, `.`, `_`, `+`, `-`)"
    names.full(FILE_NAME, what, Path(path).name)
    return path


def check(path: str) -> str:
    """The path of a lock in which each package has a hash. Raises ValueError."""
    lock = Path(path)
    try:
        text = boundary.read_text(lock)
    except (OSError, ValueError) as error:
        raise ValueError(f"{lock.name} cannot be read: {error}") from error
    _each_with_hash(lock.name, text)
    return path


def _each_with_hash(name: str, text: str) -> None:
    for match in WHOLE_LINE.finditer(text):
        said = COMMENT.sub("", match[0]).strip()
        if said and HASH not in said and not said.startswith(OPTION):
            line = text.count("\n", 0, match.start()) + 1
            package = said.partition("\\")[0].strip()
            raise ValueError(
                f"{name}:{line}: `{package}` has no hash; make the lock with `--generate-hashes`: "
                f"{manual.page('images-toml', 'a-lock')}"
            )
