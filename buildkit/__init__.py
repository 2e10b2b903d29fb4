"""Build, smoke-test and publish SageMaker-compatible container images.

What one can import from here is loaded when it is asked for: no command waits for it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from buildkit.prebuilt.lookup import image_uri, look_up
    from buildkit.prebuilt.question import Answer, Query

__all__ = ["Answer", "Query", "image_uri", "look_up"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from buildkit.prebuilt import lookup  # noqa: PLC0415

    return getattr(lookup, name)
