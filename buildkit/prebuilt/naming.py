"""An image, by the version and the base that are asked -> its repository and its tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildkit.prebuilt.facts import Entry

SYSTEM = "-ubuntu"


def named(
    entry: Entry,
    version: str | None = None,
    base: str | None = None,
    *,
    with_python: bool = False,
) -> tuple[str, str]:
    """As AWS calls it: with what is asked, `2.5` or `2.5.1`, as there is a tag for either.

    The tag is empty where the image has none. `with_python` is for tags with and without it.
    A tag that names the operating system or a base has its versions in full, as
    `2.4.0-cpu-py311-ubuntu22.04-sagemaker` and `2.0.0-transformers4.28.1-…` have. The SDK makes
    short ones too, and mixtures, that none of AWS's image lists and release notes shows.
    """
    python, full_base = entry.python or "", next(iter(entry.bases), "")
    if SYSTEM in entry.tag or "{base}" in entry.tag:
        version, base = None, None
    words = {
        "version": version or entry.names[0],
        "device": entry.device or "",
        "python": python,
        "-python": f"-{python}" if with_python else "",
        "digits": python.removeprefix("py"),
        "base": _number(base or full_base),
        "full_base": _number(full_base),
    }
    return entry.repository.format_map(words), entry.tag.format_map(words)


def python_word(text: str) -> str:
    """`py311`, as AWS's tags have it, for `3.11`, `py3.11` and `311`, too."""
    return f"py{text.removeprefix('py').replace('.', '')}"


def full_version(entry: Entry, asked: str | None) -> str:
    """The full one of the ways to say it: `2.5.1` for `2.5`, and `2.2.0` for itself, not `2.2`."""
    first = entry.names[0]
    return asked if asked is not None and asked.startswith(f"{first}.") else first


def _number(base: str) -> str:
    return base.removeprefix("pytorch").removeprefix("tensorflow")
