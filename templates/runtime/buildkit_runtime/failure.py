"""The file `/opt/ml/output/failure`, which becomes the job's FailureReason (OUT-02)."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# SageMaker keeps this many characters: the cause has to be among them.
LIMIT = 1024

_TRACEBACK = "Traceback (most recent call last):"
_LAUNCHER = "torch.distributed.elastic."
# The prefix of lines once torch has connected the processes.
_RANK = re.compile(r"^\[rank\d+\]: ?")
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(: .*)?")


class JobFailure(Exception):  # noqa: N818 - how the job ended
    """A failure, with a text for the user and an exit code."""

    def __init__(self, reason: str, code: int = 1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


def cause_of(stderr: str) -> str:
    """The line with the cause: that of the last exception, or else the last line.

    An exception of torch's launcher only says that one of its processes has failed.
    """
    lines = [_RANK.sub("", line) for line in stderr.splitlines()]
    for start in range(len(lines) - 1, -1, -1):
        if lines[start].startswith(_TRACEBACK):
            found = next(filter(_EXCEPTION.fullmatch, lines[start + 1 :]), "")
            if found and not found.startswith(_LAUNCHER):
                return found
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def compose(summary: str, stderr: str) -> str:
    """The cause, then what ended and how, then as much of the end of stderr as fits."""
    cause = cause_of(stderr)[: LIMIT // 2]
    head = "\n".join(line for line in (cause, summary[: LIMIT // 3]) if line)
    room = LIMIT - len(head) - 1
    tail = stderr.strip()
    if not tail or tail == cause or room <= 0:
        return head
    return f"{head}\n{tail[-room:]}"


def clear(path: Path) -> None:
    """Remove the file of an earlier start, or of a script that recovered (OUT-02, RUN-13)."""
    try:
        path.unlink()
    except OSError:
        # The file is absent or the folder read-only: no reason to fail the job.
        return


def write(path: Path, reason: str) -> None:
    """Write the reason, unless the script has written its own (TTK-10). Never raises.

    An error here must not change the exit code, or a failed job could end as completed (TTK-09).
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
