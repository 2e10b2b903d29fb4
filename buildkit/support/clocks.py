"""Times that servers state."""

from __future__ import annotations

import time
from contextlib import suppress
from email.utils import parsedate_to_datetime


def ahead(date: str) -> float | None:
    """How many seconds an HTTP date is ahead of this machine's clock; None for what is no date."""
    with suppress(ValueError, TypeError, IndexError, OverflowError):
        return parsedate_to_datetime(date).timestamp() - time.time()
    return None
