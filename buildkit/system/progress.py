"""Progress lines of long work: at most one every ten seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

SECONDS = 10
"""Between two progress lines."""


@dataclass(kw_only=True)
class Pace:
    """When the next progress line is due; the first one is due SECONDS after the start."""

    _last: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Whether a line is due now. If so, the next one is due SECONDS later."""
        now = time.monotonic()
        if now - self._last <= SECONDS:
            return False
        self._last = now
        return True
