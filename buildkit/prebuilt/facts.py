"""images.txt, read: tables of words in columns, `-` where there is none.

docs/reference/prebuilt.md explains the columns.
Each framework is read on first use, so that a process with one question is quick.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from buildkit.support import tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE = os.path.join(os.path.dirname(__file__), "images.txt")  # noqa: PTH118, PTH120 - see tables
ANY = "any"
SOURCE = "# Source:"


class Entry(NamedTuple):
    """One image in all of its regions.

    `names` and `bases` are the ways to say its version and its base framework, the full one first.
    `python` and `device` are None for any. `repository` and `tag` hold
    `{words}`; an image without a tag has an empty one.
    """

    framework: str
    purpose: str
    names: tuple[str, ...]
    bases: tuple[str, ...]
    python: str | None
    device: str | None
    repository: str
    tag: str
    accounts: str

    @property
    def regions(self) -> frozenset[str]:
        return _regions_of(self.accounts)

    @property
    def family(self) -> str:
        """The family of accounts that have the image."""
        return self.accounts.partition("-")[0]


class Region(NamedTuple):
    """`accounts` has AWS's account in this region by the name of the family of accounts."""

    name: str
    partition: str
    domain: str
    accounts: Mapping[str, str]

    def host(self, account: str) -> str:
        """The registry of an account."""
        return f"{account}.dkr.ecr.{self.name}.{self.domain}"


@cache
def regions() -> Mapping[str, Region]:
    domains = dict(_rows("partitions"))
    head, *rows = _rows("accounts", head=True)
    return {
        name: Region(
            name=name,
            partition=partition,
            domain=domains[partition],
            accounts={
                family: account
                for family, account in zip(head[3:], accounts, strict=True)
                if account != "-"
            },
        )
        for name, partition, *accounts in rows
    }


@cache
def _regions_of(accounts: str) -> frozenset[str]:
    """The regions of a set such as `dlc-45`."""
    return next(frozenset(regions) for name, *regions in _rows("regions") if name == accounts)


@cache
def ends() -> Mapping[str, str]:
    """The suffixes of some tags for SageMaker's distributed training, by framework and tag."""
    return dict(_rows("smdistributed"))


def source() -> str:
    """The source that messages name: AWS may have more images than the SDK behind the data."""
    with open(FILE, encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes long to load
        found = next(line for line in file if line.startswith(SOURCE))
    return f"the data ({found.removeprefix(SOURCE).strip()})"


@cache
def frameworks() -> tuple[str, ...]:
    return tuple(dict.fromkeys(title.partition(":")[0] for title in _sections() if ":" in title))


@cache
def purposes() -> tuple[str, ...]:
    """Every purpose. `any` is not one of them: it marks images for all purposes."""
    titles = (title.partition(": ")[2] for title in _sections())
    return tuple(sorted({purpose for title in titles for purpose in title.split()} - {ANY}))


@cache
def entries(framework: str) -> tuple[Entry, ...]:
    """All images of a framework, in the order of the file."""
    return tuple(
        entry
        for title in _sections()
        if title.partition(":")[0] == framework
        for row in _rows(title)
        for entry in _of_row(framework, title.partition(": ")[2].split(), row)
    )


@cache
def by_version(framework: str) -> Mapping[str, tuple[Entry, ...]]:
    found: dict[str, tuple[Entry, ...]] = {}
    for entry in entries(framework):
        for name in entry.names:
            found[name] = (*found.get(name, ()), entry)
    return found


def _of_row(framework: str, purposes: list[str], row: list[str]) -> Iterator[Entry]:
    names, bases, accounts, repository, pythons, *tags = row
    for group in tags:
        devices, _, tag = group.partition("=")
        for device in devices.split(","):
            for python in pythons.split(","):
                for purpose in purposes:
                    yield Entry(
                        framework=framework,
                        purpose=purpose,
                        names=("",) if names == "-" else tuple(names.split(",")),
                        bases=() if bases == "-" else tuple(bases.split(",")),
                        python=None if python == "-" else python,
                        device=None if device == ANY else device,
                        repository=repository,
                        tag=tag,
                        accounts=accounts,
                    )


def _rows(title: str, *, head: bool = False) -> Iterator[list[str]]:
    return tables.rows(_sections()[title], head=head)


@cache
def _sections() -> Mapping[str, str]:
    return tables.sections(FILE)
