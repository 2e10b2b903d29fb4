"""Whether every worker is ready, as each of them can tell.

Which worker answers /ping is chance. If each spoke for itself alone, a 200 could be followed by a
503 (SERVE-03 wants it steady), and the first prediction could wait for another worker's load.
"""

from __future__ import annotations

import array
import fcntl
import os
import termios


class Readiness:
    """Made before the fork; a byte in a pipe for each worker that is ready.

    Bytes are never read, so what was complete stays so: a worker that is replaced later does not
    make /ping fail for the others. A pipe needs no disk and no /dev/shm, which serverless lacks.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._count, self._add = os.pipe()
        os.set_blocking(self._add, False)

    def add_one(self) -> None:
        if not self.complete():
            os.write(self._add, b"1")

    def complete(self) -> bool:
        waiting = array.array("i", [0])
        fcntl.ioctl(self._count, termios.FIONREAD, waiting)
        return waiting[0] >= self._workers

    def close(self) -> None:
        os.close(self._count)
        os.close(self._add)
