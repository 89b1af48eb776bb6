"""JAX: `lax.scan` over samples, jitted, float64.

The generator is the default one, threefry: `rbg` was measured and is no faster here.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lrft.bench.rivals.problem import Problem

jax.config.update("jax_enable_x64", True)

BLOCK = 64
GENERATOR = "threefry2x32"


def _sigma(kind: str, z: jax.Array) -> tuple[jax.Array, jax.Array]:
    if kind == "relu":
        return jnp.maximum(z, 0.0), (z > 0).astype(z.dtype)
    if kind == "tanh":
        t = jnp.tanh(z)
        return t, 1 - t * t
    phi = jax.scipy.special.ndtr(z)
    return z * phi, phi + z * jnp.exp(-0.5 * z * z) / jnp.sqrt(2 * jnp.pi)


def _step(kind, joint, a, state, x_perp, field, along, target=None):
    """One update from the fields of a sample; `a` are the problem's arrays, by name."""
    u_hat, c_hat = state
    q = u_hat @ x_perp
    s, xi, lam = a["s"], a["xi"], a["lam"]
    value, slope = _sigma(kind, s * (field + xi * q * c_hat))
    if target is None:
        target = lam @ _sigma(kind, s * (field + xi * along * a["c"]))[0]
    residual = 2 * a["lr"] * (lam @ value - target)
    weighted = s * xi * lam * slope
    g = residual * (weighted @ c_hat)
    u_hat = (1 + g * q) * u_hat - g * x_perp
    u_hat = u_hat * lax.rsqrt(u_hat @ u_hat)
    if joint:
        move = residual * q * weighted
        c_hat = c_hat - move + (c_hat @ move) * c_hat
        c_hat = c_hat * lax.rsqrt(c_hat @ c_hat)
    return (u_hat, c_hat), a["u"] @ u_hat


@partial(jax.jit, static_argnames=("kind", "joint", "steps"))
def _loop(kind, joint, steps, a, key, inputs):
    def body(carry, given):
        state, key = carry
        if inputs is None:
            key, draw = jax.random.split(key)
            x = jax.random.normal(draw, a["u"].shape)
        else:
            x = given
        field = a["W"] @ x
        state, m = _step(kind, joint, a, state, x - field @ a["W"], field, a["u"] @ x)
        return (state, key), m

    return lax.scan(body, ((a["u0"], a["c0"]), key), inputs, length=steps)[1]


@partial(jax.jit, static_argnames=("kind", "joint", "blocks"))
def _blocked(kind, joint, blocks, a, key, inputs):
    def body(carry, given):
        state, key = carry
        if inputs is None:
            key, draw = jax.random.split(key)
            X = jax.random.normal(draw, (BLOCK, a["u"].size))
        else:
            X = given
        fields, along = X @ a["W"].T, X @ a["u"]
        targets = _sigma(kind, a["s"] * (fields + a["xi"] * along[:, None] * a["c"]))[0] @ a["lam"]
        X_perp = X - fields @ a["W"]

        def one(state, sample):
            x, field, target = sample
            return _step(kind, joint, a, state, x, field, None, target)

        state, m = lax.scan(one, state, (X_perp, fields, targets))
        return (state, key), m

    return lax.scan(body, ((a["u0"], a["c0"]), key), inputs, length=blocks)[1].reshape(-1)


def _arrays(p: Problem) -> dict[str, object]:
    return {
        "W": p.W,
        "lam": p.lam,
        "c": p.c,
        "u": p.u,
        "c0": p.c0,
        "u0": p.u0,
        "xi": p.xi,
        "s": p.neuron_scale,
        "lr": p.lr,
    }


def loop(p: Problem, steps: int, inputs: np.ndarray | None = None) -> np.ndarray:
    """One scan over samples."""
    key = jax.random.key(p.seed, impl=GENERATOR)
    m = _loop(p.activation, p.joint, steps, _arrays(p), key, inputs)
    return np.concatenate([[p.u @ p.u0], np.asarray(m)])


def blocked(p: Problem, steps: int, inputs: np.ndarray | None = None) -> np.ndarray:
    """Scan over blocks: samples, fields, targets and projections of each come at once."""
    blocks = -(-steps // BLOCK)
    key = jax.random.key(p.seed, impl=GENERATOR)
    if inputs is not None:  # pad: steps past the last are computed and dropped
        inputs = np.concatenate([inputs, np.zeros((blocks * BLOCK - steps, p.d))]).reshape(
            blocks, BLOCK, p.d
        )
    m = _blocked(p.activation, p.joint, blocks, _arrays(p), key, inputs)
    return np.concatenate([[p.u @ p.u0], np.asarray(m)[:steps]])
