"""An unknown key of images.toml -> the table that it belongs to."""

from __future__ import annotations

from buildkit.config import schema
from buildkit.config.problems import Problem
from buildkit.config.validation import UNKNOWN

TABLES: dict[str, type[schema.Model]] = {
    "samples": schema.SamplesTable,
    "[[….samples.payload]]": schema.PayloadTable,
    "[registry.repositories]": schema.RepositoriesTable,
    "[registry]": schema.RegistryTable,
    "[image.<name>]": schema.Image,
}
"""Each table by its name in a message; the first one with a key counts."""


def named(problem: Problem) -> Problem:
    """The problem of a key that only another table has, with that table; any other unchanged."""
    if problem.message != UNKNOWN:
        return problem
    key = str(problem.path[-1])
    for name, table in TABLES.items():
        if any(key == (field.alias or word) for word, field in table.model_fields.items()):
            return Problem(path=problem.path, message=f"{UNKNOWN}; `{key}` is a key of `{name}`")
    return problem
