"""Calls to an engine: what its refusals mean, and answers that are read as they come."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import docker.errors
import requests
import urllib3.exceptions

from buildkit.support.errors import ToolError
from buildkit.system import stopping

if TYPE_CHECKING:
    from collections.abc import Iterator

API_SECONDS = 300
"""An engine that takes longer for one call hangs; waits for a container add their own time."""
FAILURES = (docker.errors.DockerException, requests.RequestException)
"""What docker-py raises: the engine's refusals, and the network's as they come."""
BROKEN = (*FAILURES, urllib3.exceptions.HTTPError)
"""Also where an answer is read as it comes."""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raises ToolError for FAILURES of the engine, Interrupted where the run is to end."""
    stopping.check()
    try:
        with _unless_interrupted():
            yield
    except docker.errors.ImageNotFound as error:
        raise ToolError(
            f"{doing}: the engine has no such image", hint="build it, or `docker pull` it"
        ) from error
    except FAILURES as error:
        said = getattr(error, "explanation", None) or str(error)
        if "No space left" in said or "no space left" in said:
            raise ToolError(
                f"{doing}: the engine's disk is full", hint="`docker system prune`, then again"
            ) from error
        raise ToolError(
            f"{doing}: {said}", hint="`docker info` tells whether the engine is well"
        ) from error


@contextmanager
def _unless_interrupted() -> Iterator[None]:
    try:
        yield
    except FAILURES:
        stopping.check()
        raise


@contextmanager
def streamed(api: Any, path: str, **options: Any) -> Iterator[requests.Response]:
    """What the engine answers, to be read as it comes: all of it, or as much as one wants.

    docker-py itself leaves open what is not read to its end. Raises one of FAILURES.
    """
    method = api.post if "json" in options else api.get
    options = {"timeout": api.timeout, **options}
    headers = {"Accept-Encoding": "identity"}  # what is large is compressed already
    url = f"{api.base_url}/v{api.api_version}/{path}"
    with method(url, headers=headers, stream=True, **options) as answer:
        api._raise_for_status(answer)  # noqa: SLF001 - it knows the engine's words
        yield answer
