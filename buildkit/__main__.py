"""`buildkit`, and `python -m buildkit`."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import NoReturn

from buildkit.system.stopping import INTERRUPTS

INTERRUPTED = (
    '{"error": {"kind": "interrupted", "message": "interrupted", '
    '"hint": "rerun the command", "code": 130}}'
)
"""`errors.interruption` as JSON, for the time before any module is loaded."""
OBJECTS = 100_000
"""New objects after which Python looks for cycles of unused ones, 700 by default. A run has few of
these, and many objects that live: modules, and thousands of targets."""


def main() -> NoReturn:
    """Load the command line and run it. An interrupt before that has nothing to clean up."""
    for number in INTERRUPTS:
        signal.signal(number, _leave)
    gc.set_threshold(OBJECTS)
    from buildkit import cli  # noqa: PLC0415 - loading may be interrupted, too

    cli.main()


def _leave(_number: int, _frame: object) -> NoReturn:
    os.write(2, b"interrupted\n")
    if "--json" in sys.argv:
        os.write(1, f"{INTERRUPTED}\n".encode())
    os._exit(130)


if __name__ == "__main__":
    main()
