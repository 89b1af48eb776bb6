"""The random stream, where users can see it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lrft.base import checks
from lrft.core.engine import compiled

__all__ = ["normals"]


def normals(
    seed: int,
    replica: int,
    step: int,
    size: int | tuple[int, int],
    *,
    purpose: str = "inputs",
) -> NDArray[np.float64]:
    """Return the inputs x that the ambient space draws at a step, or normals of another purpose.

    Randomness is addressed, not consumed: any step of any replica can be asked for.

    Parameters
    ----------
    seed : int
        Seed of the run, 0 ≤ seed < 2^64.
    replica : int
        Index of the replica, from 0.
    step : int
        Step, from 0; the inputs of step t move state t to state t + 1.
    size : int or (int, int)
        The dimension d, or (batch, d).
    purpose : str
        ``"inputs"``; ``"init_u"`` or ``"init_c"``, what a replica's û₀ and ĉ₀ are made of at step
        0: normalised, or for a quantised ĉ₀ its signs; and other streams of the core.

    Returns
    -------
    ndarray of float64, shape (d,) or (batch, d)
        Independent standard normals.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not nonnegative integers in range, or another purpose.

    Examples
    --------
    >>> import lrft
    >>> x = lrft.normals(seed=1, replica=0, step=0, size=3)
    >>> x.shape, bool(abs(x).max() < 9.5)
    ((3,), True)
    >>> bool((lrft.normals(1, 0, 0, size=(2, 3))[0] == x).all())
    True
    """
    purposes: dict[str, int] = compiled.purposes
    number = purposes[checks.choice("purpose", purpose, purposes)]
    seed = checks.seed("seed", seed)
    replica = checks.integer("replica", replica, 0, 2**32 - 1)
    step = checks.integer("step", step, 0, checks.MAX_STEPS)
    rows = size if isinstance(size, tuple) else (1, size)
    if len(rows) != 2:
        raise ValueError(f"size must be d or (batch, d), got {size!r}")
    batch = checks.integer("size[0]" if isinstance(size, tuple) else "size", rows[0], 0)
    d = checks.integer("size", rows[1], 0)
    # Every input begins at a counter of its own, so an odd d leaves one number unused.
    stride = d + d % 2
    if batch * stride > 2**33:
        raise ValueError(f"size must be at most 2^33 numbers a step, got {size!r}")
    drawn = compiled.normals(seed, replica, number, step, batch * stride)
    x = drawn.reshape(batch, stride)[:, :d]
    if d % 2 and batch > 1:  # in parts, so that Ctrl-C acts
        whole = np.empty((batch, d))
        rows_at_once = max(1, 2**22 // stride)
        for i in range(0, batch, rows_at_once):
            whole[i : i + rows_at_once] = x[i : i + rows_at_once]
        x = whole
    return x if isinstance(size, tuple) else x[0]
