"""Shell completion of `buildkit uri`: only words that lead to an answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from buildkit.ledger import ledger
from buildkit.prebuilt import naming
from buildkit.support.errors import BuildkitError
from buildkit.uri import catalogue, published

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from buildkit.ledger.record import Release
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
    "base_framework": lambda row: row.bases,
    "instance_type": lambda _row: ("ml.m5.xlarge", "ml.g5.xlarge", "ml.inf2.xlarge", "local"),
    "accelerator": lambda _row: ("ml.eia1.medium", "ml.eia2.medium"),
}


def complete(name: str, given: Mapping[str, Any], incomplete: str) -> list[str]:
    """The words for an option, or for the target, that fit the options already given."""
    of = WORDS.get(name)
    if of is None:
        return []
    try:
        wanted = catalogue.Filter(
            framework=naming.framework(given.get("framework") or given.get("target") or "") or None,
            **{
                key: given.get(key)
                for key in ("version", "purpose", "device", "python", "region")
                if key != name
            },
        )
        if name in ("target", "framework"):
            wanted = catalogue.Filter()
        rows: Sequence[Row] = _rows(given)
        if on_chips := _on_chips(rows, wanted):
            rows, wanted = on_chips, wanted._replace(framework=None, device=None)
        rows = catalogue.narrow(rows, wanted)
    except Exception:  # noqa: BLE001 - a completion must never print an error into a prompt
        return []
    words = dict.fromkeys(word for row in rows for word in of(row))
    found = [word for word in words if word.startswith(incomplete)]
    return sorted(found, key=_in_order) if name == "version" else found


def _on_chips(rows: Sequence[Row], wanted: catalogue.Filter) -> list[Row]:
    """For `pytorch` on `neuron`, the images of `pytorch-neuron`, as the lookup does."""
    return [
        row
        for row in rows
        if row.framework == f"{wanted.framework}-{wanted.device}" and row.device not in OTHERS
    ]


def _in_order(version: str) -> list[tuple[int, str]]:
    """By its numbers, so that `1.9` comes before `1.10`."""
    return [(int(part) if part.isdigit() else -1, part) for part in re.split("[.-]", version)]


def _releases(given: Mapping[str, Any]) -> tuple[Release, ...]:
    """Empty for a broken ledger: AWS's images are completed without the ledger."""
    if (file := given.get("file")) is None:
        return ()
    try:
        book = ledger.file_beside(file, allow_outside=bool(given.get("allow_outside")))
        return ledger.read_file(book)
    except BuildkitError:
        return ()


def _rows(given: Mapping[str, Any]) -> list[Row]:
    """Images of this project and AWS's; without --prebuilt, this project's win a shared name."""
    if given.get("prebuilt"):
        return list(catalogue.prebuilt())
    own = list(catalogue.own(published.places(_releases(given))))
    target = (given.get("target") or "").lower()
    named = [row for row in own if target in (row.framework, (row.id or "").lower())]
    return named or [*own, *catalogue.prebuilt()]
