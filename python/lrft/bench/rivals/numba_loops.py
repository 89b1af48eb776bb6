"""Numba: the whole loop compiled, normals included.

A NumPy `Generator` used inside compiled code is the fastest source found: its ziggurat is compiled
in place, so a normal from SFC64 takes about 2.7 ns where NumPy's own fill takes 7.2 and Numba's
`np.random.standard_normal` 25.

Inside compiled code BLAS gives the products, as it does in NumPy.  ``fastmath`` stays off: all
tools here keep IEEE arithmetic, except that the sums of length d may be reordered (BLAS reorders
them too).
"""

from __future__ import annotations

import math

import numba
import numpy as np

from lrft.bench.rivals.problem import Problem

BLOCK = 64
KINDS = {"relu": 0, "tanh": 1, "gelu": 2}


@numba.njit(inline="always")
def _sigma(kind, z):
    if kind == 0:
        return (z, 1.0) if z > 0 else (0.0, 0.0)
    if kind == 1:
        t = math.tanh(z)
        return t, 1 - t * t
    phi = 0.5 * math.erfc(-z * 0.7071067811865476)
    return z * phi, phi + z * math.exp(-0.5 * z * z) * 0.3989422804014327


@numba.njit(inline="always")
def _neurons(kind, lam, s, xi, field, c_hat, c, q, along, slope):
    """(f_hat - f*, Σ λ_i s ξ ĉ_i σ'_i); the slopes λ_i s ξ σ'_i are left in `slope`."""
    error, pull = 0.0, 0.0
    for i in range(lam.size):
        value, derivative = _sigma(kind, s * (field[i] + xi * c_hat[i] * q))
        error += lam[i] * (value - _sigma(kind, s * (field[i] + xi * c[i] * along))[0])
        slope[i] = lam[i] * s * xi * derivative
        pull += slope[i] * c_hat[i]
    return error, pull


@numba.njit(inline="always")
def _move_c(c_hat, slope, factor):
    inner, square = 0.0, 0.0
    for i in range(c_hat.size):
        inner += c_hat[i] * slope[i] * factor
    for i in range(c_hat.size):
        c_hat[i] -= slope[i] * factor - inner * c_hat[i]
        square += c_hat[i] * c_hat[i]
    shrink = 1 / math.sqrt(square)
    for i in range(c_hat.size):
        c_hat[i] *= shrink


@numba.njit(fastmath={"reassoc", "contract"}, inline="never")
def _update(u_hat, x, keep, g):
    """u_hat <- keep u_hat - g x; returns |u_hat|²."""
    square = 0.0
    for i in range(u_hat.size):
        v = keep * u_hat[i] - g * x[i]
        u_hat[i] = v
        square += v * v
    return square


@numba.njit
def _loop(kind, rng, inputs, W, lam, c, u, c_hat, u_hat, s, xi, lr, joint, steps):
    k, d = W.shape
    overlaps = np.empty(steps + 1)
    overlaps[0] = np.dot(u, u_hat)
    slope, x = np.empty(k), np.empty(d)
    for t in range(steps):
        if inputs.size:
            x[:] = inputs[t]
        else:
            for i in range(d):
                x[i] = rng.standard_normal()
        field = np.dot(W, x)
        q, along = np.dot(u_hat, x), np.dot(u, x)
        error, pull = _neurons(kind, lam, s, xi, field, c_hat, c, q, along, slope)
        g = 2 * lr * error * pull
        x -= np.dot(field, W)
        square = _update(u_hat, x, 1 + g * q, g)
        u_hat *= 1 / math.sqrt(square)
        if joint:
            _move_c(c_hat, slope, 2 * lr * error * q)
        overlaps[t + 1] = np.dot(u, u_hat)
    return overlaps


def loop(p: Problem, steps: int, inputs: np.ndarray | None = None) -> np.ndarray:
    """All sample by sample in one compiled loop."""
    return _loop(
        KINDS[p.activation],
        np.random.Generator(np.random.SFC64(p.seed)),
        np.empty((0, 0)) if inputs is None else inputs,
        p.W,
        p.lam,
        p.c,
        p.u,
        p.c0.copy(),
        p.u0.copy(),
        p.neuron_scale,
        p.xi,
        p.lr,
        p.joint,
        steps,
    )


@numba.njit
def _blocked(kind, rng, inputs, W_and_u, W, lam, c, u, c_hat, u_hat, s, xi, lr, joint, steps):
    k, d = W.shape
    overlaps = np.empty(steps + 1)
    overlaps[0] = np.dot(u, u_hat)
    X, slope = np.empty((BLOCK, d)), np.empty(k)
    for first in range(0, steps, BLOCK):
        count = min(BLOCK, steps - first)
        if inputs.size:
            X[:count] = inputs[first : first + count]
        else:
            for j in range(count):
                for i in range(d):
                    X[j, i] = rng.standard_normal()
        fields = np.dot(X, W_and_u.T)
        X -= np.dot(np.ascontiguousarray(fields[:, :k]), W)
        m = np.dot(u, u_hat)
        for j in range(count):
            x, along = X[j], fields[j, k]
            q = np.dot(u_hat, x)
            error, pull = _neurons(kind, lam, s, xi, fields[j], c_hat, c, q, along, slope)
            g = 2 * lr * error * pull
            square = _update(u_hat, x, 1 + g * q, g)
            shrink = 1 / math.sqrt(square)
            u_hat *= shrink
            if joint:
                _move_c(c_hat, slope, 2 * lr * error * q)
            m = (m * (1 + g * q) - g * along) * shrink
            overlaps[first + j + 1] = m
    return overlaps


def blocked(p: Problem, steps: int, inputs: np.ndarray | None = None) -> np.ndarray:
    """Fields and projected samples by block, still in one compiled function."""
    return _blocked(
        KINDS[p.activation],
        np.random.Generator(np.random.SFC64(p.seed)),
        np.empty((0, 0)) if inputs is None else inputs,
        np.vstack([p.W, p.u]),
        p.W,
        p.lam,
        p.c,
        p.u,
        p.c0.copy(),
        p.u0.copy(),
        p.neuron_scale,
        p.xi,
        p.lr,
        p.joint,
        steps,
    )
