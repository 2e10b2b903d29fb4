"""What `make test` tries a part of, and `make thorough` all of, which CI runs each week."""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("BUILDKIT_THOROUGH"))
