"""A lock of Python packages: what can be checked without pip, before anything is built."""

from __future__ import annotations

import re
from pathlib import Path

from buildkit.config import requirements
from buildkit.model import names
from buildkit.support import addresses, manual
from buildkit.system import reading

FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")
"""A name that a Dockerfile option takes without quotes."""
WHOLE_LINE = re.compile(r"(?:.*\\\n)*.+")
"""A line of a requirements file, with its continuation lines."""
COMMENT = re.compile(r"(?:^|\s)#.*", re.MULTILINE)
OPTION = "-"
HASH = "--hash="
AT_ADDRESS = re.compile(r"(?P<name>[^@/:;]*?)@?\s*(?P<address>[^@/:;\s]*(?:[/\\]{2}|:)\S*)")
"""A URL, with or without the name of its package before it."""


def check_name(path: str) -> str:
    """The path, if the name of the lock fits into a Dockerfile. Raises ValueError."""
    what = "the name of a lock (letters, digits, `.`, `_`, `+`, `-`)"
    names.full(FILE_NAME, what, Path(path).name)
    return path


def check(path: str) -> str:
    """The path, if each package of the lock has a hash. Raises ValueError."""
    lock = Path(path)
    try:
        text = reading.text(lock)
    except (OSError, ValueError) as error:
        raise ValueError(f"{lock.name} cannot be read: {error}") from error
    for match in WHOLE_LINE.finditer(text):
        try:
            _check_line(COMMENT.sub("", match[0]).strip())
        except ValueError as error:
            line = text.count("\n", 0, match.start()) + 1
            raise ValueError(f"{lock.name}:{line}: {error}") from error
    return path


def _check_line(said: str) -> None:
    """Raise ValueError for a package without a hash, or a URL with a secret."""
    if said.startswith(OPTION):
        if addresses.hidden(said) != said:
            raise ValueError(f"the URL holds credentials; {addresses.give('them')}")
    elif said:
        package = said.partition("\\")[0].partition(HASH)[0].strip()
        if match := AT_ADDRESS.match(package):
            requirements.check_address(match["name"].strip(), match["address"])
        if HASH not in said:
            raise ValueError(
                f"`{addresses.shown(package)}` has no hash; create the lock with "
                f"`--generate-hashes`: {manual.page('images-toml', 'a-lock')}"
            )
