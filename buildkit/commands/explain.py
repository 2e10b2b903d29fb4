"""`buildkit explain`."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING

import click

from buildkit.commands import complete, options, output
from buildkit.contract import clauses, suite
from buildkit.support import tables

if TYPE_CHECKING:
    from buildkit.contract.clauses import Clause

COLUMNS = ("ID", "LEVEL", "TITLE")
WIDEST = 100
LABEL = 9


@click.command(
    "explain",
    epilog="\b\nExamples:\n  buildkit explain\n  buildkit explain OUT-01 serve-03\n"
    "  buildkit explain --json",
)
@click.argument("clause", nargs=-1, shell_complete=complete.clauses, callback=options.known_clauses)
@options.JSON
def command(*, clause: tuple[str, ...], as_json: bool) -> None:
    """Explain clauses of the SageMaker contract: what each demands, and how it is checked.

    CLAUSE is an id, such as OUT-01. Without CLAUSE, all clauses are listed.
    """
    chosen = tuple(clauses.clauses()[id_] for id_ in clause or clauses.clauses())
    if clause:
        lines = ["\n\n".join(map(_page, chosen))]
    else:
        lines = tables.aligned([COLUMNS, *((c.id, c.level.value, c.title) for c in chosen)])
    output.show([*map(_facts, chosen)], lines, as_json=as_json)


def _facts(clause: Clause) -> dict[str, object]:
    return {
        "id": clause.id,
        "level": clause.level.value,
        "title": clause.title,
        "demand": clause.demand,
        "feature": None if clause.feature is None else clause.feature.value,
        "checked": suite.how(clause.id),
        "unchecked": clause.unchecked,
        "hint": clause.hint,
        "source": clause.source,
        "read": clause.read,
    }


def _page(clause: Clause) -> str:
    feature = "" if clause.feature is None else f"images that promise {clause.feature.value}"
    lines = [
        ("demand", clause.demand),
        ("for", feature),
        *(("checked", sentence) for sentence in suite.how(clause.id)),
        ("unchecked", clause.unchecked),
        ("fix", clause.hint),
        ("source", clause.source),
        ("read", clause.read),
    ]
    paragraphs = [_paragraph(label, text) for label, text in lines if text]
    return "\n".join([f"{clause.id}  {clause.level.value}  {clause.title}", *paragraphs])


def _paragraph(label: str, text: str) -> str:
    return textwrap.fill(
        text,
        min(shutil.get_terminal_size().columns, WIDEST),
        initial_indent=f"  {label:<{LABEL}}  ",
        subsequent_indent=" " * (LABEL + 4),
        break_long_words=False,  # keep addresses whole
        break_on_hyphens=False,
    )
