"""Every constant that the paper leaves open in its simulations (App. B), chosen once, here.

Given by the paper: d, k, ξ, σ, w_i uniform on the sphere, c uniform on the sphere, horizons.
Chosen: λ = 1 (the initial loss of Fig. 3a), but ±1 in Fig. 4b, whose slow tails λ = 1 has in no
instance; neurons scaled by √(k/(k+ξ²)): the formula printed lacks the root, but the initial loss of
Fig. 3a fits it, and so do the shapes of Fig. 6's curves and how far they are apart. ĉ₀ uniform on
{±1/√k}^k, as in the paper's algorithm (the initial loss of Fig. 3a is nearer to the printed one
than with ĉ₀ on the sphere); Θ(1) = 1 and Θ(√k) = √k; the learning rates.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import lrft
from lrft import RankOne, Task, Training

__all__ = [
    "ACTIVATIONS",
    "CHOSEN",
    "INSTANCES",
    "RATES",
    "SEED",
    "Convention",
    "describe",
    "start_of_c",
    "student",
    "task",
    "training",
]

SEED = 2411  # of starts and samples; instance i has the task of seed 2411_000 + i
#: Where the paper shows one, five or ten; fewer where steps are many. Verdicts are those of more
#: (`lrft.paper.figures.measured`).
INSTANCES = {"fig2": 16, "fig3": 16, "fig4a": 16, "fig4b": 8, "fig5": 8, "fig6": 8}

ACTIVATIONS = ("relu", "sigmoid", "quadratic", "he3")  # of Fig. 4
THRESHOLDS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.96, 0.98, 0.99)


class Convention(NamedTuple):
    """What a figure is simulated with, where the paper is silent; a candidate of `conventions`.

    Parameters
    ----------
    batch : int
        Fresh samples a step.
    root : bool
        Neurons are scaled by √(k/(k+ξ²)); without it by k/(k+ξ²), as App. B prints.
    lam : str
        λ, as `lrft.Task.sample` takes it.
    c_init : str
        ĉ₀, as `lrft.RankOne` takes it.
    divided : bool
        The network is divided by ξ, as App. B prints.
    """

    batch: int = 1
    root: bool = True
    lam: str = "ones"
    c_init: str = "quantized"
    divided: bool = True

    @property
    def text(self) -> str:
        """Say it in a line.

        Examples
        --------
        >>> Convention(4, root=False).text
        'batch 4, no root, λ ones, ĉ₀ quantized, over ξ'
        """
        return (
            f"batch {self.batch}, {'' if self.root else 'no '}root, λ {self.lam}, "
            f"ĉ₀ {self.c_init}, {'' if self.divided else 'not '}over ξ"
        )


_AS_IN_THE_THEOREMS = Convention()

#: Of each figure: the candidate that fulfils most of what is printed (`lrft.paper.conventions`).
CHOSEN: dict[str, Convention] = {
    "fig2": Convention(),
    "fig3": Convention(),
    "fig4a": Convention(batch=4),
    "fig4b": Convention(batch=16, lam="signs"),
    "fig5": Convention(),
    "fig6": Convention(),
}

#: Rates as `lrft.paper.conventions` finds them.
RATES: dict[str, float] = {
    "fig2": 1e-5,
    "fig3": 3.4e-6,
    "fig4a relu": 9e-5,
    "fig4a sigmoid": 9e-3,
    "fig4a quadratic": 8e-6,
    "fig4a he3": 2.4e-5,
    "fig4b relu": 2.2e-4,
    "fig4b sigmoid": 8.3e-3,
    "fig4b quadratic": 2e-5,
    "fig4b he3": 1.2e-5,
    "fig5": 1.2e-6,
    "fig6": 1.4e-6,
}


def task(
    instance: int,
    *,
    d: int,
    k: int,
    xi: float,
    activation: str = "relu",
    convention: Convention = _AS_IN_THE_THEOREMS,
    first: int = SEED,
    **options: Any,
) -> Task:
    """Draw an instance of App. B.

    Parameters
    ----------
    instance : int
    d, k, xi, activation
        As for `lrft.Task.sample`.
    convention : Convention
    first : int
        Seeds are ``1000 first + instance``: the figures' or the calibration's.
    **options
        ``parallel``, the length of the part of u in span(W).

    Returns
    -------
    Task

    Examples
    --------
    >>> task(0, d=100, k=4, xi=2.0).output_scale
    0.5
    """
    return Task.sample(
        d=d,
        k=k,
        xi=xi,
        activation=activation,
        features="sphere",
        c="sphere",
        lam=convention.lam,
        neuron_scale=(k / (k + xi**2)) ** (0.5 if convention.root else 1.0),
        output_scale=1.0 / xi if convention.divided else 1.0,
        seed=1000 * first + instance,
        **options,
    )


def start_of_c(instance: int, k: int) -> NDArray[np.float64]:
    """Return ĉ₀ of an instance, as the engine draws it.

    Returns
    -------
    ndarray of shape (k,)

    Examples
    --------
    >>> float(abs(start_of_c(0, 4)).sum())
    2.0
    """
    draw = lrft.normals(SEED, instance, 0, k, purpose="init_c")
    start: NDArray[np.float64] = np.where(draw < 0, -1.0, 1.0) / np.sqrt(k)
    return start


def student(**options: Any) -> RankOne:
    """Make the student of App. B: rank one on the sphere, ĉ₀ quantised, û₀ uniform."""
    return RankOne(**({"c_init": "quantized"} | options))


def training(student: RankOne, lr: float, steps: int, **options: Any) -> Training:
    """Make its training, stopped at overlap 0.99 unless `stop_at` says otherwise."""
    chosen: dict[str, Any] = {"stop_at": 0.99, "record": 301, "thresholds": THRESHOLDS} | options
    return Training(student=student, lr=lr, steps=steps, **chosen)


def describe(figure: str) -> str:
    """Say what was chosen for a figure, for the page beside it.

    Examples
    --------
    >>> "λ ones" in describe("fig2")
    True
    """
    rates = ", ".join(
        f"{rate:g}" + (f" ({key.split()[1]})" if " " in key else "")
        for key, rate in RATES.items()
        if key.split()[0] == figure
    )
    return (
        f"Of the conventions tried, the one that fulfils most of what is printed: "
        f"{CHOSEN[figure].text} (lrft reproduce conventions{figure[3:]} shows all). Learning rate "
        f"of û and ĉ {rates}: fitted, on other instances, to one printed time of each. w_i and c "
        "uniform on spheres; û₀ uniform. "
        f"{INSTANCES[figure]} instances unless more are asked for, each with W, u, c, ĉ₀, û₀ and "
        "samples of its own. Where "
        "one stops, at overlap 0.99 (0.98 in Fig. 4, 0.95 in Figs. 2, 5, 6), it is drawn flat."
    )
