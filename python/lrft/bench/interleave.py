"""Fair timing on a machine that others use too: contenders take turns, ratios within a round.

A slow spell of the machine then hits all contenders of a round alike and leaves their ratio nearly
as it was.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Contender", "Ratio", "interleave", "ratio"]


@dataclass(frozen=True)
class Contender:
    """One way to do the work.

    Attributes
    ----------
    name : str
        What it is called in tables.
    call : callable
        ``call(n)`` does ``n`` units of work.  It may return the seconds it took by its own clock;
        if it returns anything that is not a float, the call is timed from outside.
    multiple : int
        `n` is a multiple of this; one call does at least so many units.
    per_call : int
        Calls do this many units for every one asked for (64 for a loop that moves 64 chains a
        step).
    """

    name: str
    call: Callable[[int], object]
    multiple: int = 1
    per_call: int = 1


@dataclass(frozen=True)
class Ratio:
    """Median of the rounds' ratios, and the band that holds all but the outer tenths of them."""

    median: float
    low: float
    high: float


def interleave(
    contenders: Sequence[Contender],
    rounds: int = 7,
    seconds: float = 0.05,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time all contenders in rounds, each once a round, in an order that rotates.

    Parameters
    ----------
    contenders : sequence of Contender
        Names must differ.
    rounds : int
        How many rounds; at least 1.
    seconds : float
        Roughly how long one call lasts; the amount of work is chosen accordingly, before the first
        round.

    clock : callable
        What tells the time. For work on one thread `time.process_time` leaves out the time that the
        system gives to others.

    Returns
    -------
    dict of str to list of float
        Seconds per unit of work, by name and round.

    Raises
    ------
    ValueError
        If names repeat or `rounds` is not positive.

    Examples
    --------
    >>> a, b = Contender("a", lambda n: 2.0 * n), Contender("b", lambda n: 6.0 * n)
    >>> times = interleave([a, b], rounds=3)
    >>> times["a"], ratio(times["b"], times["a"]).median
    ([2.0, 2.0, 2.0], 3.0)
    """
    names = [c.name for c in contenders]
    if len(set(names)) != len(names):
        raise ValueError(f"contenders must have different names, got {names}")
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, got {rounds}")
    amounts = [_amount(c, seconds, clock) for c in contenders]
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        order = [(turn + i) % len(contenders) for i in range(len(contenders))]
        for i in order:
            contender = contenders[i]
            times[contender.name].append(
                _time(contender, amounts[i], clock) / (amounts[i] * contender.per_call)
            )
    return times


def ratio(slower: Sequence[float], faster: Sequence[float]) -> Ratio:
    """How many times longer `slower` takes than `faster`, round by round.

    Examples
    --------
    >>> ratio([2.0, 3.0, 8.0], [1.0, 1.0, 2.0])
    Ratio(median=3.0, low=2.0, high=4.0)
    """
    ratios = sorted(s / f for s, f in zip(slower, faster, strict=True))
    outer = len(ratios) // 10
    return Ratio(statistics.median(ratios), ratios[outer], ratios[-1 - outer])


def _time(contender: Contender, amount: int, clock: Callable[[], float]) -> float:
    start = clock()
    own = contender.call(amount)
    elapsed = clock() - start
    return own if isinstance(own, float) else elapsed


def _amount(contender: Contender, seconds: float, clock: Callable[[], float]) -> int:
    """Find the units of work that last about `seconds`; this also warms caches and compilers."""
    amount = contender.multiple
    _time(contender, amount, clock)  # compiles
    elapsed = _time(contender, amount, clock)
    while elapsed < seconds / 20:  # too short to extrapolate from
        amount *= 8
        _time(contender, amount, clock)
        elapsed = _time(contender, amount, clock)
    wanted = max(1, round(amount * seconds / elapsed / contender.multiple)) * contender.multiple
    if wanted != amount:
        _time(contender, wanted, clock)
    return wanted
