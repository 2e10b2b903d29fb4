"""Build, smoke-test and publish SageMaker-compatible container images."""

from buildkit.prebuilt.lookup import image_uri, look_up
from buildkit.prebuilt.question import Answer, Query

__all__ = ["Answer", "Query", "image_uri", "look_up"]
