"""What a user would write instead of `lrft`: one honest loop for each tool, all for the same task.

Every function here has one signature, ``run(problem, steps, inputs=None) -> overlaps``: online SGD
of a rank-one spherical student (Eq. 4 of Dayı and Chen) from ``problem.u0``, one fresh sample a
step, in float64. ``overlaps[t] = <u, u_hat_t>`` for ``t = 0 ... steps``.  With ``inputs`` (steps,
d) the samples are given, and all baselines must agree to rounding; without, each draws its own in
the fastest way its tool has.  `check.py` tests both.

Two kinds are kept apart.  A *loop* does all its work sample by sample.  A *blocked* loop also uses
that the samples do not depend on the state: fields ``W x``, targets and ``x - Wᵀ(W x)`` of a whole
block come from matrix products. That is the first half of what `lrft` does, written by hand, and
the most that was found for each tool.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import numpy as np

from lrft.bench.rivals.problem import Problem

__all__ = ["BASELINES", "Baseline", "Problem", "installed"]

Run = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Baseline:
    """A named loop: the tool it needs, where it is, and its kind: "loop", "blocked" or "batched".

    An `optional` one may fail to run where its tool does not work (a compiler is missing, say), but
    not give a wrong answer; one that is `slow_to_compile` is left out of quick tables.
    """

    name: str
    requires: str
    module: str
    function: str
    kind: str
    chains: int = 1
    optional: bool = False
    slow_to_compile: bool = False

    def load(self) -> Run:
        """Import the tool and return the loop; raises ImportError where the tool is missing."""
        run: Run = getattr(import_module(f"{__name__}.{self.module}"), self.function)
        return run


BASELINES = (
    Baseline("NumPy loop", "numpy", "numpy_loops", "loop", "loop"),
    Baseline("NumPy blocked", "numpy", "numpy_loops", "blocked", "blocked"),
    Baseline("NumPy, 64 chains", "numpy", "numpy_loops", "batched", "batched", chains=64),
    Baseline("Numba loop", "numba", "numba_loops", "loop", "loop"),
    Baseline("Numba blocked", "numba", "numba_loops", "blocked", "blocked"),
    Baseline("JAX scan", "jax", "jax_loops", "loop", "loop"),
    Baseline("JAX scan, blocked", "jax", "jax_loops", "blocked", "blocked"),
    Baseline("PyTorch eager", "torch", "torch_loops", "loop", "loop"),
    Baseline(
        "PyTorch compiled",
        "torch",
        "torch_loops",
        "compiled",
        "loop",
        optional=True,
        slow_to_compile=True,
    ),
)


def installed() -> tuple[Baseline, ...]:
    """Those baselines whose tool can be imported here (nothing is imported to find out)."""
    return tuple(b for b in BASELINES if importlib.util.find_spec(b.requires) is not None)
