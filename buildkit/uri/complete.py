"""Shell completion of `buildkit uri`: only words that lead to an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildkit.prebuilt import naming
from buildkit.support.errors import BuildkitError
from buildkit.uri import catalogue, published
from buildkit.uri.asked import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from buildkit.uri.catalogue import Row

OTHERS = (None, "cpu", "gpu")
"""Devices that are not AWS's own chips."""
WORDS: Mapping[str, Callable[[Row], Iterable[str]]] = {
    "target": lambda row: filter(None, (row.framework, *naming.spoken(row.framework), row.id)),
    "framework": lambda row: (row.framework, *naming.spoken(row.framework)),
    "version": lambda row: row.names,
    "purpose": lambda row: (each for each in row.purposes if each != catalogue.ANY),
    "device": lambda row: (row.device or "cpu",),
    "python": lambda row: filter(None, (row.python,)),
    "region": lambda row: row.regions,
    "base_framework": lambda row: row.base_frameworks,
    "instance_type": lambda _row: ("ml.m5.xlarge", "ml.g5.xlarge", "ml.inf2.xlarge", "local"),
    "accelerator": lambda _row: ("ml.eia1.medium", "ml.eia2.medium"),
}


def complete(name: str, given: Mapping[str, Any], incomplete: str) -> list[str]:
    """The words for an option, or for the target, that fit the options already given."""
    of = WORDS.get(name)
    if of is None:
        return []
    try:
        asked = Asked(**{**given, name: None}).lowered()
        rows = _rows(asked)
        if name not in ("target", "framework"):
            rows = _narrowed(rows, asked)
    except Exception:  # noqa: BLE001 - a completion must never print an error into a prompt
        return []
    words = dict.fromkeys(word for row in rows for word in of(row))
    found = [word for word in words if word.startswith(incomplete)]
    return [*reversed(naming.newest_first(found))] if name == "version" else found


def _rows(asked: Asked) -> Sequence[Row]:
    """Images of this project and AWS's; without --prebuilt, this project's win a shared name."""
    if asked.prebuilt:
        return list(catalogue.prebuilt())
    try:
        own = list(catalogue.own(published.places(published.releases(asked))))
    except BuildkitError:  # a broken ledger: AWS's images are completed without it
        own = []
    target = (asked.target or "").lower()
    named = [row for row in own if target in (row.framework, (row.id or "").lower())]
    return named or [*own, *catalogue.prebuilt()]


def _narrowed(rows: Sequence[Row], asked: Asked) -> Sequence[Row]:
    """For `pytorch` on `neuron`, the images of `pytorch-neuron`, as the lookup does."""
    framework = naming.framework(asked.framework or asked.target or "")
    chips = [row for row in rows if row.framework == f"{framework}-{asked.device}"]
    if on_chips := [row for row in chips if row.device not in OTHERS]:
        return catalogue.narrow(on_chips, asked._replace(framework=None, device=None))
    return catalogue.narrow(rows, asked._replace(framework=framework or None))
