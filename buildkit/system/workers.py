"""A pool of threads: work begins as it comes, and nothing new begins once a result says stop."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Generic, TypeVar

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
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        crew: _Crew[Result] = _Crew(stop)
        try:
            for each in work:
                if callable(each):
                    crew.running.append(pool.submit(each))
                else:
                    crew.take(each)
                crew.take_ended()
                if crew.stopped:
                    break
            crew.take_all()
        except BaseException:
            crew.cancel()
            raise
    return crew.results


class _Crew(Generic[Result]):
    """What runs, and what has come of the rest."""

    def __init__(self, stop: Callable[[Result], bool]) -> None:
        self.running: list[Future[Result]] = []
        self.results: list[Result] = []
        self.stopped = False
        self._stop = stop

    def take(self, result: Result) -> None:
        self.results.append(result)
        if self._stop(result):
            self.stopped = True
            self.cancel()

    def take_ended(self) -> None:
        """Take the results that are there by now."""
        ended = [each for each in self.running if each.done()]
        self.running = [each for each in self.running if each not in ended]
        self._take_each(ended)

    def take_all(self) -> None:
        """Wait for everything that runs."""
        self._take_each(as_completed(self.running))

    def _take_each(self, futures: Iterable[Future[Result]]) -> None:
        for future in futures:
            if not future.cancelled():
                self.take(future.result())

    def cancel(self) -> None:
        """Not by the pool's shutdown: `as_completed` would wait for these futures forever."""
        for future in self.running:
            future.cancel()
