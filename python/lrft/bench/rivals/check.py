"""Is a baseline right?  It is checked against Eq. 4 written out, before anything is timed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from lrft.bench.rivals import Baseline
from lrft.bench.rivals.problem import Problem


class WrongAnswer(AssertionError):
    """A baseline does not do what Eq. 4 says."""


def _sigma(kind: str, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if kind == "relu":
        return np.maximum(z, 0), (z > 0).astype(float)
    if kind == "tanh":
        return np.tanh(z), 1 / np.cosh(z) ** 2
    phi = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in z])
    return z * phi, phi + z * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def _outside(rows: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the part of v orthogonal to orthonormal `rows`."""
    return v - rows.T @ (rows @ v)


def written_out(p: Problem, inputs: np.ndarray) -> np.ndarray:
    """Overlaps along `inputs` (steps, d), projectors and gradients as the paper writes them."""
    u_hat, c_hat = p.u0, p.c0
    overlaps = [p.u @ u_hat]
    for x in inputs:
        target = (
            p.lam @ _sigma(p.activation, p.neuron_scale * (p.W + p.xi * np.outer(p.c, p.u)) @ x)[0]
        )
        value, slope = _sigma(
            p.activation, p.neuron_scale * (p.W + p.xi * np.outer(c_hat, u_hat)) @ x
        )
        error = p.lam @ value - target
        grad_u = 2 * error * p.neuron_scale * p.xi * (p.lam @ (slope * c_hat)) * x
        grad_c = 2 * error * p.neuron_scale * p.xi * p.lam * slope * (u_hat @ x)
        moved = u_hat - p.lr * _outside(u_hat[None], _outside(p.W, grad_u))
        if p.joint:
            c_hat = c_hat - p.lr * _outside(c_hat[None], grad_c)
            c_hat = c_hat / np.linalg.norm(c_hat)
        u_hat = moved / np.linalg.norm(moved)
        overlaps.append(p.u @ u_hat)
    return np.array(overlaps)


def check_given(baseline: Baseline, p: Problem, steps: int = 150) -> float:
    """Return the largest gap to `written_out` on the same inputs; raise above 1e-9."""
    inputs = np.random.default_rng(1).standard_normal((steps, p.d))
    expected = written_out(p, inputs)
    path = np.asarray(baseline.load()(p, steps, inputs))
    if path.ndim == 1:
        path = path[:, None]
    gap = float(np.abs(path - expected[:, None]).max()) if path.shape[0] == steps + 1 else math.inf
    moved = float(np.abs(expected - expected[0]).max())
    if not gap <= 1e-9 or moved < 1e-3:
        raise WrongAnswer(
            f"{baseline.name} is off by {gap:.1e} on a path that moves by {moved:.1e}"
        )
    return gap


def check_law(baseline: Baseline, p: Problem, steps: int = 192, seeds: int = 48) -> float:
    """Return the z-score of last overlaps, own samples against `written_out`; raise above 5.

    Also raise unless the spreads agree within a factor of two and different seeds give different
    paths.
    """
    run = baseline.load()
    ours = np.concatenate(
        [np.atleast_1d(run(replace(p, seed=100 + s), steps)[-1]) for s in range(seeds)]
    )
    rng = np.random.default_rng(2)
    theirs = np.array([written_out(p, rng.standard_normal((steps, p.d)))[-1] for _ in range(seeds)])
    spread = math.hypot(ours.std() / math.sqrt(ours.size), theirs.std() / math.sqrt(theirs.size))
    score = float(abs(ours.mean() - theirs.mean()) / spread)
    ratio = float(ours.std() / theirs.std())
    if not (score < 5 and 0.5 < ratio < 2):
        raise WrongAnswer(
            f"{baseline.name}: mean off by {score:.1f} standard errors, spread ratio {ratio:.2f}"
        )
    return score
