"""From the replicas of a run to lines that can be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrft.run.chains import ON_THEIR_WAY

__all__ = ["Curves", "curves_of"]

Floats = NDArray[np.float64]

#: The level whose first hit is marked.
MARK = 0.9


@dataclass(frozen=True)
class Curves:
    """What a run has come to.

    Attributes
    ----------
    steps : ndarray of float64, shape (n,)
        Recorded steps that some replica has reached.
    overlap, loss : ndarray of shape (replicas, n)
        |⟨û,u⟩| and the exact loss; NaN past where a replica stands. A full network has no overlap.
    median_overlap, median_loss : ndarray of shape (n,)
        Over replicas that have not diverged, up to the record that all of these have reached.
    hit : float
        The step by which half of all replicas reached |⟨û,u⟩| ≥ 0.9, the lower median; inf so far.
    hits : int
        How many reached it.
    running, diverged : int
        How many replicas are not at their end, and how many diverged.
    slowest : int
        The step of the replica that is behind.

    Examples
    --------
    >>> import lrft
    >>> from lrft.explore.curves import curves_of
    >>> task = lrft.Task.sample(d=50, k=2, seed=0)
    >>> training = lrft.Training(lr=0.001, steps=10, record=3)
    >>> simulation = lrft.Simulation(task, training, replicas=2)
    >>> simulation.run()
    >>> curves_of(simulation.chains(), training).overlap.shape
    (2, 3)
    """

    steps: Floats
    overlap: Floats
    loss: Floats
    median_overlap: Floats
    median_loss: Floats
    hit: float
    hits: int
    running: int
    diverged: int
    slowest: int


def curves_of(chains: Sequence[Any], training: Any) -> Curves:
    """Read lines off replicas.

    Parameters
    ----------
    chains : sequence of Chain
        Of one task, as `lrft.Simulation.chains` gives them.
    training : lrft.Training

    Returns
    -------
    Curves
    """
    steps = training.record_steps
    lengths = [len(chain.records["loss"]) for chain in chains]
    reached = max(lengths)
    followed = training.student.followed
    overlap = np.full((len(chains), reached), np.nan)
    loss = np.full((len(chains), reached), np.nan)
    for i, chain in enumerate(chains):
        loss[i, : lengths[i]] = chain.records["loss"]
        if followed:
            overlap[i, : lengths[i]] = np.abs(chain.records["overlap_u"])
    sound = [chain.status != "diverged" for chain in chains]
    common = min((n for n, one in zip(lengths, sound, strict=True) if one), default=0)
    place = list(training.thresholds).index(MARK)
    hits = sorted(int(chain.hits[place]) for chain in chains if chain.hits[place] >= 0)
    half = (len(chains) + 1) // 2
    return Curves(
        steps=steps[:reached].astype(np.float64),
        overlap=overlap,
        loss=loss,
        median_overlap=_median(overlap, sound, common),
        median_loss=_median(loss, sound, common),
        hit=float(hits[half - 1]) if len(hits) >= half else float("inf"),
        hits=len(hits),
        running=sum(chain.status in ON_THEIR_WAY for chain in chains),
        diverged=len(chains) - sum(sound),
        slowest=min(chain.step for chain in chains),
    )


def _median(values: Floats, sound: list[bool], common: int) -> Floats:
    median = np.full(values.shape[1], np.nan)
    if common:
        median[:common] = np.median(values[sound, :common], axis=0)
    return median
