"""The catalogue as Markdown, for the summary of a CI job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.catalogue import page
from buildkit.catalogue.page import MARKS
from buildkit.model import names
from buildkit.support.amounts import count, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from buildkit.catalogue.page import Row
    from buildkit.catalogue.values import Catalogue, Entry, Judged

MOST = 900_000
"""Bytes: GitHub drops a summary of more than 1 MiB, and other steps of the job may add to it."""
LEGEND = (
    f"{MARKS['passed']} passed its test, {MARKS['partly']} partly tested, {MARKS['failed']} "
    f"failed and not published, {MARKS['absent']} not published"
)
NOTHING = (
    "Nothing is published yet: the ledger, `releases.jsonl`, has no record. "
    "`buildkit build --all --push` publishes images."
)


def document(catalogue: Catalogue) -> str:
    lines = [*_lines(catalogue)]
    room = MOST - sum(map(_bytes, lines))
    rows = map(_row_of, catalogue.entries)
    shown = [*_fitting(rows, room)]
    lines += shown
    if (more := len(catalogue.entries) - len(shown)) > 0:
        lines += ("", f"And {count(more, 'more image')}: `buildkit report` shows all.")
    return "\n".join(lines) + "\n"


def _bytes(line: str) -> int:
    return len(line.encode()) + 1


def _fitting(rows: Iterable[str], room: int) -> Iterator[str]:
    """The first rows that have room, in bytes."""
    for row in rows:
        room -= _bytes(row)
        if room < 0:
            return
        yield row


def _lines(catalogue: Catalogue) -> Iterator[str]:
    entries = catalogue.entries
    made = f"made {_time(catalogue.made)}"
    yield from ("# Image catalogue", "")
    if catalogue.newest is None:
        yield from (f"{page.lead(catalogue)}; {made}.", "", NOTHING, "")
    else:
        yield from (
            f"{page.lead(catalogue)}; newest record {_time(catalogue.newest)}, {made}.",
            "",
        )
    if rows := page.rows(entries):
        columns = page.columns(entries)
        yield from _head("Framework", "Device", *(f"Python {each}" for each in columns))
        shown = [*_fitting((_matrix_row(each, columns) for each in rows), MOST // 2)]
        yield from shown
        if (more := len(rows) - len(shown)) > 0:
            yield from ("", f"And {count(more, 'more row')}: `buildkit report` shows all.")
        yield from ("", LEGEND, "")
    yield from ("## Images", "")
    yield from _head("Image", "Status", "Contract", "Size", "Digest", "URI")


def _matrix_row(row: Row, columns: Sequence[str]) -> str:
    cells = ["<br>".join(map(_chip, row.cells.get(each, ()))) for each in columns]
    return _row(_plain(row.name) if row.first else "", row.kind, *cells)


def _row_of(entry: Entry) -> str:
    return _row(*_cells(entry))


def _cells(entry: Entry) -> Sequence[str]:
    release = entry.release
    return (
        _code(entry.id),
        "; ".join(_status(entry)),
        _contract(entry.test),
        "; ".join(_size(entry)),
        "" if release is None else _code(release.digest[: names.SHORT_DIGEST]),
        "" if release is None else "<br>".join(_code(each.uri) for each in release.locations),
    )


def _status(entry: Entry) -> Iterator[str]:
    yield entry.state.value
    if entry.local is not None:
        yield f"newer build {entry.local.result.value}"
    if entry.end_of_life is not None:
        yield f"end of life {entry.end_of_life}"
    if entry.gpu is not None:
        yield f"CUDA {entry.gpu.cuda}"


def _contract(test: Judged) -> str:
    numbers = (
        (test.passed, "passed"),
        (test.failed, "failed"),
        (test.warned, "warned"),
        (test.skipped, "skipped"),
    )
    found = ", ".join(f"{number} {word}" for number, word in numbers if number)
    return _plain("; ".join(filter(None, (found, test.untried)))) or test.result.value


def _size(entry: Entry) -> Iterator[str]:
    if entry.release is not None and entry.release.size is not None:
        yield size(entry.release.size)
    if entry.growth:
        yield f"{'+' if entry.growth > 0 else '-'}{size(abs(entry.growth))}"


def _chip(entry: Entry) -> str:
    return f"{MARKS.get(page.chip(entry), '?')} {_plain(entry.version)}"


def _head(*titles: str) -> Iterator[str]:
    yield _row(*titles)
    yield f"|{' --- |' * len(titles)}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39)).replace('|', '%7C')}`"


def _plain(text: str) -> str:
    """Text that is no markup: names and reasons may come from others."""
    escaped = "".join(f"\\{each}" if each in "\\`*_{}[]<>()#|!~&" else each for each in text)
    return " ".join(escaped.split())


def _time(text: str) -> str:
    return f"{text[:16].replace('T', ' ')} UTC"
