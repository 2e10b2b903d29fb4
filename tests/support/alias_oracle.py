"""docs/reference/aliases.md, rule by rule and as plain as can be. Shares nothing with buildkit.

For the tag `{version}-cpu-py311` and these aliases, without the same end: `{major}.{minor}`, `{major}`
and `latest` (FULL), or only `latest`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Newer = Callable[[str, str], bool]
SUFFIX = "-cpu-py311"
FULL = True
REFUSED = "refused"

SEMANTIC = re.compile(  # semver.org, the last question of its FAQ
    r"(?P<core>(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*))"
    r"(?:-(?P<pre>(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)
PYTHON = re.compile(  # PEP 440, appendix B
    r"v?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<pre_number>\d*))?"
    r"(?P<post>-\d+|[-_.]?(?:post|rev|r)[-_.]?\d*)?"
    r"(?P<dev>[-_.]?dev[-_.]?\d*)?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?",
    re.IGNORECASE,
)


def expected(alias: str, tags: list[str], held_back: set[str], full: bool = FULL) -> str | None:
    """The tag that `alias` belongs at, REFUSED, or None if no tag is left for it."""
    found = candidates(alias, tags, held_back, full)
    if not found:
        return None
    newer = order_of(found)
    return newest(found, newer) if newer else REFUSED


def candidates(alias: str, tags: list[str], held_back: set[str], full: bool = FULL) -> list[str]:
    return [
        tag
        for tag in set(tags)
        if is_exact(tag, full)
        and alias in aliases_of(version_of(tag), full)
        and tag not in held_back
    ]


def order_of(tags: list[str]) -> Newer | None:
    if all(SEMANTIC.fullmatch(framework_of(tag)) for tag in tags):
        return newer_semantic
    if all(PYTHON.fullmatch(framework_of(tag)) for tag in tags):
        return newer_python
    return None


def newest(tags: list[str], newer: Newer) -> str:
    winner = tags[0]
    for tag in tags[1:]:
        a, b = framework_of(tag), framework_of(winner)
        if newer(a, b):
            winner = tag
        elif not newer(b, a):
            winner = tie(tag, winner)
    return winner


def version_of(tag: str) -> str:
    return tag[: -len(SUFFIX)]


def aliases_of(version: str, full: bool = FULL) -> list[str]:
    numbers = re.match(r"(\d+)(\.\d+)?", version)
    found = ["latest"]
    if numbers and full:
        found.append(numbers[1])
        if numbers[2]:
            found.append(numbers[1] + numbers[2])
    return [each + SUFFIX for each in found]


def is_exact(tag: str, full: bool) -> bool:
    ours = tag.endswith(SUFFIX) and re.fullmatch(r"[0-9A-Za-z][\w.-]*", version_of(tag), re.ASCII)
    return bool(ours) and tag not in aliases_of(version_of(tag), full)


def split(tag: str) -> tuple[str, int]:
    revised = re.fullmatch(r"(.+)-(\d+)", version_of(tag))
    return (revised[1], int(revised[2])) if revised else (version_of(tag), -1)


def framework_of(tag: str) -> str:
    """The version without its revision, and with the `+` that the tag could not hold."""
    text = split(tag)[0]
    dots = [position for position, character in enumerate(text) if character == "."]
    for spelling in [text, *[text[:dot] + "+" + text[dot + 1 :] for dot in reversed(dots)]]:
        if SEMANTIC.fullmatch(spelling) or PYTHON.fullmatch(spelling):
            return spelling
    return text


def tie(a: str, b: str) -> str:
    """Of two tags with equal versions."""
    if split(a)[1] != split(b)[1]:
        return a if split(a)[1] > split(b)[1] else b
    if len(a) != len(b):
        return a if len(a) > len(b) else b
    return max(b, a)


def newer_semantic(a: str, b: str) -> bool:
    """Semantic Versioning, item 11; a final version before everything."""
    one, two = SEMANTIC.fullmatch(a), SEMANTIC.fullmatch(b)
    assert one
    assert two
    if (one["pre"] is None) != (two["pre"] is None):
        return one["pre"] is None
    numbers = [int(n) for n in one["core"].split(".")], [int(n) for n in two["core"].split(".")]
    if numbers[0] != numbers[1]:
        return numbers[0] > numbers[1]
    return bool(one["pre"]) and newer_identifiers(one["pre"].split("."), two["pre"].split("."))


def newer_identifiers(a: list[str], b: list[str]) -> bool:
    for x, y in zip(a, b, strict=False):
        if x == y:
            continue
        if x.isdigit() and y.isdigit():
            return int(x) > int(y)
        if x.isdigit() != y.isdigit():
            return y.isdigit()
        return x > y
    return len(a) > len(b)


def newer_python(a: str, b: str) -> bool:
    """PEP 440, "Summary of permitted suffixes and relative ordering"; a final before everything."""
    one, two = PYTHON.fullmatch(a), PYTHON.fullmatch(b)
    assert one
    assert two
    if is_final(one) != is_final(two):
        return is_final(one)
    releases = (
        [int(n) for n in one["release"].split(".")],
        [int(n) for n in two["release"].split(".")],
    )
    longest = max(map(len, releases))
    padded = [release + [0] * (longest - len(release)) for release in releases]
    if padded[0] != padded[1]:
        return padded[0] > padded[1]
    for step in (phase, post, dev):
        if step(one) != step(two):
            return step(one) > step(two)
    return newer_local(one["local"], two["local"])


def is_final(version: re.Match[str]) -> bool:
    return version["pre"] is None and version["dev"] is None


def phase(version: re.Match[str]) -> tuple[int, int]:
    """.devN < aN < bN < rcN < no suffix, .postN"""
    if version["pre"] is None:
        return (0, 0) if version["dev"] and not version["post"] else (4, 0)
    letter = {"a": 1, "b": 2}.get(version["pre"][0].lower(), 3)
    return letter, int(version["pre_number"] or 0)


def post(version: re.Match[str]) -> tuple[int, int]:
    return (0, 0) if version["post"] is None else (1, number(version["post"]))


def dev(version: re.Match[str]) -> tuple[int, int]:
    return (1, 0) if version["dev"] is None else (0, number(version["dev"]))


def number(text: str) -> int:
    return int("".join(character for character in text if character.isdigit()) or 0)


def newer_local(a: str | None, b: str | None) -> bool:
    if a is None or b is None:
        return a is not None and b is None
    ones, twos = re.split("[-_.]", a.lower()), re.split("[-_.]", b.lower())
    for x, y in zip(ones, twos, strict=False):
        if x.isdigit() and y.isdigit():
            if int(x) != int(y):
                return int(x) > int(y)
        elif x != y:
            return x.isdigit() if x.isdigit() != y.isdigit() else x > y
    return len(ones) > len(twos)
