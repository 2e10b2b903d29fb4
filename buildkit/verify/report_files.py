"""The report files of `buildkit test`: JUnit and HTML."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from buildkit.contract.clauses import clauses
from buildkit.support.errors import UsageError
from buildkit.system import files
from buildkit.verify import junit, page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from buildkit.model.image import Report


def refuse(junit_file: Path | None, html_file: Path | None) -> None:
    """Raise UsageError for a file that cannot be written, before a test that takes minutes."""
    if junit_file is not None and junit_file == html_file:
        raise UsageError(
            f"`--junit` and `--html` are both {junit_file}", hint="use two different files"
        )
    for path in filter(None, (junit_file, html_file)):
        if not path.name:
            raise UsageError("the name of a report file is empty", hint="`--html report.html`")
        try:
            with tempfile.TemporaryFile(dir=path.parent):
                pass
        except OSError as error:
            raise UsageError(
                f"{path} cannot be written: {error.strerror}",
                hint="name a file in an existing, writable folder",
            ) from error


def write(reports: Sequence[Report], junit_file: Path | None, html_file: Path | None) -> None:
    if junit_file is not None:
        files.write_text(junit_file, junit.document(reports))
    if html_file is not None:
        sources = {each.id: each.source for each in clauses().values()}
        files.write_text(html_file, page.document(reports, source=sources))
