"""Threads of this process that share out work of the core.

The engine releases the interpreter's lock while it works, so processes would gain nothing and cost
their start; and pieces of work need not wait for each other, as the threads of one large call do.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from lrft.core.engine import compiled

__all__ = ["Pool"]

P = ParamSpec("P")
T = TypeVar("T")


class Pool:
    """Threads that work for the one that made them: what they do is left when that one leaves.

    Work that is left is where its last step had it.

    Parameters
    ----------
    threads : int

    Examples
    --------
    >>> from lrft.run.pool import Pool
    >>> with Pool(2) as pool:
    ...     pool.submit(abs, -1).result()
    1
    """

    def __init__(self, threads: int) -> None:
        self._stop = compiled.Stop()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="lrft")

    def submit(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> Future[T]:
        """Begin work, or queue it; once the pool is left, the engine raises ``Cancelled`` in it."""

        def stoppable() -> T:
            with self._stop:
                return work(*arguments, **named)

        return self._threads.submit(stoppable)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._threads.shutdown(wait=True, cancel_futures=True)
