"""What people say of an image -> what the data calls it, its repository and its tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from buildkit.prebuilt.facts import Entry

SYSTEM = "-ubuntu"
DEVICES = ("cpu", "gpu", "neuron", "neuronx")
"""What tags call what an image computes on."""
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
"""What people call a framework, where the data has another name. docs/reference/uri.md has them."""


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


def framework(name: str) -> str:
    """The data's name for what people call a framework; any other name as it is."""
    return SPOKEN.get(name, name)


def spoken(name: str) -> tuple[str, ...]:
    """What people call a framework of the data."""
    return tuple(each for each, meant in SPOKEN.items() if meant == name)


def begins(version: str, part: str) -> bool:
    """Whether a version may be meant by a part of it: `1.7.2-1` by `1.7`, and `1.70` not."""
    return version.startswith(part) and version[len(part) :][:1] in ("", ".", "-", "+")


def dotted(numbers: Iterable[int]) -> str:
    return ".".join(map(str, numbers))


def newest_first(versions: Iterable[str]) -> tuple[str, ...]:
    """By their numbers, as `1.10` comes after `1.9`; a word such as `latest` counts as oldest."""
    return tuple(sorted(dict.fromkeys(versions), key=_numbers, reverse=True))


def _numbers(version: str) -> list[tuple[int, str]]:
    parts = version.replace("-", ".").replace("+", ".").split(".")
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _number(base: str) -> str:
    return base.removeprefix("pytorch").removeprefix("tensorflow")
