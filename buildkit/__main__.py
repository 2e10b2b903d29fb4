"""`buildkit`, and `python -m buildkit`."""

from __future__ import annotations

from buildkit.cli import main

if __name__ == "__main__":
    main()
