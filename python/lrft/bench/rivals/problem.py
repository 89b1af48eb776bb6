"""The task that all baselines solve, as plain arrays, so that none of them needs `lrft`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Problem:
    """A teacher, a start and a rate, with W orthonormal and u, u_hat orthogonal to it (Π on).

    The network is ``f(x) = Σ_i lam_i σ(s (<w_i, x> + xi c_i <u, x>))`` with ``s = neuron_scale``.

    Attributes
    ----------
    W : (k, d) float64
        Orthonormal rows.
    lam, c, c0 : (k,) float64
        Output weights, the teacher's c and the student's start; unit norm for the latter two.
    u, u0 : (d,) float64
        Unit vectors orthogonal to the rows of W.
    """

    W: np.ndarray
    lam: np.ndarray
    c: np.ndarray
    u: np.ndarray
    c0: np.ndarray
    u0: np.ndarray
    xi: float
    neuron_scale: float
    lr: float
    activation: str
    joint: bool = False
    seed: int = 0

    @property
    def d(self) -> int:
        """Input dimension."""
        return int(self.W.shape[1])

    @property
    def k(self) -> int:
        """Number of neurons."""
        return int(self.W.shape[0])

    @classmethod
    def sample(
        cls,
        d: int,
        k: int,
        activation: str = "relu",
        joint: bool = False,
        delta: float = 0.2,
        seed: int = 0,
    ) -> Problem:
        """Draw orthonormal W, quantised c, ξ = √k, unit neurons, λ = 1/√k; the rate is δ/d."""
        rng = np.random.default_rng(seed)
        basis = np.linalg.qr(rng.standard_normal((d, k + 2)))[0].T
        W, u, start = np.ascontiguousarray(basis[:k]), basis[k].copy(), basis[k + 1].copy()
        overlap = 0.1
        u0 = overlap * u + np.sqrt(1 - overlap**2) * start
        c = rng.choice([-1.0, 1.0], k) / np.sqrt(k)
        c0 = c.copy()
        c0[: k // 4] *= -1  # a frozen c_hat that is not c
        return cls(
            W,
            np.full(k, 1 / np.sqrt(k)),
            c,
            u,
            c0,
            u0,
            xi=math.sqrt(k),
            neuron_scale=1 / math.sqrt(2.0),
            lr=delta / d,
            activation=activation,
            joint=joint,
            seed=seed,
        )
