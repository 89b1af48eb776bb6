"""PyTorch: an eager loop over samples, and the same step through `torch.compile`.

The gradient is written out: automatic differentiation of a two-line network costs several times the
step.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from lrft.bench.rivals.problem import Problem

BLOCK = 64
_INV_SQRT_2PI = 0.3989422804014327


def _relu(z):
    return z.clamp_min(0.0), (z > 0).to(z.dtype)


def _tanh(z):
    t = torch.tanh(z)
    return t, 1 - t * t


def _gelu(z):
    phi = torch.special.ndtr(z)
    return z * phi, phi + z * torch.exp(-0.5 * z * z) * _INV_SQRT_2PI


SIGMA = {"relu": _relu, "tanh": _tanh, "gelu": _gelu}


def _step(kind, joint, x, u_hat, c_hat, W, u, teacher, lam, s, factor, rate):
    """One update, without side effects; `teacher` = s ξ c, `factor` = s ξ, `rate` = 2 lr."""
    sigma = SIGMA[kind]
    field = W @ x
    q = u_hat @ x
    z = s * field
    value, slope = sigma(torch.addcmul(z, c_hat, factor * q))
    residual = rate * (lam @ (value - sigma(torch.addcmul(z, teacher, u @ x))[0]))
    weighted = factor * (lam * slope)
    g = residual * (weighted @ c_hat)
    u_hat = u_hat * (1 + g * q) - g * (x - field @ W)
    u_hat = u_hat / torch.linalg.vector_norm(u_hat)
    if joint:
        move = (residual * q) * weighted
        c_hat = c_hat - move + (c_hat @ move) * c_hat
        c_hat = c_hat / torch.linalg.vector_norm(c_hat)
    return u_hat, c_hat, u @ u_hat


@cache
def _compiled():
    return torch.compile(_step, dynamic=False)


@torch.inference_mode()
def _drive(step, p: Problem, steps: int, inputs: np.ndarray | None) -> np.ndarray:
    W, u, lam = torch.tensor(p.W), torch.tensor(p.u), torch.tensor(p.lam)
    u_hat, c_hat = torch.tensor(p.u0), torch.tensor(p.c0)
    factor = p.neuron_scale * p.xi
    teacher = factor * torch.tensor(p.c)
    generator = torch.Generator().manual_seed(p.seed)
    overlaps = torch.empty(steps + 1, dtype=torch.float64)
    overlaps[0] = u @ u_hat
    for first in range(0, steps, BLOCK):
        count = min(BLOCK, steps - first)
        if inputs is None:
            X = torch.randn(count, p.d, dtype=torch.float64, generator=generator)
        else:
            X = torch.from_numpy(inputs[first : first + count])
        path = []
        for x in X.unbind():
            u_hat, c_hat, m = step(
                p.activation,
                p.joint,
                x,
                u_hat,
                c_hat,
                W,
                u,
                teacher,
                lam,
                p.neuron_scale,
                factor,
                2 * p.lr,
            )
            path.append(m)
        overlaps[first + 1 : first + 1 + count] = torch.stack(path)
    return overlaps.numpy()


def loop(p: Problem, steps: int, inputs: np.ndarray | None = None) -> np.ndarray:
    """Eager, sample by sample."""
    return _drive(_step, p, steps, inputs)


def compiled(p: Problem, steps: int, inputs: np.ndarray | None = None) -> np.ndarray:
    """Compile the step by inductor (needs a C++ compiler)."""
    return _drive(_compiled(), p, steps, inputs)
