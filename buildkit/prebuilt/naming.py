"""An image, by the version and the base that are asked -> its repository and its tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildkit.prebuilt.facts import Entry


def named(
    entry: Entry,
    version: str | None = None,
    base: str | None = None,
    *,
    with_python: bool = False,
) -> tuple[str, str]:
    """As AWS calls it: with what is asked, `2.5` or `2.5.1`, as there is a tag for either.

    The tag is empty where the image has none. `with_python` is for tags with and without it.
    A tag with two versions, as Hugging Face's `2.0.0-transformers4.28.1-…`, has both in full or
    both short: AWS's release notes and build files show no mixture, though the SDK makes some.
    """
    python, full_base = entry.python or "", next(iter(entry.bases), "")
    if "{base}" in entry.tag and not _both_short(entry, version, base):
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


def _both_short(entry: Entry, version: str | None, base: str | None) -> bool:
    asked = version not in (None, entry.names[0]) and base not in (None, *entry.bases[:1])
    return asked and "{version}" in entry.tag


def python_word(text: str) -> str:
    """`py311`, as AWS's tags have it, for `3.11`, `py3.11` and `311`, too."""
    return f"py{text.removeprefix('py').replace('.', '')}"


def full_version(entry: Entry, asked: str | None) -> str:
    """The full one of the ways to say it: `2.5.1` for `2.5`, and `2.2.0` for itself, not `2.2`."""
    first = entry.names[0]
    return asked if asked is not None and asked.startswith(f"{first}.") else first


def _number(base: str) -> str:
    return base.removeprefix("pytorch").removeprefix("tensorflow")
