"""Python requirements: what pip may be asked for, by images.toml or a file that it names.

A requirement stays in the image's history, so no secret may be in one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from buildkit.model import names
from buildkit.support import addresses
from buildkit.system import reading

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
HASHES = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
"""Hexadecimal digits of each."""
HEX = re.compile("[0-9a-fA-F]+")
EGG = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[A-Za-z0-9._,-]*\])?")
SUBDIRECTORY = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./+-]*")
FRAGMENTS = ("egg", "subdirectory", *HASHES)
"""What pip reads behind the `#` of an address. Anything else may be a token."""
SEPARATORS = re.compile(r"[-_.]+")
MOST_ESCAPES = 5
"""Times that an address may be percent-encoded."""
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
TOKEN = re.compile(r"token|secret|passw|pwd|sig|auth|credential|key|jwt|sas", re.IGNORECASE)
"""Behind a `#`, where pages have their anchors."""
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
        own_key = OWN_KEY.format(addresses.shown(file))
        raise ValueError(f"{addresses.quoted(text)} is an option of pip: {own_key}")
    if text.startswith("-"):
        raise ValueError(_option(text))
    try:
        parsed = Requirement(text)
    except InvalidRequirement as error:
        reason = addresses.hidden(str(error).splitlines()[0])
        named = "; before an address stands a name: `name @ https://…`" if "://" in text else ""
        raise ValueError(
            f"{addresses.quoted(text)} is not a Python requirement: {reason}{named}"
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
    found: list[str] = []
    wrong: list[str] = []
    for number, line in _lines(text):
        if HASH in line:
            if not any(each.endswith(AS_LOCK) for each in wrong):
                wrong.append(f"{path.name}:{number}: {AS_LOCK}")
            continue
        try:
            found.append(_of_file(line))
        except ValueError as error:
            wrong.append(f"{path.name}:{number}: {error}")
    return tuple(found), tuple(wrong)


def _of_file(line: str) -> str:
    if line.startswith("-"):
        raise ValueError(_option(line))
    return requirement(names.plain(line))


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
    return f"{addresses.quoted(text)} is an option of pip: {advice}"


def decoded(text: str) -> str:
    """A text without percent-encoding, however often it is encoded. Raises ValueError."""
    for _ in range(MOST_ESCAPES):
        if (plain := unquote(text)) == text:
            return text
        text = plain
    raise ValueError("it is percent-encoded again and again")


def check_kept(text: str) -> None:
    """Raise ValueError for a text with a secret in an address: it stays in the image for good."""
    for word in text.split():
        try:
            plain = decoded(word)
        except ValueError as error:
            raise ValueError(f"it holds an address that cannot be judged: {error}") from error
        for each in (word, plain):
            if addresses.has_user(each):
                raise ValueError(
                    "it holds credentials, which would stay in the image; "
                    f"{addresses.give('those of pip')}"
                )
            end = addresses.end_of(each)
            is_anchor = end.startswith("#") and not TOKEN.search(end)
            if end and not is_anchor and not _is_hash(end):
                raise ValueError(
                    f"it holds an address that goes on behind `{end[0]}`, which may be a token and "
                    "would stay in the image; end it before"
                )


def _is_hash(end: str) -> bool:
    key, _, value = end.removeprefix("#").partition("=")
    return end.startswith("#") and _is_of_pip(key, value) and key in HASHES


def _is_of_pip(key: str, value: str, package: str = "") -> bool:
    """Whether pip reads this behind the `#` of the address of a package."""
    if key == "egg":
        match = EGG.fullmatch(value)
        return match is not None and _normal(match["name"]) == _normal(package)
    if key == "subdirectory":
        return SUBDIRECTORY.fullmatch(value) is not None
    return HEX.fullmatch(value) is not None and len(value) == HASHES.get(key)


def _normal(name: str) -> str:
    return SEPARATORS.sub("-", name).lower()


def check_address(package: str, address: str) -> None:
    """Raise ValueError for an address with a secret in it, or one that pip could not reach."""
    whose = f"the address of {addresses.quoted(package)}" if package else "the address"
    try:
        plain = decoded(address)
        parts = urlsplit(plain)
        host, _ = parts.hostname, parts.port
        raw = urlsplit(address)
    except ValueError as error:
        if "@" in address:
            raise ValueError(f"{whose} holds credentials; {addresses.give('them')}") from error
        raise ValueError(f"{whose} is no URL") from error
    if "@" in (parts.netloc if host else plain) or addresses.has_user(parts.path):
        raise ValueError(f"{whose} holds credentials; {addresses.give('them')}")
    for end, text in (("?", parts.query), (";", parts.path.partition(";")[2])):
        if text:
            raise ValueError(
                f"{whose} ends with `{end}…`, which may hold a token; {addresses.give('tokens')}"
            )
    if raw.fragment != parts.fragment or not all(
        _is_of_pip(key, value, package.partition("[")[0].strip())
        for key, _, value in (pair.partition("=") for pair in parts.fragment.split("&") if pair)
    ):
        raise ValueError(
            f"{whose} ends with `#…`, which may hold a token; pip reads "
            f"{', '.join(FRAGMENTS)} there: the package's own name, a folder, hashes in full"
        )
    if parts.scheme not in SCHEMES or not host:
        raise ValueError(
            f"{whose} cannot be reached by a build: write `https://…` or `git+https://…`, or "
            "give wheels to the build with `--wheels`"
        )
