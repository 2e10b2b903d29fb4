"""amis.txt, read: AMIs, drivers and sources. docs/reference/amis.md explains the columns."""

from __future__ import annotations

import os
import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from buildkit.support import tables

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = os.path.join(os.path.dirname(__file__), "amis.txt")  # noqa: PTH118, PTH120 - see tables
ENDPOINT, TRANSFORM = "endpoint", "transform"
DEFAULT = "default"
"""The host of a job that names no AMI, where AWS gives it no name."""

CUDA_BASE = re.compile(r"(?:.*/)?nvidia/cuda:([0-9]{1,3}\.[0-9]{1,3})")
CUDA_WORD = re.compile(r"(?<![^-:_.])cu([0-9]{2})([0-9])(?![^-_.@])")


class Version(NamedTuple):
    """Of CUDA."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


class Ami(NamedTuple):
    """`cuda` is the version of the driver. Images of an older CUDA than `since` do not start.

    `default` are the instance families that get this AMI if a request names none, `others` those
    that are known to accept it.
    """

    name: str
    job: str
    driver: int
    cuda: Version
    since: int
    default: tuple[str, ...]
    others: tuple[str, ...]
    sources: tuple[str, ...]


class Driver(NamedTuple):
    """The oldest driver for a major version of CUDA, and the oldest with its cuda-compat."""

    oldest: int
    compat: int
    sources: tuple[str, ...]


@cache
def amis() -> tuple[Ami, ...]:
    """All AMIs, the oldest driver of each job first."""
    return tuple(
        Ami(
            name=name,
            job=job,
            driver=int(driver),
            cuda=version(cuda),
            since=0 if since == "-" else int(since),
            default=_words(default),
            others=_words(others),
            sources=_words(sources),
        )
        for name, job, driver, cuda, since, default, others, sources in _rows("amis")
    )


@cache
def drivers() -> Mapping[int, Driver]:
    """By the major version of CUDA."""
    return {
        int(cuda): Driver(oldest=int(oldest), compat=int(compat), sources=_words(sources))
        for cuda, oldest, compat, sources in _rows("drivers")
    }


@cache
def sources() -> Mapping[str, tuple[str, str]]:
    """The date and the address of each source."""
    return {key: (date, address) for key, date, address in _rows("sources")}


def version(text: str) -> Version:
    """`12.4` or `12.4.1`."""
    major, _, rest = text.partition(".")
    return Version(int(major), int(rest.partition(".")[0] or 0))


def of_reference(reference: str) -> Version | None:
    """The CUDA that the name of an image shows: `nvidia/cuda:12.6.3-…` or `…-cu130-…`."""
    found = CUDA_BASE.match(reference)
    if found:
        return version(found[1])
    word = CUDA_WORD.search(reference.rpartition("/")[2])
    return Version(int(word[1]), int(word[2])) if word else None


def _words(cell: str) -> tuple[str, ...]:
    return () if cell == "-" else tuple(cell.split(","))


def _rows(title: str) -> list[list[str]]:
    return list(tables.rows(tables.sections(FILE)[title]))
