"""`make docs`: docs/reference/clauses.md, every clause, how it is checked, or why it is not."""

from __future__ import annotations

import sys
from pathlib import Path

from buildkit.contract import suite
from buildkit.contract.clauses import Clause, clauses

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "clauses.md"
HEAD = """\
# The clauses

Made by `make docs`: do not edit. [contract.md](../design/contract.md) tells how a test goes;
`buildkit explain ID` prints one clause with its hint.

{checked} of {all} clauses are checked: {levels}.
A clause with a feature applies to images that promise it.

| Clause | Level | Feature | What must hold | How it is checked, or why not |
| --- | --- | --- | --- | --- |
"""


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


def page() -> str:
    checked = [each for each in clauses().values() if not each.unchecked]
    counts: dict[str, int] = {}
    for each in checked:
        counts[each.level.value] = counts.get(each.level.value, 0) + 1
    levels = ", ".join(f"{count} {level}" for level, count in counts.items())
    head = HEAD.format(checked=len(checked), all=len(clauses()), levels=levels)
    return head + "".join(map(_row, clauses().values()))


def _row(clause: Clause) -> str:
    how = "<br>".join(suite.how(clause.id)) or f"*Not checked:* {clause.unchecked}"
    feature = clause.feature.value if clause.feature else ""
    cells = (f"[{clause.id}]({clause.source})", clause.level.value, feature, clause.title, how)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"


if __name__ == "__main__":
    main()
