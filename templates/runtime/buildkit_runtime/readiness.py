"""Whether every worker is ready, as each of them can tell, and which of them ever were.

Which worker answers /ping is chance. If each spoke for itself alone, a 200 could be followed by a
503 (SERVE-03 wants it steady), and the first prediction could wait for another worker's load.
"""

from __future__ import annotations

import array
import fcntl
import os
import struct
import termios

_NUMBER = struct.Struct("i")


class Readiness:
    """Made before the fork; a number in a pipe for each worker that is ready.

    Bytes are never read where /ping looks, so what was complete stays so: a worker that is replaced
    later does not make it fail for the others. A pipe needs no disk and no /dev/shm, which
    serverless lacks. A second pipe tells the process that has forked them who is ready.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._count, self._add = os.pipe()
        self._who, self._tell = os.pipe()
        for end in (self._add, self._who, self._tell):
            os.set_blocking(end, False)
        self._known: set[int] = set()

    def add_one(self) -> None:
        """Say so of the process that calls."""
        os.write(self._tell, _NUMBER.pack(os.getpid()))
        if not self.complete():
            os.write(self._add, b"1")

    def has(self, worker: int) -> bool:
        """Whether the process of this number was ever ready. One process alone may ask."""
        try:
            while number := os.read(self._who, _NUMBER.size):
                self._known.add(*_NUMBER.unpack(number))
        except BlockingIOError:
            pass
        return worker in self._known

    def complete(self) -> bool:
        waiting = array.array("i", [0])
        fcntl.ioctl(self._count, termios.FIONREAD, waiting)
        return waiting[0] >= self._workers

    def close(self) -> None:
        for end in (self._count, self._add, self._who, self._tell):
            os.close(end)
