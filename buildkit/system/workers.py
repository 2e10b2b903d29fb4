"""A pool of threads: work begins as it comes, and nothing new begins once a result says stop."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Result = TypeVar("Result")


def run(
    work: Iterable[Result | Callable[[], Result]],
    *,
    jobs: int,
    stop: Callable[[Result], bool] = lambda _result: False,
) -> list[Result]:
    """The results of work, about in the order in which they came; an item may be one already.

    At most `jobs` run at once. `stop` is asked about each result, in this thread: if it says yes,
    no other work begins, and what runs is waited for. What work raises is raised here.
    """
    running: list[Future[Result]] = []
    results: list[Result] = []

    def stops(ended: Iterable[Future[Result]]) -> bool:
        """Take results. If one says stop, what has not begun never begins."""
        said = False
        for future in ended:
            if not future.cancelled():
                results.append(future.result())
                if stop(results[-1]):
                    said = True
                    _cancel(running)
        return said

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        try:
            for each in work:
                running.append(pool.submit(each) if callable(each) else _ended(each))
                ended = [future for future in running if future.done()]
                running = [future for future in running if future not in ended]
                if stops(ended):
                    break
            stops(as_completed(running))
        finally:
            _cancel(running)
    return results


def _cancel(futures: Iterable[Future[Result]]) -> None:
    """Not by the pool's shutdown: `as_completed` would wait for these futures forever."""
    for future in futures:
        future.cancel()


def _ended(result: Result) -> Future[Result]:
    future: Future[Result] = Future()
    future.set_result(result)
    return future
