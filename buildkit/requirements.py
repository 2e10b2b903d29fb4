"""Python requirements: what pip may be asked for, by images.toml or a file that it names.

A requirement stays in the image's history, so no secret may be in one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from buildkit import names, reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMES = frozenset(
    {"http", "https"}
    | {
        f"{kind}+{over}"
        for kind in ("git", "hg", "svn", "bzr")
        for over in ("http", "https", "ssh")
    }
)
FRAGMENTS = frozenset(
    {"egg", "subdirectory", "md5", "sha1", "sha224", "sha256", "sha384", "sha512"}
)
"""What pip reads behind the `#` of an address. Anything else may be a token."""
USERINFO = re.compile(r"(/{2,}|\\{2,})[^\s'\"`]*@")
QUERY = re.compile(r"(//[^\s?'\"`]*)\?[^\s#'\"`]+")
BARE_QUERY = re.compile(r"\?[^\s#'\"`]+")
FRAGMENT = re.compile(r"(://\S*)#\S+")
PASSWORD = re.compile(r"[^/@:\s]+:[^/@\s]+@")
TEXT = ".txt"
PACKED = (".whl", ".tar.gz")
LARGEST = 1 << 20
"""Bytes of a file of requirements."""
COMMENT = re.compile(r"(?:^|\s)#.*")
OPTIONS = {
    "write the lines of that file into this one": ("-r", "--requirement"),
    "write its versions into the requirements, or make a lock": ("-c", "--constraint"),
    "publish the package to an index, or give its wheel to the build with `--wheels`": (
        "-e",
        "--editable",
    ),
    "where pip looks is said to the build, with `--pip-config` or `--wheels`": (
        "-i",
        "--index-url",
        "--extra-index-url",
        "--no-index",
        "--trusted-host",
        "-f",
        "--find-links",
    ),
}
"""What to do in the place of an option of pip."""
DEBIAN = re.compile(
    r"[a-z0-9][a-z0-9+.-]+(?::[a-z0-9-]+)?(?:=(?:[0-9]+:)?[0-9][A-Za-z0-9.+~-]*|/[a-z][a-z-]*)?"
)
"""A package with an architecture, a version or a release (deb-version(7), apt-get(8))."""
CRAN = re.compile(
    r"plumber|jsonlite|dplyr|ggplot2|tidyverse|tidyr|readr|stringr|purrr|tibble|caret|glmnet"
    r"|data\.table|httr2?|lubridate|rmarkdown|knitr|shiny|devtools|e1071|zoo|forcats"
)
"""Packages of R that people ask for, and whose names are none of Debian's."""
HASH = "--hash"
AS_LOCK = "it has hashes, so it is a lock: name it with the key `lock`"
OWN_KEY = 'write `requirements = "{}"`'
TOKENS = "give tokens to the build with `--pip-config`, where they leave no trace"
NO_TRACE = "give them to the build with `--pip-config`, where they leave no trace"


def package(text: str) -> str:
    """A requirement, or a package in a form of apt's own; `ingredients` knows who installs."""
    return text if is_of_apt(text) else requirement(text)


def is_of_apt(text: str) -> bool:
    """Whether a package has more than a name, in apt's form."""
    return DEBIAN.fullmatch(text) is not None and re.search("[:=/]", text) is not None


def requirement(text: str) -> str:
    """A PEP 508 requirement without secrets, as it is. Raises ValueError."""
    from packaging.requirements import (  # noqa: PLC0415 - few need it, and it takes long to load
        InvalidRequirement,
        Requirement,
    )

    if text.startswith(("-r", "--requirement")):
        file = text.removeprefix("--requirement").removeprefix("-r").strip(" =")
        raise ValueError(f"{text!r} is an option of pip: {OWN_KEY.format(file)}")
    if text.startswith("-"):
        raise ValueError(_option(text))
    try:
        parsed = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        named = "; before an address stands a name: `name @ https://…`" if "://" in text else ""
        raise ValueError(
            f"{_shown(text)!r} is not a Python requirement: {reason}{named}"
        ) from error
    if parsed.url:
        check_address(parsed.name, parsed.url)
    elif parsed.name.lower().endswith(TEXT):
        raise ValueError(f"{text!r} is a file, not a package: {OWN_KEY.format(text)}")
    elif parsed.name.lower().endswith(PACKED):
        raise ValueError(
            f"{text!r} is a file, not a package: give wheels to the build with `--wheels`"
        )
    return text


def debian(text: str) -> str:
    """A package that apt can be asked for. Raises ValueError."""
    name = re.split(r"[\s=/:<>~!]", text, maxsplit=1)[0]
    if CRAN.fullmatch(name.lower()) or name != name.lower():
        raise ValueError(
            f"{name!r} is no package of Debian, which apt installs here; R's packages are there as "
            f"`r-cran-{name.lower()}`"
        )
    if not DEBIAN.fullmatch(text):
        raise ValueError(
            f"{text!r} is not apt's form of a package: `name`, `name=version` or `name/release`"
        )
    return text


def read(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The requirements of a file in the order of its lines, and what is wrong with the others."""
    try:
        text = reading.text(path, LARGEST)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        return (), (f"{path.name} cannot be read: {said}",)
    found, wrong = [], []
    for number, line in _lines(text):
        if HASH in line:
            return (), (f"{path.name}:{number}: {AS_LOCK}",)
        try:
            found.append(_of_file(line))
        except ValueError as error:
            wrong.append(f"{path.name}:{number}: {error}")
    return tuple(found), tuple(wrong)


def _of_file(line: str) -> str:
    if line.startswith("-"):
        raise ValueError(_option(line))
    return requirement(names.plain(line))


def without_secrets(text: str) -> str:
    """A text for a message: what may be a password or a token in its addresses is left out."""
    without = QUERY.sub(r"\1?…", USERINFO.sub(r"\1…@", text))
    return FRAGMENT.sub(r"\1#…", without)


def _shown(text: str) -> str:
    """The same of what should be a requirement, also where no address begins with `//`."""
    return BARE_QUERY.sub("?…", PASSWORD.sub("…@", without_secrets(text)))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Each requirement with the number of its line; a backslash continues one, as pip has it."""
    whole, begun = "", 0
    for number, line in enumerate([*text.splitlines(), ""], 1):
        begun = begun if whole else number
        whole += COMMENT.sub("", line)
        if whole.endswith("\\"):
            whole = whole[:-1]
            continue
        if whole.strip():
            yield begun, " ".join(whole.split())
        whole = ""


def _option(text: str) -> str:
    name = re.split(r"[\s=]", text, maxsplit=1)[0]
    short = "" if name.startswith("--") else name[:2]  # `-rfile` is an option with its value
    advice = next(
        (each for each, of in OPTIONS.items() if name in of or short in of), "leave it out"
    )
    return f"{_shown(text)!r} is an option of pip: {advice}"


def check_address(package: str, address: str) -> None:
    """Raise ValueError for an address with a secret in it, or one that pip could not reach."""
    whose = f"the address of {package!r}"
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError as error:
        raise ValueError(f"{whose} is no URL") from error
    if "@" in (parts.netloc if host else address) or PASSWORD.search(parts.path):
        raise ValueError(f"{whose} holds credentials; {NO_TRACE}")
    if parts.query:
        raise ValueError(f"{whose} ends with `?…`, which may hold a token; {TOKENS}")
    if not {key for key, _ in parse_qsl(parts.fragment, keep_blank_values=True)} <= FRAGMENTS:
        raise ValueError(
            f"{whose} ends with `#…`, which may hold a token; pip reads "
            f"{', '.join(sorted(FRAGMENTS))} there"
        )
    if parts.scheme not in SCHEMES or not host:
        raise ValueError(
            f"{whose} is none that a build can reach: `https://…` or `git+https://…` is wanted; "
            "give wheels to the build with `--wheels`"
        )
