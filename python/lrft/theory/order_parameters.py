"""What a solution of the order-parameter equations is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.base import checks
from lrft.theory.measure import Measure
from lrft.theory.student_sample import State

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OrderParameters:
    """A solution of the order-parameter equations at n times.

    Attributes
    ----------
    time : ndarray of shape (n,)
        ``tau = lr * t``, from 0.
    M : ndarray of shape (n, rows, s)
        The student's rows (u_hat, those of A, or all neurons) in the task's basis of span(W, u),
        where there are biases after b_hat / neuron_scale;
        of a linearised student with a start of its own, that of its starting rows too.
    Q : ndarray of shape (n, rows, rows)
        Inner products of the rows.
    Q_blocks : ndarray of shape (n, J, rows, rows)
        The same of their parts in each of J eigenvalue blocks of the inputs, without biases;
        J = 1 where these have none.
    own : ndarray of shape (n, k), (n, k, rows) or (n, rows)
        c_hat, B, or the output weights of a full network.
    overlap_u, overlap_c : ndarray
        ``<u_hat, u>`` and ``<c_hat, c>``, (n,); of other students what `lrft.simulate` records
        under these names; NaN where there is no such thing.
    delta : float
        ``lr * d``; 0 for the gradient flow.
    noise_error, drift_error : float
        Largest standard errors of sampled expectations met on the way: of the trace of E[g g^T],
        relative to it, and of the mean gradient, relative to its length at the start. 0 where the
        expectation has a closed form.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=100, k=1, xi=1.0, features="zero", activation="he2")
    >>> flow = lrft.theory.gradient_flow(task, task.c, 0.1, horizon=0.5, records=3)
    >>> flow.time.tolist(), flow.M.shape, flow.P.shape
    ([0.0, 0.25, 0.5], (3, 1, 1), (3, 1))
    """

    time: Floats
    M: Floats
    Q: Floats
    Q_blocks: Floats
    own: Floats
    overlap_u: Floats
    overlap_c: Floats
    delta: float
    noise_error: float
    drift_error: float
    _state_at: Callable[[Floats], State] = field(repr=False)
    _measure: Measure = field(repr=False)

    @property
    def P(self) -> Floats:
        """The rows in S, (n, rows, s); of a student with one row, (n, s)."""
        return self.M[:, 0] if self.M.shape[1] == 1 else self.M

    @property
    def c_hat(self) -> Floats:
        """The own parameters, under the name that a rank-one student has for them."""
        return self.own

    @property
    def rest(self) -> Floats:
        """Lengths of the parts of the rows outside S, (n, rows); of one row, (n,)."""
        inside = self.M[:, :, self._measure.before :]  # Q_blocks have no biases
        squares = np.einsum("tbjj->tj", self.Q_blocks) - np.sum(inside**2, axis=2)
        lengths: Floats = np.sqrt(np.maximum(0.0, squares))
        return lengths[:, 0] if lengths.shape[1] == 1 else lengths

    @property
    def loss(self) -> Floats:
        """The population loss at `time`, (n,): exact, but for linearised students."""
        return self.loss_at(self.time)

    def overlap_at(self, time: ArrayLike) -> Floats:
        """Interpolate the overlap at times within the horizon, to the solver's accuracy.

        Parameters
        ----------
        time : array_like of any shape
            In ``[0, time[-1]]``.

        Returns
        -------
        ndarray of the shape of `time`
            <u_hat, u>, or of LoRA the smallest singular value: what thresholds are compared with.

        Raises
        ------
        ValueError
            If a time is outside, and for a full network, whose overlaps are a matrix.

        Examples
        --------
        >>> import lrft
        >>> task = lrft.Task.sample(d=100, k=1, xi=1.0, features="zero", activation="he2")
        >>> flow = lrft.theory.gradient_flow(task, task.c, 0.1, horizon=0.5)
        >>> round(float(flow.overlap_at(0.0)), 6)
        0.1
        """
        return self._at(time, self._measure.followed)

    def loss_at(self, time: ArrayLike) -> Floats:
        """Compute the population loss at times within the horizon.

        Parameters
        ----------
        time : array_like of any shape
            In ``[0, time[-1]]``.

        Returns
        -------
        ndarray of the shape of `time`

        Raises
        ------
        ValueError
            If a time is outside.

        Examples
        --------
        >>> import lrft
        >>> task = lrft.Task.sample(d=100, k=2, activation="erf")
        >>> training = lrft.Training(student=lrft.FullNetwork(), lr=0.01, steps=100)
        >>> losses = lrft.theory.gradient_flow(task, training).loss_at([0.0, 1.0])
        >>> bool(losses[1] < losses[0])
        True
        """
        return self._at(time, self._measure.loss)

    def _at(self, time: ArrayLike, what: Callable[[State], float]) -> Floats:
        times = np.asarray(checks.array("time", time))
        if times.size and not (times.min() >= 0 and times.max() <= self.time[-1]):
            raise ValueError(f"time must lie in [0, {self.time[-1]:g}], got {times.max():g}")
        states = self._state_at(times.ravel())
        found = [what(State(*one)) for one in zip(*states, strict=True)]
        return np.array(found, dtype=np.float64).reshape(times.shape)

    def hitting_time(self, threshold: float) -> float:
        """Find the first time at which the overlap reaches a threshold; inf if not in the horizon.

        Parameters
        ----------
        threshold : float
            In (0, 1], for the size of `overlap_at`.

        Returns
        -------
        float
            In tau; multiply by ``d / delta`` for steps.

        Raises
        ------
        TypeError, ValueError
            If the threshold is no number in (0, 1]; for a full network, which has `loss` alone.

        Examples
        --------
        >>> import numpy as np, lrft
        >>> task = lrft.Task.sample(d=100, k=1, xi=1.0, features="zero", activation="he2")
        >>> flow = lrft.theory.gradient_flow(task, task.c, 0.1, horizon=1.0)
        >>> bool(abs(flow.hitting_time(0.5) - np.log(33) / 8) < 1e-4)  # odds of m^2: 1/99 to 1/3
        True
        """
        threshold = checks.real("threshold", threshold, above=0.0, maximum=1.0)
        return self._first(lambda times: np.abs(self.overlap_at(times)) - threshold)

    def loss_hitting_time(self, level: float) -> float:
        """Find the first time with a loss of at most `level`; inf if not within the horizon.

        Parameters
        ----------
        level : float
            Positive.

        Returns
        -------
        float
            In tau.

        Raises
        ------
        TypeError, ValueError
            If the level is no positive number.

        Examples
        --------
        >>> import lrft
        >>> task = lrft.Task.sample(d=100, k=2, activation="erf")
        >>> training = lrft.Training(student=lrft.FullNetwork(), lr=0.01, steps=100)
        >>> flow = lrft.theory.gradient_flow(task, training, records=9)
        >>> flow.loss_hitting_time(2 * flow.loss[0])
        0.0
        """
        level = checks.real("level", level, above=0.0)
        return self._first(lambda times: level - self.loss_at(times))

    def _first(self, gap: Callable[[Floats], Floats]) -> float:
        """First zero of what becomes positive."""
        from scipy.optimize import brentq

        fine = np.linspace(0.0, self.time[-1], 8 * len(self.time) + 1)
        reached = np.flatnonzero(gap(fine) >= 0)
        if reached.size == 0:
            return float("inf")
        if reached[0] == 0:
            return 0.0
        ends = fine[reached[0] - 1], fine[reached[0]]
        return float(brentq(lambda tau: float(gap(np.asarray(tau))), *ends, xtol=1e-12))

    def __repr__(self) -> str:
        """Summarise in one line."""
        ends = f"OrderParameters(delta={self.delta:g}, time=0..{self.time[-1]:g}, "
        if self.overlap_u.ndim == 1:
            ends += f"overlap_u={self.overlap_u[0]:.4g}..{self.overlap_u[-1]:.4g}, "
        return ends + f"rows={self.M.shape[1]})"
