"""The file `/opt/ml/output/failure`, which becomes the job's FailureReason (OUT-02)."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# The service keeps this many characters, so the cause has to be among them.
LIMIT = 1024

_TRACEBACK = "Traceback (most recent call last):"
_LAUNCHER = "torch.distributed.elastic."
# How torch begins the lines of a process once it has met the others.
_RANK = re.compile(r"^\[rank\d+\]: ?")
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(: .*)?")


class JobFailure(Exception):  # noqa: N818 - it says how the job ended
    """A failure whose text is meant for the user, and the exit code that goes with it."""

    def __init__(self, reason: str, code: int = 1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


def cause_of(stderr: str) -> str:
    """The line that says what went wrong: that of the last exception, else the last line.

    What torch's launcher raises only says that a process of its own has failed.
    """
    lines = [_RANK.sub("", line) for line in stderr.splitlines()]
    for start in range(len(lines) - 1, -1, -1):
        if lines[start].startswith(_TRACEBACK):
            found = next(filter(_EXCEPTION.fullmatch, lines[start + 1 :]), "")
            if found and not found.startswith(_LAUNCHER):
                return found
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def compose(summary: str, stderr: str) -> str:
    """Cause first, then what ended how, then as much of the end of stderr as fits."""
    cause = cause_of(stderr)[: LIMIT // 2]
    head = "\n".join(line for line in (cause, summary[: LIMIT // 3]) if line)
    room = LIMIT - len(head) - 1
    tail = stderr.strip()
    if not tail or tail == cause or room <= 0:
        return head
    return f"{head}\n{tail[-room:]}"


def clear(path: Path) -> None:
    """Remove what an earlier start, or a script that recovered, left behind (OUT-02, RUN-13)."""
    try:
        path.unlink()
    except OSError:
        # Absent, or a folder nobody may write to: neither is a reason to fail a job.
        return


def write(path: Path, reason: str) -> None:
    """Write the reason unless the script wrote its own; never raise.

    An error here must not change the exit code: that is how a failed job can end as completed
    (TTK-09). A file the script wrote itself is better than ours, so it stays (TTK-10).
    """
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        if path.is_file() and path.stat().st_size > 0:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(reason[:LIMIT].encode("utf-8", "replace"))
    except OSError as error:
        print(f"cannot write {path}: {error}", file=sys.stderr, flush=True)
