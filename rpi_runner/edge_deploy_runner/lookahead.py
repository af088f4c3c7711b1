"""Work on what comes next in threads, while the caller still uses what came before."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")

_PATIENCE_S = 2.0


class _Job(Generic[Item, Done]):
    """One item, and what the work made of it once `ready` is set."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.ready = threading.Event()
        self.error: BaseException | None = None
        self._result: list[Done] = []

    def run(self, work: Callable[[Item], Done]) -> None:
        try:
            self._result.append(work(self.item))
        except BaseException as error:
            self.error = error
        self.ready.set()

    def take(self) -> Done:
        self.ready.wait()
        if self.error is not None:
            raise self.error
        return self._result[0]


def map_ahead(
    work: Callable[[Item], Done], items: Iterable[Item], workers: int, depth: int
) -> Iterator[Done]:
    """`map(work, items)` in the order of the items, with `workers` threads at work ahead.

    Never more than `depth` items are begun and not yet taken by the caller, which bounds the
    memory. What `work` raises is raised in its item's place and ends the stream. The threads end
    with the iterator, and never keep a process alive.
    """
    jobs: SimpleQueue[_Job[Item, Done] | None] = SimpleQueue()
    pending: deque[_Job[Item, Done]] = deque()
    threads: list[threading.Thread] = []
    given_up = threading.Event()

    def serve() -> None:
        while (job := jobs.get()) is not None and not given_up.is_set():
            job.run(work)

    try:
        for item in items:
            job: _Job[Item, Done] = _Job(item)
            pending.append(job)
            jobs.put(job)
            if len(threads) < workers:
                threads.append(threading.Thread(target=serve, daemon=True, name="look-ahead"))
                threads[-1].start()
            if len(pending) >= depth:
                yield pending.popleft().take()
        while pending:
            yield pending.popleft().take()
    finally:
        given_up.set()
        for _ in threads:
            jobs.put(None)
        for thread in threads:
            thread.join(_PATIENCE_S)
