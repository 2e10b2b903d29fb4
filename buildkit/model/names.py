"""The grammar of names: tags, repositories, image references, versions.

Tags and repositories follow the OCI distribution specification ("Pulling manifests") narrowed by
ECR's CreateRepository (2 to 256 characters).
"""

from __future__ import annotations

import ipaddress
import re
from fnmatch import fnmatchcase
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from buildkit.support.addresses import give, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
LONGEST_TAG = 128
SHORT_DIGEST = len("sha256:") + 12
"""Characters of a digest that people can compare."""
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
REPOSITORY = re.compile(rf"{COMPONENT}(?:/{COMPONENT})*")
REPOSITORY_LETTERS = "lower-case letters, digits, `.`, `_`, `-`, `/`"
SHORTEST_REPOSITORY, LONGEST_REPOSITORY = 2, 256
"""ECR's own limits."""
REGISTRY = re.compile(
    r".+\.amazonaws\.com(?:\.cn)?|.+\.docker\.io|(?:docker|ghcr|gcr|quay)\.io|public\.ecr\.aws|localhost",
    re.IGNORECASE,
)
"""Hosts that people paste, even without a repository name."""
DOMAIN = re.compile(
    r".+\.(?:com|org|net|edu|gov|mil|int|info|biz|io|ai|dev|cloud|tech|aws"
    r"|internal|intranet|local|localdomain|localhost|lan|corp|home|private|test|example|invalid"
    r"|a[tu]|b[er]|c[ahnoz]|d[ek]|e[su]|f[ir]|gr|h[ku]|i[elt]|jp|kr|mx|n[loz]|p[lt]|r[ou]|s[eg]"
    r"|t[rw]|u[aks]|za)",
    re.IGNORECASE,
)
"""The endings of hosts. ECR's names may hold dots, so words that teams use, as in `my.team/app` or
`nlp.ml/app`, are none of these."""
PART = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
"""Of a host."""
HOST = rf"(?:{PART}(?:\.{PART})*|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?"
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*/?")
ARN = re.compile(r"arn:[^/]*:repository/")
"""What comes before the name in the ARN of an ECR repository."""
AFTER_NAME = re.compile(r"(?::(?![^{]*\})[^/@]*(?:@sha256:.*)?|@sha256:.*)$")
"""The tag and the digest of a reference; a `:` inside `{…}` is none."""
LAST_PORT = 65535
ACCOUNT = re.compile(r"[0-9]{12}")
REGION = re.compile(r"[a-z]{2}[a-z-]*-[0-9]{1,2}")
REFERENCE = re.compile(
    rf"(?:{HOST}/)?{COMPONENT}(?:/{COMPONENT})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
INDEX = re.compile(
    r"https?://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~%+-]*)*"
)
"""Only characters that a shell does not interpret."""
ESCAPED = re.compile(r"%(?:25)*(?:40|3a|3f|3b|23)", re.IGNORECASE)
SNAPSHOT = re.compile(r"20[0-9]{6}T[0-9]{6}Z")
MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
LONGEST_IMAGE = 1024
ID = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}")
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]*")
REVISION = re.compile(r"(?P<framework>.+)-(?P<revision>[0-9]+)")
NUMBERS = re.compile(r"(?P<major>[0-9]+)(?:\.(?P<minor>[0-9]+))?")
NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
PYTHON = re.compile(r"3\.[0-9]{1,2}")
PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
PLATFORM = re.compile(r"linux/(?:amd64|arm64)")
ARGUMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
CONTENT_TYPE = re.compile(r"[\w.+-]+/[\w.+*-]+\s*(?:;.*)?", re.ASCII)
LONGEST_HYPERPARAMETER, LONGEST_VALUE, MOST_HYPERPARAMETERS = 256, 2500, 100
"""SageMaker API, CreateTrainingJob: HyperParameters (contract CFG-01)."""
CHANNEL = re.compile(r"(?!\.+$)[A-Za-z0-9._-]{1,64}")
"""A channel's name (SageMaker API, Channel), which also becomes a folder."""
LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?")
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
OWN_HEADERS = ("content-type", "accept")
HOP_HEADERS = ("host", "content-length", "transfer-encoding", "connection", "expect", "upgrade")
PATTERN_WORD = re.compile(r"\{\{|\}\}|\{(?P<word>[^{}]*)\}")
"""A `{word}`; `{{` and `}}` stand for the braces themselves."""


def full(pattern: re.Pattern[str], what: str, text: str) -> str:
    """Return `text` if all of it matches. Raises ValueError saying `what` it is not."""
    if not pattern.fullmatch(text):
        raise ValueError(f"{quoted(text)} is not {what}")
    return text


def tag(text: str) -> str:
    return full(TAG, "a tag (letters, digits, `_`, `.`, `-`; 128 at most)", text)


@cache
def repository(text: str) -> str:
    no_address(text)
    if len(text) < SHORTEST_REPOSITORY:
        raise ValueError(
            f"{quoted(text)} is too short for a repository, whose name has 2 to 256 characters"
        )
    if len(text) > LONGEST_REPOSITORY:
        raise ValueError(
            f"a name of {len(text)} characters is too long for a repository, which has 2 to 256"
        )
    _check_parts(text, text)
    return full(REPOSITORY, f"a repository name ({REPOSITORY_LETTERS})", text)


def _check_parts(text: str, name: str) -> None:
    """Raise ValueError if a name has the right letters, but one of its parts is malformed."""
    for part in name.split("/"):
        if not part:
            raise ValueError(
                f"{quoted(text)} has an empty part; write one `/` between two parts, and none at "
                "the end"
            )
        if re.fullmatch(r"[a-z0-9._-]+", part) and not re.fullmatch(COMPONENT, part):
            raise ValueError(
                f"the part `{part}` of {quoted(text)} must begin and end with a letter or a digit, "
                "with one `.`, one or two `_`, or any number of `-` between two of these"
            )


@cache
def no_address(text: str, end: str = "") -> str:
    """Raise ValueError if a name, or the pattern of one, is part of a URL, an ARN or a reference.

    The error says which part is the name, which may be followed by `end`.
    """
    first, slash, rest = text.partition("/")
    if (before := ARN.match(text)) is not None:
        what, rest = "is an ARN", text[before.end() :]
    elif (before := URL.match(text)) is not None:
        what, rest = "is a URL", text[before.end() :]
    elif REGISTRY.fullmatch(first) or (slash and _is_host(first)):
        what = "begins with a registry's host"
    elif slash and not first:
        what = "begins with a `/`"
    elif AFTER_NAME.search(text):
        what, rest = "ends with a tag or a digest", text
    else:
        return text
    name = AFTER_NAME.sub("", rest).strip("/") + end
    is_name = REPOSITORY.fullmatch(PATTERN_WORD.sub("x", name).removesuffix(end))
    advice = f"write only the name: `{name}`" if is_name else "write only the repository's name"
    raise ValueError(f"{quoted(text)} {what}; {advice}")


def _is_host(first: str) -> bool:
    """A port, an address, or an ending that hosts have. To Docker any word with a dot is one."""
    bare, colon, port = first.partition(":")
    if first.startswith("[") or (colon and port.isdigit()):
        return True
    try:
        return bool(ipaddress.ip_address(bare))
    except ValueError:
        return DOMAIN.fullmatch(bare) is not None


def prefix(text: str) -> str:
    """The prefix of the names of repositories, such as `acme/`."""
    no_address(text, "/" if text.endswith("/") else "")
    if text:
        _check_parts(text, f"{text}x")
    if text and not REPOSITORY.fullmatch(f"{text}x"):
        raise ValueError(
            f"{quoted(text)} cannot begin a repository name ({REPOSITORY_LETTERS}); write it as "
            "`acme/` or `acme-`"
        )
    if len(text) > LONGEST_REPOSITORY - SHORTEST_REPOSITORY:
        raise ValueError(f"a prefix of {len(text)} characters leaves no room: names end at 256")
    return text


def host(text: str) -> str:
    what = "the host name of a registry, such as `123456789012.dkr.ecr.eu-west-1.amazonaws.com`"
    if "@" in text:  # perhaps a password, which is not to be repeated
        raise ValueError(f"a name with `@` is not {what}; remove the part before the `@`")
    _check_port(full(re.compile(HOST), what, text), what)
    address = _bare(text)
    if address.startswith("["):
        try:
            ipaddress.IPv6Address(address[1:-1])
        except ValueError as error:
            raise ValueError(f"{quoted(text)} is not {what}, nor an IPv6 address") from error
    return text


def _bare(host_and_port: str) -> str:
    """A host without its port; an IPv6 address keeps its brackets."""
    return re.sub(r":[0-9]*$", "", host_and_port) if host_and_port[-1:] != "]" else host_and_port


def _check_port(host_and_port: str, what: str) -> None:
    port = host_and_port.removeprefix(_bare(host_and_port)).lstrip(":0")
    if len(port) > len(str(LAST_PORT)) or int(port or 0) > LAST_PORT:
        raise ValueError(f"{host_and_port!r} is not {what}: ports end at {LAST_PORT}")


def is_loopback(registry: str) -> bool:
    """Whether a registry's host is this machine: there, and only there, plain HTTP is spoken."""
    return is_this_machine(_bare(registry).strip("[]"))


def is_this_machine(name: str) -> bool:
    """The same of a host without a port."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def reference(text: str) -> str:
    return full(REFERENCE, "an image reference such as `python:3.11-slim-bookworm`", text)


def image(text: str) -> str:
    """An image of an engine: by a reference, or by its id."""
    if len(text) > LONGEST_IMAGE:
        raise ValueError(f"an image's name of {len(text)} characters is too long")
    return text if ID.fullmatch(text) else reference(text)


def plain(text: str) -> str:
    """Refuse what could start a new line of a Dockerfile: control characters, line separators."""
    bad = next((character for character in text if not character.isprintable()), None)
    if bad is not None:
        raise ValueError(f"{quoted(text)} holds the control character {bad!r}")
    return text


def header(text: str) -> str:
    """The value of a header, which may be empty (RFC 9110, section 5.5)."""
    if not text.isascii():
        raise ValueError(f"{quoted(text)} cannot be sent as a header: it is not ASCII")
    return text


def header_name(text: str) -> str:
    """A header name (RFC 9110, section 5.1) that describes the request, not its transport."""
    if text.lower() in OWN_HEADERS:
        raise ValueError(f"{quoted(text)} is a key of its own beside `headers`")
    if text.lower() in HOP_HEADERS:
        raise ValueError(f"{quoted(text)} is set by the HTTP client")
    return full(HEADER_NAME, "the name of a header (letters, digits, `-`; no spaces)", text)


def content_type(text: str) -> str:
    what = "a content type, which is `type/subtype`, such as `text/csv`"
    return full(CONTENT_TYPE, what, header(text))


def hyperparameter(text: str) -> str:
    if not 1 <= len(text) <= LONGEST_HYPERPARAMETER:
        raise ValueError(
            f"the name of a hyperparameter has 1 to {LONGEST_HYPERPARAMETER} characters in "
            f"SageMaker, not {len(text):,}"
        )
    return text


def hyperparameter_value(text: str) -> str:
    if len(text) > LONGEST_VALUE:
        raise ValueError(
            f"the value of a hyperparameter has {LONGEST_VALUE:,} characters at most in SageMaker, "
            f"not {len(text):,}"
        )
    return text


def variable(text: str) -> str:
    """The value of a variable: any text that a process can be given."""
    if "\0" in text:
        raise ValueError(f"{quoted(text)} holds the character 0, which ends every variable")
    return text


def index(text: str) -> str:
    """The address of a package index, without credentials: the image's history shows it."""
    if "@" in text:  # perhaps a password, which is not to be repeated
        raise ValueError(f"the address of an index holds an `@`; {give('credentials')}")
    if ESCAPED.search(text):
        raise ValueError(
            "the address of an index holds an escaped `@`, `:`, `?`, `;` or `#`; "
            f"{give('credentials')}"
        )
    if set("?#;") & set(text):  # perhaps a token
        raise ValueError(f"the address of an index ends before `?`, `;` and `#`; {give('tokens')}")
    what = "the address of a package index such as `https://packages.example.com/simple`"
    full(INDEX, what, text)
    _check_port(text.partition("://")[2].partition("/")[0], what)
    return text


def split_revision(version: str) -> tuple[str, str]:
    """Split `1.7.2-1` into the framework's version and the revision of the image, "" if none."""
    match = REVISION.fullmatch(version)
    return (match["framework"], match["revision"]) if match else (version, "")


def next_revision(version: str) -> str:
    """The version of the next image of the same framework: `1.7.2-1` after `1.7.2`."""
    framework_version, revision = split_revision(version)
    return f"{framework_version}-{int(revision or 0) + 1}"


@cache
def version_words(version: str) -> Mapping[str, str]:
    """The words of a version for patterns; `major` and `minor` only if it begins with numbers."""
    framework_version, revision = split_revision(version)
    numbers = NUMBERS.match(framework_version)
    words = {"version": version, "framework_version": framework_version, "revision": revision}
    if numbers:
        words |= {word: text for word, text in numbers.groupdict().items() if text}
    return MappingProxyType(words)


def without_plus(text: str) -> str:
    """The spelling in tags, which cannot contain a `+`."""
    return text.replace("+", ".")


def words_of(pattern: str) -> set[str]:
    """The words that a pattern contains."""
    return {match["word"] for match in PATTERN_WORD.finditer(pattern)} - {None}


def expand(pattern: str, words: Mapping[str, str]) -> str:
    """Replace each `{word}`. Not `str.format`, which would reach into attributes."""
    return "".join([words[part] if is_word else part for is_word, part in _parts(pattern)])


@cache
def _parts(pattern: str) -> tuple[tuple[bool, str], ...]:
    """The words of a pattern, which are to be replaced, and the texts between them."""
    found, end = [], 0
    for match in PATTERN_WORD.finditer(pattern):
        brace, word = match[0][0], match["word"]
        found += [(False, pattern[end : match.start()])]
        found += [(False, brace) if word is None else (True, word)]
        end = match.end()
    return (*found, (False, pattern[end:]))


def is_pattern(word: str) -> bool:
    """Whether a word can mean several targets, not only the image or the target of this name."""
    return not {*"*?["}.isdisjoint(word)


def means(pattern: str, name: str, target_id: str) -> bool:
    """Whether a word of a command line means a target: its image's name, or a pattern on ids."""
    return name == pattern or fnmatchcase(target_id, pattern)


def familiar(text: str) -> str:
    """The short form Docker shows: `docker.io/library/python:3.11` is `python:3.11`."""
    return text.removeprefix("docker.io/").removeprefix("library/")


def context(image: str) -> str:
    """The name by which BuildKit looks for a context that replaces an image."""
    return familiar(image.removeprefix("index.docker.io/")).removesuffix(":latest")
