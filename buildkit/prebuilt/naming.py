"""The names that people use for an image -> those of the data, its repository and its tag."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from buildkit.prebuilt.facts import Entry

SYSTEM = "-ubuntu"
DEVICES = ("cpu", "gpu", "neuron", "neuronx")
"""The words for devices in tags."""
SPOKEN: Mapping[str, str] = {
    "blazing-text": "blazingtext",
    "deepar": "forecasting-deepar",
    "hf": "huggingface",
    "hugging-face": "huggingface",
    "ip-insights": "ipinsights",
    "k-means": "kmeans",
    "k-nn": "knn",
    "llama.cpp": "llama-cpp",
    "lmi": "djl-lmi",
    "object-2-vec": "object2vec",
    "random-cut-forest": "randomcutforest",
    "rcf": "randomcutforest",
    "scikit-learn": "sklearn",
    "sparkml": "sparkml-serving",
    "tei": "huggingface-tei",
    "text-embeddings-inference": "huggingface-tei",
    "text-generation-inference": "huggingface-llm",
    "tf": "tensorflow",
    "tgi": "huggingface-llm",
    "torch": "pytorch",
    "transformers": "huggingface",
    "triton": "sagemaker-tritonserver",
    "tritonserver": "sagemaker-tritonserver",
    "vowpal-wabbit": "vw",
}
"""Other names of frameworks -> those of the data. docs/reference/uri.md lists them."""


def named(
    entry: Entry,
    version: str | None = None,
    base: str | None = None,
    *,
    with_python: bool = False,
) -> tuple[str, str]:
    """Repository and tag, with the version of the question: AWS has tags for `2.5` and `2.5.1`.

    The tag is empty if the image has none. `with_python` is for tags with and without Python.
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
    """`py311`, as AWS's tags have it, for `3.11`, `py3.11`, `Python3.11` and `311`, too."""
    word = text.lower()
    number = word.removeprefix("python" if word.startswith("python") else "py")
    return f"py{number.replace('.', '')}"


def full_version(entry: Entry, asked: str | None) -> str:
    """The full version: `2.5.1` for `2.5`, and `2.2.0` for itself, not `2.2`."""
    first = entry.names[0]
    return asked if asked is not None and asked.startswith(f"{first}.") else first


def framework(name: str) -> str:
    """The data's name of a framework, in any case; an unknown name in lower case."""
    return SPOKEN.get(name.lower(), name.lower())


def spoken(name: str) -> tuple[str, ...]:
    """The other names of a framework."""
    return tuple(each for each, meant in SPOKEN.items() if meant == name)


def begins(version: str, part: str) -> bool:
    """Whether a part names a version: `1.7` names `1.7.2-1`, but not `1.70`."""
    return version.startswith(part) and version[len(part) :][:1] in ("", ".", "-", "+")


def dotted(numbers: Iterable[int]) -> str:
    return ".".join(map(str, numbers))


def newest_first(versions: Iterable[str]) -> tuple[str, ...]:
    """Sorted by number: `1.10` is newer than `1.9`, and `py310` than `py39`.

    A word such as `latest` is the oldest.
    """
    return tuple(sorted(dict.fromkeys(versions), key=_numbers, reverse=True))


def _numbers(version: str) -> list[tuple[int, list[str | int]]]:
    parts = re.split("[.+-]", version)
    return [(int(part), []) if part.isdecimal() else (-1, _natural(part)) for part in parts]


def _natural(word: str) -> list[str | int]:
    """Letters and numbers in turn: `py39` is `py`, 39 and nothing."""
    parts = re.split("([0-9]+)", word)
    return [int(part) if number % 2 else part for number, part in enumerate(parts)]


def _number(base: str) -> str:
    return base.removeprefix("pytorch").removeprefix("tensorflow")
