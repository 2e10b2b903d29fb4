"""Where the registry of a base image is."""

from __future__ import annotations

import pytest

from buildkit.registry import bases


@pytest.mark.parametrize(
    ("base", "place"),
    [
        ("python:3.11", ("registry-1.docker.io", "library/python", "3.11")),
        ("python", ("registry-1.docker.io", "library/python", "latest")),
        ("docker.io/library/python:3.11", ("registry-1.docker.io", "library/python", "3.11")),
        ("rocker/r-ver:4.2", ("registry-1.docker.io", "rocker/r-ver", "4.2")),
        ("localhost:5000/a/b", ("localhost:5000", "a/b", "latest")),
        (f"quay.io/a:1@sha256:{'a' * 64}", ("quay.io", "a", f"sha256:{'a' * 64}")),
    ],
)
def test_a_base_is_asked_for_where_docker_pulls_it(base: str, place: tuple[str, str, str]) -> None:
    assert bases.located(base) == place
