"""What an engine says of its build cache, and what it is asked to delete."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest

from buildkit.engine import build_cache
from buildkit.engine.build_cache import Kind
from buildkit.support.errors import ToolError
from buildkit.system.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator


class Api:
    """Answers as the engine does."""

    base_url, api_version, timeout = "http://engine", "1.45", 300

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Any]] = []

    @contextmanager
    def get(self, url: str, **options: Any) -> Iterator[Any]:
        self.asked.append((url, options["params"]))
        yield SimpleNamespace(json=lambda: self.answer)

    post = get

    def _raise_for_status(self, _answer: Any) -> None:
        if self.answer is None:
            raise docker.errors.APIError("no")


def engine(answer: Any) -> Any:
    return SimpleNamespace(client=SimpleNamespace(api=Api(answer)))


def record(kind: str, size: int, *, shared: bool = False) -> dict[str, Any]:
    return {"ID": "x", "Type": kind, "Size": size, "Shared": shared}


def test_what_is_kept_is_counted_by_kind_without_the_layers_of_images() -> None:
    there = engine(
        {
            "BuildCache": [
                record("regular", 1),
                record("regular", 2),
                record("regular", 100, shared=True),
                record("exec.cachemount", 10),
                record("source.local", 20),
                record("frontend", 4),
            ]
        }
    )
    assert build_cache.usage(there) == {
        Kind.STEPS: Usage(entries=3, size=7),
        Kind.PACKAGES: Usage(entries=1, size=10),
        Kind.CONTEXTS: Usage(entries=1, size=20),
    }
    ((url, params),) = there.client.api.asked
    assert (url, params) == ("http://engine/v1.45/system/df", {"type": "build-cache"})


def test_an_empty_cache_is_null() -> None:
    assert build_cache.usage(engine({"BuildCache": None}))[Kind.STEPS] == Usage()
    found = build_cache.prune(engine({"CachesDeleted": None, "SpaceReclaimed": 0}), 1, 0)
    assert found == Usage()


@pytest.mark.parametrize(
    ("older_than", "keep", "params"),
    [
        (3600, 0, {"filters": '{"until": ["3600s"]}'}),
        (0, 5, {"keep-storage": 5}),
        (60, 5, {"filters": '{"until": ["60s"]}', "keep-storage": 5}),
    ],
)
def test_the_engine_is_asked_to_delete_what_was_not_used(
    older_than: int, keep: int, params: dict[str, Any]
) -> None:
    there = engine({"CachesDeleted": ["a", "b"], "SpaceReclaimed": 9})
    assert build_cache.prune(there, older_than, keep) == Usage(entries=2, size=9)
    assert there.client.api.asked == [("http://engine/v1.45/build/prune", params)]


def test_an_engine_that_fails_is_named() -> None:
    with pytest.raises(ToolError, match="pruning the build cache"):
        build_cache.prune(engine(None), 1, 0)
