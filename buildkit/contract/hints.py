"""Common mistakes in images: how they show in the evidence of a clause, from `mistakes.toml`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import tomli

from buildkit.contract.signs import Sign

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """It shows by the `sign` that a check has seen, or by what a program `says`, a pattern.

    `clauses` are those whose evidence may show it, empty for all. `breaks` is the clause that
    explains the mistake, where the evidence belongs to another.
    """

    hint: str
    sign: Sign | None
    says: str
    clauses: frozenset[str]
    breaks: str

    def shows(self, clause: str, evidence: str, signs: Collection[Sign]) -> bool:
        if self.clauses and clause not in self.clauses:
            return False
        said = self.says and re.search(self.says, evidence, re.IGNORECASE)
        return self.sign in signs or bool(said)


@cache
def mistakes() -> tuple[Mistake, ...]:
    """Every mistake; of those that evidence shows, the first counts."""
    document = tomli.loads(Path(__file__).with_name("mistakes.toml").read_text(encoding="utf-8"))
    groups = document["groups"]
    return tuple(
        Mistake(
            hint=table["hint"],
            sign=Sign[table["sign"]] if "sign" in table else None,
            says=table.get("says", ""),
            clauses=frozenset(
                clause for name in table.get("clauses", ()) for clause in groups.get(name, [name])
            ),
            breaks=table.get("breaks", ""),
        )
        for table in document["mistake"]
    )


def cure(clause: str, evidence: str, signs: Collection[Sign] = ()) -> str | None:
    """The fix of the mistake that the evidence shows, None if it shows none."""
    for each in mistakes():
        if each.shows(clause, evidence, signs):
            also = each.breaks and each.breaks != clause
            return f"{each.hint} (`buildkit explain {each.breaks}`)" if also else each.hint
    return None
