"""Python requirements: what images.toml, or a file that it names, may ask pip for.

A requirement stays in the history of the image, so it must not hold a secret.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from buildkit.model import names
from buildkit.support import addresses
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from packaging.requirements import Requirement

SCHEMES = frozenset(
    {"http", "https"}
    | {
        f"{kind}+{over}"
        for kind in ("git", "hg", "svn", "bzr")
        for over in ("http", "https", "ssh")
    }
)
HASHES = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
"""The number of hexadecimal digits of each hash."""
HEX = re.compile("[0-9a-fA-F]+")
EGG = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[A-Za-z0-9._,-]*\])?")
SUBDIRECTORY = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./+-]*")
FRAGMENTS = ("egg", "subdirectory", *HASHES)
"""What pip reads after the `#` of a URL. Anything else may be a token."""
SEPARATORS = re.compile(r"[-_.]+")
MOST_ESCAPES = 5
"""How many times a URL may be percent-encoded."""
TEXT = ".txt"
PACKED = (".whl", ".tar.gz")
LARGEST = 1 << 20
"""The most bytes of a requirements file."""
COMMENT = re.compile(r"(?:^|\s)#.*")
OPTIONS = {
    "copy the lines of that file into this one": ("-r", "--requirement"),
    "put its versions into the requirements, or create a lock": ("-c", "--constraint"),
    "publish the package to an index, or pass its wheel to the build with `--wheels`": (
        "-e",
        "--editable",
    ),
    "write the index into the key `indexes`, or configure pip with `--pip-config` of the build": (
        "-i",
        "--index-url",
        "--extra-index-url",
    ),
    "configure where pip looks with `--pip-config` or `--wheels` of the build": (
        "--no-index",
        "--trusted-host",
        "-f",
        "--find-links",
    ),
}
"""What to do instead of each pip option."""
TOKEN = re.compile(r"token|secret|passw|pwd|sig|auth|credential|key|jwt|sas", re.IGNORECASE)
"""Words of a secret after `#`, where a page has its anchor."""
DEBIAN = re.compile(
    r"[a-z0-9][a-z0-9+.-]+(?::[a-z0-9-]+)?(?:=(?:[0-9]+:)?[0-9][A-Za-z0-9.+~-]*|/[a-z][a-z-]*)?"
)
"""A package with an architecture, a version or a release (deb-version(7), apt-get(8))."""
CRAN = re.compile(
    r"plumber|jsonlite|dplyr|ggplot2|tidyverse|tidyr|readr|stringr|purrr|tibble|caret|glmnet"
    r"|data\.table|httr2?|lubridate|rmarkdown|knitr|shiny|devtools|e1071|zoo|forcats"
)
"""Popular R packages whose plain names Debian does not have."""
ONE_SIGN = re.compile(r"[A-Za-z0-9._-]+(?:\[[^\]]*\])?\s*=\s*[A-Za-z0-9.*+!-]+")
"""A version after `=`, as conda writes it."""
NO_VERSION = "Expected semicolon (after name with no version specifier)"
"""How `packaging` begins its message about what follows a name."""
NAME_WANTED = "a URL needs the package name before it: `name @ https://…`"
VERSION_WANTED = "a name is followed by a version such as `==1.0` or `>=1.0,<2`, or by nothing"
HASH = "--hash"
AS_LOCK = "a file with hashes is a lock: name it with the key `lock`"
OWN_KEY = 'write `requirements = "{}"`'


@cache
def package(text: str) -> str:
    """A requirement, or a package in apt's own form; `ingredients` knows which tool installs it."""
    return text if is_of_apt(text) else requirement(text)


@cache
def is_of_apt(text: str) -> bool:
    """Whether a package has apt's form, and more than a name."""
    return DEBIAN.fullmatch(text) is not None and re.search("[:=/]", text) is not None


@cache
def parsed(text: str) -> Requirement:
    """A PEP 508 requirement, which must not be changed. Raises InvalidRequirement."""
    from packaging import requirements  # noqa: PLC0415 - few need it, and it takes long to load

    return requirements.Requirement(text)


@cache
def requirement(text: str) -> str:
    """The text, if it is a PEP 508 requirement without secrets. Raises ValueError."""
    from packaging.requirements import InvalidRequirement  # noqa: PLC0415 - as above

    if text.startswith(("-r", "--requirement")):
        file = text.removeprefix("--requirement").removeprefix("-r").strip(" =")
        own_key = OWN_KEY.format(addresses.shown(file))
        raise ValueError(f"{addresses.quoted(text)} is a pip option: {own_key}")
    if text.startswith("-"):
        raise ValueError(_option(text))
    try:
        found = parsed(text)
    except InvalidRequirement as error:
        raise ValueError(
            f"{addresses.quoted(text)} is not a Python requirement: {_reason(text, error)}"
        ) from error
    if found.url:
        check_address(found.name, found.url)
    elif found.name.lower().endswith(TEXT):
        raise ValueError(f"{text!r} is a file, not a package: {OWN_KEY.format(text)}")
    elif found.name.lower().endswith(PACKED):
        raise ValueError(
            f"{text!r} is a file, not a package: pass wheels to the build with `--wheels`"
        )
    return text


def _reason(text: str, error: ValueError) -> str:
    """Why a text is no requirement, and what to write."""
    if ONE_SIGN.fullmatch(text):
        return "write `==` instead of `=`"
    reason = addresses.hidden(str(error).splitlines()[0])
    if reason.startswith(NO_VERSION):
        return NAME_WANTED if "://" in text else VERSION_WANTED
    return reason


def debian(text: str) -> str:
    """The text, if it is a package in apt's form. Raises ValueError."""
    name = re.split(r"[\s=/:<>~!]", text, maxsplit=1)[0]
    if CRAN.fullmatch(name.lower()) or name != name.lower():
        raise ValueError(
            f"{name!r} is not a Debian package, and apt installs packages here; R's packages have "
            f"names such as `r-cran-{name.lower().removeprefix('r-cran-')}`"
        )
    if not DEBIAN.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a package that apt accepts: `name`, `name=version` or `name/release`"
        )
    return text


def read(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The requirements of a file in the order of its lines, and what is wrong with other lines."""
    try:
        text = reading.text(path, LARGEST)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        return (), (f"{path.name} cannot be read: {said}",)
    found: list[str] = []
    wrong: list[str] = []
    for number, line in lines(text):
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


def lines(text: str) -> Iterator[tuple[int, str]]:
    """Each requirement with the number of its line. As for pip, a backslash continues a line."""
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
    advice = next((each for each, of in OPTIONS.items() if name in of or short in of), "remove it")
    return f"{addresses.quoted(text)} is a pip option: {advice}"


def decoded(text: str) -> str:
    """A text without percent-encoding, however often it is encoded. Raises ValueError."""
    for _ in range(MOST_ESCAPES):
        if (plain := unquote(text)) == text:
            return text
        text = plain
    raise ValueError(f"percent-encoded more than {MOST_ESCAPES} times")


def check_kept(text: str) -> None:
    """Raise ValueError for a text with a secret in a URL: it would stay in the image for good."""
    for word in text.split():
        try:
            plain = decoded(word)
        except ValueError as error:
            raise ValueError(f"this value has a URL that cannot be checked: {error}") from error
        for each in (word, plain):
            if addresses.has_user(each):
                raise ValueError(
                    "this value holds credentials, which would stay in the image; "
                    f"{addresses.give('those of pip')}"
                )
            end = addresses.end_of(each)
            is_anchor = end.startswith("#") and not TOKEN.search(end)
            if end and not is_anchor and not _is_hash(end):
                raise ValueError(
                    f"this value has a URL with a part after `{end[0]}`, which may be a token and "
                    "would stay in the image; remove that part"
                )


def _is_hash(end: str) -> bool:
    key, _, value = end.removeprefix("#").partition("=")
    return end.startswith("#") and _is_of_pip(key, value) and key in HASHES


def _is_of_pip(key: str, value: str, package: str = "") -> bool:
    """Whether pip reads this after the `#` of a package's URL."""
    if key == "egg":
        match = EGG.fullmatch(value)
        return match is not None and _normal(match["name"]) == _normal(package)
    if key == "subdirectory":
        return SUBDIRECTORY.fullmatch(value) is not None
    return HEX.fullmatch(value) is not None and len(value) == HASHES.get(key)


def _normal(name: str) -> str:
    return SEPARATORS.sub("-", name).lower()


def check_address(package: str, address: str) -> None:
    """Raise ValueError for a URL that holds a secret, or that pip could not reach."""
    whose = f"the URL of {addresses.quoted(package)}" if package else "the URL"
    try:
        plain = decoded(address)
        parts = urlsplit(plain)
        host, _ = parts.hostname, parts.port
        raw = urlsplit(address)
    except ValueError as error:
        if "@" in address:
            raise ValueError(f"{whose} holds credentials; {addresses.give('them')}") from error
        raise ValueError(f"{whose} is not valid") from error
    user, at, _ = (parts.netloc if host else plain).rpartition("@")
    if (at and user != addresses.PUBLIC_USER) or addresses.has_user(parts.path):
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
            f"{whose} ends with `#…`, which may hold a token; allowed are "
            f"{', '.join(FRAGMENTS)}: the package's own name, a folder, whole hashes"
        )
    if parts.scheme not in SCHEMES or not host:
        raise ValueError(
            f"{whose} cannot be reached by a build: write `https://…` or `git+https://…`, or "
            "pass wheels to the build with `--wheels`"
        )
