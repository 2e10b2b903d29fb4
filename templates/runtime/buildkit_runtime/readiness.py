"""Which workers are ready, shared by all of them.

Any worker may answer /ping. If each answered only for itself, a 503 could follow a 200 (SERVE-03
requires a steady 200), and the first prediction could wait for another worker's load.
"""

from __future__ import annotations

import array
import fcntl
import os
import struct
import termios

_NUMBER = struct.Struct("i")


class Readiness:
    """Created before the fork. Each worker that is ready writes a byte into a pipe.

    /ping counts the bytes and never reads them: once all workers were ready, /ping does not fail
    when a worker is replaced. A pipe needs no disk and no /dev/shm, which serverless lacks. A
    second pipe has the numbers of the ready processes, for the process that has forked them.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._count, self._add = os.pipe()
        self._who, self._tell = os.pipe()
        for end in (self._add, self._who, self._tell):
            os.set_blocking(end, False)
        self._known: set[int] = set()

    def add_one(self) -> None:
        """Called by a worker that is ready."""
        os.write(self._tell, _NUMBER.pack(os.getpid()))
        if not self.complete():
            os.write(self._add, b"1")

    def has(self, worker: int) -> bool:
        """Whether the process with this number was ever ready. Only one process may call this."""
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
