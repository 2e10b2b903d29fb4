"""Calls to an engine: its errors as ToolError, and answers that are streamed."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import docker.errors
import requests
import urllib3.exceptions

from buildkit.support.errors import ToolError
from buildkit.system import stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

API_SECONDS = 300
"""An engine that takes longer for one call hangs; waiting for a container adds its own time."""
FAILURES = (docker.errors.DockerException, requests.RequestException)
"""What docker-py raises: the engine's errors, and those of the connection to the engine."""
BROKEN = (*FAILURES, urllib3.exceptions.HTTPError)
"""FAILURES, and what reading a streamed answer raises."""
PULL = "`docker pull` the image, or build it with `buildkit build`"
BUILD = (
    "build the image again with `buildkit build`; if another checkout builds the same tag on this "
    "engine, which removes this image, use `buildkit build --push`"
)
"""The hint for an image that was built and tested here."""


def hint_without(image: str) -> str:
    """The hint if the engine lacks an image. An id is that of an image that was built here."""
    return BUILD if image.startswith("sha256:") else PULL


@contextmanager
def translated(doing: str, *, without_image: str = PULL) -> Iterator[None]:
    """Turn FAILURES into ToolError, with the hint `without_image` if the engine lacks an image.

    Raises Interrupted when the run is being stopped.
    """
    stopping.check()
    try:
        yield
    except FAILURES as error:
        stopping.check()
        raise _explained(doing, error, without_image) from error


def _explained(doing: str, error: Exception, without_image: str) -> ToolError:
    said = str(getattr(error, "explanation", None) or error)
    if isinstance(error, docker.errors.ImageNotFound):
        said, hint = "image not found in the engine", without_image
    elif "no space left" in said.lower():
        said = "the engine's disk is full"
        hint = "free space with `docker system prune`, then rerun the command"
    else:
        hint = "check the engine with `buildkit doctor`"
    return ToolError(f"{doing}: {said}", hint=hint)


def discard(remove: Callable[[], object]) -> None:
    """Remove something that a test has created, if the engine can.

    Does nothing in an interrupted run, whose end removes everything at once.
    """
    if not stopping.is_asked():
        with suppress(*FAILURES):
            remove()


def url(api: Any, path: str) -> str:
    """The address of a call that docker-py has no method for."""
    return f"{api.base_url}/v{api.api_version}/{path}"


@contextmanager
def streamed(api: Any, path: str, **options: Any) -> Iterator[requests.Response]:
    """An answer of the engine as a stream, closed when the context ends, however much was read.

    docker-py leaves a stream open that is not read to its end. Raises one of FAILURES.
    """
    method = api.post if "json" in options else api.get
    options = {"timeout": api.timeout, **options}
    headers = {"Accept-Encoding": "identity"}  # large answers are compressed already
    with method(url(api, path), headers=headers, stream=True, **options) as answer:
        api._raise_for_status(answer)  # noqa: SLF001 - decodes the engine's error texts
        yield answer
