"""The catalogue as Markdown, for the summary of a CI job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.catalogue import page
from buildkit.catalogue.page import MARKS
from buildkit.model import names
from buildkit.support.amounts import size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildkit.catalogue.values import Catalogue, Entry, Judged

MOST = 1500
"""Images in the table: GitHub's limit for a summary is 1 MiB."""
LEGEND = (
    f"{MARKS['passed']} passed its test, {MARKS['partly']} partly tested, {MARKS['failed']} "
    f"failed and not published, {MARKS['absent']} not published"
)
NOTHING = (
    "Nothing is published yet: the ledger, `releases.jsonl`, has no record. "
    "`buildkit build --all --push` publishes images."
)


def document(catalogue: Catalogue) -> str:
    return "\n".join(_lines(catalogue)) + "\n"


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
        for row in rows:
            cells = ["<br>".join(map(_chip, row.cells.get(each, ()))) for each in columns]
            yield _row(_plain(row.name) if row.first else "", row.kind, *cells)
        yield from ("", LEGEND, "")
    yield from ("## Images", "")
    yield from _head("Image", "Status", "Contract", "Size", "Digest", "URI")
    for entry in entries[:MOST]:
        yield _row(*_cells(entry))
    if (more := len(entries) - MOST) > 0:
        yield from ("", f"And {more} more images: `buildkit report` shows all.")


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
