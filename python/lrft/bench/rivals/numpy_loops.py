"""NumPy: a loop over samples, the same with its products by block, and one batched over 64 chains.

Normals come in blocks from SFC64, NumPy's fastest bit generator for them.
"""

from __future__ import annotations

import math

import numpy as np

from lrft.bench.rivals.problem import Problem

BLOCK = 64
_SQRT_HALF = math.sqrt(0.5)
_INV_SQRT_2PI = 1 / math.sqrt(2 * math.pi)


def _relu(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    on = z > 0
    return z * on, on


def _tanh(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    t = np.tanh(z)
    return t, 1 - t * t


def _gelu(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.special import ndtr

    phi = ndtr(z)
    return z * phi, phi + z * np.exp(-0.5 * z * z) * _INV_SQRT_2PI


ACTIVATIONS = {"relu": _relu, "tanh": _tanh, "gelu": _gelu}


def _blocks(p: Problem, steps: int, inputs: np.ndarray | None):
    """Yield (first step, samples (b, d)) block by block."""
    rng = np.random.Generator(np.random.SFC64(p.seed))
    buffer = np.empty((BLOCK, p.d))
    for first in range(0, steps, BLOCK):
        count = min(BLOCK, steps - first)
        if inputs is None:
            rng.standard_normal(out=buffer[:count])
            yield first, buffer[:count]
        else:
            yield first, inputs[first : first + count]


def loop(p: Problem, steps: int, inputs: np.ndarray | None = None) -> np.ndarray:
    """Sample by sample; W x is computed once for teacher, student and projection."""
    sigma = ACTIVATIONS[p.activation]
    W, u_hat, c_hat = p.W, p.u0.copy(), p.c0.copy()
    teacher, student = p.neuron_scale * p.xi * p.c, p.neuron_scale * p.xi * c_hat
    scale = 2 * p.lr
    step = np.empty(p.d)
    overlaps = np.empty(steps + 1)
    overlaps[0] = p.u @ u_hat
    for first, block in _blocks(p, steps, inputs):
        for j, x in enumerate(block):
            field = W @ x
            q = u_hat @ x
            z = p.neuron_scale * field
            target = p.lam @ sigma(z + teacher * (p.u @ x))[0]
            value, slope = sigma(z + student * q)
            weighted = p.lam * slope
            residual = scale * (p.lam @ value - target)
            g = residual * (weighted @ student)
            np.dot(field, W, out=step)  # u_hat <- u_hat - g (x - Wᵀ W x - q u_hat), normalised
            np.subtract(x, step, out=step)
            step *= g
            u_hat *= 1 + g * q
            u_hat -= step
            u_hat *= 1 / math.sqrt(u_hat @ u_hat)
            if p.joint:
                c_hat, student = _move_c(p, c_hat, residual * q * p.neuron_scale * p.xi * weighted)
            overlaps[first + j + 1] = p.u @ u_hat
    return overlaps


def _move_c(p: Problem, c_hat: np.ndarray, move: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One step of ĉ on its sphere: (new ĉ, s ξ ĉ)."""
    c_hat = c_hat - (move - (c_hat @ move) * c_hat)
    c_hat *= 1 / math.sqrt(c_hat @ c_hat)
    return c_hat, p.neuron_scale * p.xi * c_hat


def blocked(p: Problem, steps: int, inputs: np.ndarray | None = None) -> np.ndarray:
    """Fields, targets and projected samples by block; the loop does the student's own work."""
    sigma = ACTIVATIONS[p.activation]
    W_and_u = np.vstack([p.W, p.u])
    u_hat, c_hat = p.u0.copy(), p.c0.copy()
    teacher, student = p.neuron_scale * p.xi * p.c, p.neuron_scale * p.xi * c_hat
    weights = p.lam * student
    scale, m = 2 * p.lr, float(p.u @ u_hat)
    step = np.empty(p.d)
    overlaps = np.empty(steps + 1)
    overlaps[0] = m
    projected = np.empty((BLOCK, p.d))
    for first, block in _blocks(p, steps, inputs):
        fields = block @ W_and_u.T
        along = fields[:, -1].tolist()
        Z = p.neuron_scale * fields[:, :-1]
        targets = (sigma(Z + np.outer(fields[:, -1], teacher))[0] @ p.lam).tolist()
        x_perp = np.matmul(fields[:, :-1], p.W, out=projected[: len(block)])
        np.subtract(block, x_perp, out=x_perp)
        squares = np.einsum("ij,ij->i", x_perp, x_perp).tolist()
        for j, x in enumerate(x_perp):
            q = float(u_hat @ x)  # u_hat is orthogonal to W
            value, slope = sigma(Z[j] + student * q)
            residual = scale * (float(p.lam @ value) - targets[j])
            g = residual * float(weights @ slope)
            # |u_hat - g (x - q u_hat)|² = 1 + g² (|x|² - q²) ; made exact at the block's end
            shrink = 1 / math.sqrt(1 + g * g * (squares[j] - q * q))
            np.multiply(x, g * shrink, out=step)
            u_hat *= (1 + g * q) * shrink
            u_hat -= step
            m = (m * (1 + g * q) - g * along[j]) * shrink
            overlaps[first + j + 1] = m
            if p.joint:
                move = residual * q * p.neuron_scale * p.xi * (p.lam * slope)
                c_hat, student = _move_c(p, c_hat, move)
                weights = p.lam * student
        u_hat *= 1 / math.sqrt(u_hat @ u_hat)
        m = float(p.u @ u_hat)
    return overlaps


def batched(
    p: Problem, steps: int, inputs: np.ndarray | None = None, chains: int = 64
) -> np.ndarray:
    """64 chains in step, as (steps + 1, chains); given `inputs` (steps, d) move all alike."""
    sigma = ACTIVATIONS[p.activation]
    rng = np.random.Generator(np.random.SFC64(p.seed))
    W_and_u = np.ascontiguousarray(np.vstack([p.W, p.u]).T)
    U, C = np.tile(p.u0, (chains, 1)), np.tile(p.c0, (chains, 1))
    factor = p.neuron_scale * p.xi
    X, X_perp = np.empty((chains, p.d)), np.empty((chains, p.d))
    overlaps = np.empty((steps + 1, chains))
    m = overlaps[0] = U @ p.u
    for t in range(steps):
        if inputs is None:
            rng.standard_normal(out=X)
        else:
            X[:] = inputs[t]
        fields = X @ W_and_u
        Z, along = p.neuron_scale * fields[:, :-1], fields[:, -1]
        np.matmul(fields[:, :-1], p.W, out=X_perp)
        np.subtract(X, X_perp, out=X_perp)
        q = np.einsum("ij,ij->i", U, X_perp)
        target = sigma(Z + np.outer(along, factor * p.c))[0] @ p.lam
        value, slope = sigma(Z + (factor * q)[:, None] * C)
        residual = 2 * p.lr * (value @ p.lam - target)
        weighted = p.lam * slope
        g = residual * factor * np.einsum("ij,ij->i", weighted, C)
        X_perp *= g[:, None]
        U *= (1 + g * q)[:, None]
        U -= X_perp
        norm = np.sqrt(np.einsum("ij,ij->i", U, U))
        U /= norm[:, None]
        m = overlaps[t + 1] = (m * (1 + g * q) - g * along) / norm
        if p.joint:
            move = (residual * q * factor)[:, None] * weighted
            C = C - move + np.einsum("ij,ij->i", C, move)[:, None] * C
            C /= np.linalg.norm(C, axis=1)[:, None]
    return overlaps
