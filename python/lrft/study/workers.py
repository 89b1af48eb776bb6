"""Who does the work: threads of this process, or a Dask cluster.

Locally, one thread a block (`lrft.run.pool` says why). On a cluster the same blocks go through
Dask, which does the rest: sending, balancing, and starting again what a lost
worker had in hand. Nothing is ever forked: Dask spawns its processes.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any

from lrft.base import checks
from lrft.base.threads import settle_threads
from lrft.run.pool import Pool
from lrft.study.work import Block, Outcome, run_block

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Cluster", "Local", "workers"]

CONNECT_SECONDS = 10.0  # to wait for a scheduler
_LOOK_EVERY = 2.0  # seconds between looks at the size of the cluster
#: A block may fail on this many workers that cannot run it before it counts as failed.
_RETRIES = 2


class Local:
    """Threads of this process."""

    def __init__(self, threads: int) -> None:
        self.block_threads = 1
        self._threads = threads
        self._pool = Pool(threads)

    def slots(self) -> int:
        """Blocks that can run at the same time."""
        return self._threads

    def submit(self, block: Block) -> Future[list[Outcome]]:
        """Start a block, or queue it."""
        return self._pool.submit(run_block, block)

    def __enter__(self) -> Local:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.__exit__(kind, error, trace)


class Cluster:
    """A Dask cluster, by the address of its scheduler or a client of the user's."""

    def __init__(self, scheduler: str | Client, threads: int) -> None:
        self.block_threads = threads
        self._own = isinstance(scheduler, str)
        self._client = _connect(scheduler) if isinstance(scheduler, str) else scheduler
        self._pool = self._client.get_executor(pure=False, retries=_RETRIES)
        self._slots, self._looked = 0, float("-inf")

    def slots(self) -> int:
        """Threads of the cluster's workers: it runs as many tasks at the same time."""
        if time.monotonic() - self._looked > _LOOK_EVERY:
            self._looked = time.monotonic()
            self._slots = sum(self._client.nthreads().values())
        return max(1, self._slots)

    def submit(self, block: Block) -> Future[list[Outcome]]:
        """Send a block to the scheduler."""
        future: Future[list[Outcome]] = self._pool.submit(run_block, block)
        return future

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=False)
        if self._own:
            self._client.close()


def workers(scheduler: str | Client | None, threads: int | None) -> Local | Cluster:
    """Choose who does the work; see `lrft.sweep`."""
    if scheduler is None:
        return Local(settle_threads(threads))
    budget = 1 if threads is None else checks.integer("threads", threads, 1, 4096)
    try:
        import distributed
    except ImportError as error:
        raise ValueError("scheduler needs Dask: pip install 'lrft[sweep]'") from error
    if not isinstance(scheduler, str | distributed.Client):
        raise TypeError(
            "scheduler must be an address like 'tcp://host:8786' or a distributed.Client, "
            f"got {checks.describe(scheduler)}"
        )
    return Cluster(scheduler, budget)


def _connect(address: str) -> Any:
    from distributed import Client

    try:
        return Client(address, timeout=CONNECT_SECONDS)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ValueError(f"scheduler={address!r}: cannot connect ({error})") from error
