"""Build, smoke-test and publish SageMaker-compatible container images.

The names below are loaded on first access, so that no command waits for them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from buildkit.prebuilt.lookup import look_up
    from buildkit.prebuilt.question import Answer, Query
    from buildkit.prebuilt.retrieve import image_uri

__all__ = ["Answer", "Query", "image_uri", "look_up"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from buildkit.prebuilt import lookup, retrieve  # noqa: PLC0415

    return getattr(retrieve if name == "image_uri" else lookup, name)
