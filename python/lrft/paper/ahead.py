"""Data of experiments, two at a time, while what is there is judged and drawn.

Each experiment shares out its simulations on all cores. Where one waits for the longest of them, or
gathers what they gave, those of the other fill the cores.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING

from lrft.paper.experiment import Context, Experiment

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Ahead"]

#: Begun before all others: what waits for a single replica, or goes from search to search, for
#: longest. At the end there would be nothing to do beside it.
FIRST = ("claim1", "claim5", "claim7", "fig6a", "fig4b", "fig5a", "fig3a", "degree", "batches")
#: Seconds for which computations that are told to leave are waited for.
_PATIENCE = 0.3


class Ahead:
    """Threads that compute the data of experiments, those of `FIRST` first and then in order.

    Parameters
    ----------
    experiments : sequence of Experiment
    quick, instances
        As for `Context`.
    threads : int
        Of each computation; with one, they come one after the other.

    Examples
    --------
    >>> import xarray as xr
    >>> from lrft.paper.experiment import Experiment
    >>> one = Experiment("fig9a", "", "", "", lambda context: xr.Dataset({"y": 1}), None, None)
    >>> ahead = Ahead([one], quick=True, threads=1)
    >>> ahead.wait(lambda name, fraction: None)
    >>> [(experiment.name, int(made.result()[0].y)) for experiment, made in ahead.done()]
    [('fig9a', 1)]
    >>> ahead.left
    False
    """

    def __init__(
        self,
        experiments: Sequence[Experiment],
        *,
        quick: bool,
        threads: int,
        instances: int | None = None,
    ) -> None:
        self._quick, self._threads, self._instances = quick, threads, instances
        # Data and the seconds they took, of what was not given out.
        self._futures: dict[Future[tuple[xr.Dataset, float]], Experiment] = {
            Future(): one
            for one in sorted(experiments, key=lambda one: (*FIRST, one.name).index(one.name))
        }
        self._queue = deque(self._futures.items())
        self._leaves = False
        self._shares: dict[str, float] = {}  # of those that were begun
        self._told: dict[str, float] = {}
        self._workers = [
            threading.Thread(target=self._work, daemon=True)
            for _ in range(min(2, threads, len(experiments)))
        ]
        for worker in self._workers:
            worker.start()

    @property
    def left(self) -> bool:
        """Whether data are still to be given out."""
        return bool(self._futures)

    def wait(self, tell: Callable[[str, float], None]) -> None:
        """Wait until there are data.

        Meanwhile `tell` is called, in this thread, with names and the fraction that is done.
        """
        found = False
        while not found:
            found = bool(wait(self._futures, 0.05, FIRST_COMPLETED).done)
            for name, share in self._shares.copy().items():
                if self._told.get(name) != share:
                    self._told[name] = share
                    tell(name, share)

    def done(self) -> Iterator[tuple[Experiment, Future[tuple[xr.Dataset, float]]]]:
        """Give out, once, what has come to its end."""
        for future in [one for one in self._futures if one.done()]:
            yield self._futures.pop(future), future

    def leave(self) -> None:
        """Let computations go where they stand; what is there already stays."""
        self._leaves = True
        end = time.perf_counter() + _PATIENCE
        for worker in self._workers:
            worker.join(max(0.0, end - time.perf_counter()))

    def _work(self) -> None:
        while self._queue and not self._leaves:
            try:
                future, one = self._queue.popleft()
            except IndexError:  # the other was faster
                return
            begin = time.perf_counter()
            try:
                data = self._data(one)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result((data, time.perf_counter() - begin))

    def _data(self, one: Experiment) -> xr.Dataset:
        def tell(fraction: float) -> None:
            if self._leaves:
                raise KeyboardInterrupt  # leaves a simulation as Ctrl-C would
            self._shares[one.name] = fraction

        tell(0.0)
        return one.run(Context(self._quick, self._threads, tell, self._instances))
