"""Every mutant, by its name."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from tests.e2e import mutants

if TYPE_CHECKING:
    from tests.e2e.mutants.mutant import Mutant


def every_mutant() -> dict[str, Mutant]:
    """From each module of the package that has MUTANTS. Names are not used twice."""
    found: dict[str, Mutant] = {}
    for module in pkgutil.iter_modules(mutants.__path__):
        group: dict[str, Mutant] = getattr(
            importlib.import_module(f"{mutants.__name__}.{module.name}"), "MUTANTS", {}
        )
        assert not found.keys() & group.keys(), f"{module.name} repeats a name"
        found |= group
    return found
