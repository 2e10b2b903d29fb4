"""What a mutant is: the known-good image of `everything`, with one thing broken."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change, and the clause that has to object.

    `old` is replaced by `new` once in `program`, a file of tests/e2e/everything; `dockerfile` are
    instructions that are added at its end. `features` are those that the clause needs, `samples`
    lines of TOML that replace keys of the samples. `also` are clauses that cannot but break, too.
    `slow`: its verdict takes a minute or more.
    """

    clause: str
    program: str = "serve"
    old: str = ""
    new: str = ""
    dockerfile: str = ""
    features: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    samples: str = ""
    also: tuple[str, ...] = ()
    slow: bool = False
