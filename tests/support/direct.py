"""Requests to registries in memory without HTTP, and pools without threads: each run is the same."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from buildkit.registry.answers import Answer
from buildkit.registry.wire import RefusedError
from buildkit.support.errors import ToolError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tests.support.distribution import Distribution

Found = TypeVar("Found")


@dataclass
class Net:
    """The registries that can be reached, by host, unless they are `down`.

    `archived` are manifests that nobody can read. `put` has what was stored or tagged.
    """

    registries: dict[str, Distribution]
    down: set[str] = field(default_factory=set)
    archived: set[str] = field(default_factory=set)
    put: list[str] = field(default_factory=list)
    door: Callable[[], None] = lambda: None

    def wire(self, *, host: str, login: object, attempts: int = 0) -> Wire:
        return Wire(host=host, net=self)


@dataclass(frozen=True, kw_only=True)
class Wire:
    """Fits `registry.wire.Wire`."""

    host: str
    net: Net

    @property
    def root(self) -> str:
        return f"https://{self.host}/v2/"

    def close(self) -> None:
        pass

    def again(self, work: Callable[[], Found], attempts: int | None = None) -> Found:
        return work()

    def send(
        self,
        method: str,
        path: str,
        *,
        scope: str = "",
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        absent: tuple[int, ...] = (),
        most: int = 0,
    ) -> Answer | None:
        self.net.door()
        if self.host in self.net.down:
            raise UnavailableError(f"{self.host} is down")
        url = path if "://" in path else f"{self.root}{path}"
        parts = urlsplit(url)
        if callable(body):
            with body() as pieces:
                body = b"".join(pieces)
        if any(parts.path.endswith(each) for each in self.net.archived):
            raise ToolError(f"{self.host} denies access to {path}")
        asked = f"{parts.path}?{parts.query}" if parts.query else parts.path
        if method == "PUT" and "/manifests/" in parts.path:
            self.net.put.append(f"{self.host}{parts.path}")
        registry = self.net.registries[self.host]
        status, given, content = registry.reply(method, asked, headers or {}, body or b"")
        if status in absent:
            return None
        if status >= 400:
            raise RefusedError(f"{self.host} answered {status}")
        return Answer(
            host=self.host,
            asked=f"{method} {path}",
            url=url,
            status=status,
            headers=given,
            content=b"" if method == "HEAD" else content,
        )


class Pool:
    """A ThreadPoolExecutor that does the work at once."""

    def __init__(self, max_workers: int = 1) -> None:
        pass

    def __enter__(self) -> Pool:  # noqa: PYI034 - Python 3.10 has no Self
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable[..., Found], *arguments: object) -> Future[Found]:
        future: Future[Found] = Future()
        try:
            future.set_result(work(*arguments))
        except Exception as error:  # noqa: BLE001 - the future raises it
            future.set_exception(error)
        return future

    def map(self, work: Callable[[Any], Found], items: Iterable[Any]) -> Iterator[Found]:
        return iter([work(each) for each in items])
