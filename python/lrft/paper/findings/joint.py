"""Joint training of ĉ and û at tuned rates: how T depends on k and d."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrft import RankOne
from lrft.paper import best_rate
from lrft.paper.deciding import needed
from lrft.paper.drawing import power_laws, style
from lrft.paper.experiment import Context, Experiment, Verdict
from lrft.paper.findings.regime import Regime
from lrft.paper.jobs import first_hits, jobs_to
from lrft.result import exponents

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

SEED = 1400
THRESHOLD = 0.9
INSTANCES = 64
#: d of the widths, and k of the dimensions.
D, K = 256, 9
#: Odd, so that the sum of c is not zero.
WIDTHS = (5, 9, 17, 33, 65)
DIMENSIONS = (64, 256, 1024)
#: Longest run in steps per d.
HORIZON = 300.0
#: An exponent is known if its interval reaches no further than this on either side.
KNOWN = 0.1
_STUDENT = RankOne(train_c=True)


@dataclass(frozen=True)
class Case(Regime):
    """An activation and a regime."""

    delta: float  #: η d at which the search begins at k = 5
    power: float  #: of k, with which that grows
    bound: float  #: the exponent of k printed for a frozen ĉ


CASES = (
    Case("relu", "1", 0.5, 0.0, 3.0),
    Case("sigmoid", "1", 16.0, -0.5, 3.0),
    Case("he2", "1", 0.06, 0.0, 4.0),
    Case("he3", "1", 0.06, 0.0, 4.0),
    Case("relu", "sqrt", 0.25, -1.7, 3.0),
    Case("sigmoid", "sqrt", 4.0, -1.1, 3.0),
    Case("he2", "sqrt", 0.03, -1.0, 4.0),
    Case("he3", "sqrt", 0.03, -1.0, 4.0),
)


def _places(quick: bool) -> list[tuple[Case, int, int]]:
    cases = CASES[:1] + CASES[-1:] if quick else CASES
    widths = [(case, D, k) for case in cases for k in (WIDTHS[:2] if quick else WIDTHS)]
    dimensions = [
        (case, d, K)
        for case in cases
        if case.regime == "sqrt"
        for d in (DIMENSIONS[:2] if quick else DIMENSIONS)
        if d != D
    ]
    return widths + dimensions


def measure(
    context: Context, places: list[tuple[Case, int, int]], instances: int = INSTANCES
) -> xr.Dataset:
    """Find steps and rates at every place, until the best rate is inside those tried.

    Parameters
    ----------
    context : Context
    places : list of (Case, d, k)
    instances : int

    Returns
    -------
    xarray.Dataset
        As `best_rate.search` gives it, with ``case``, ``d`` and ``k`` of every point.
    """
    points = [
        best_rate.Point(
            jobs_to(
                THRESHOLD,
                [case.task(d, k, SEED + 1000 * i + j) for j in range(instances)],
                _STUDENT,
                SEED + 1000 * i,
            ),
            first_hits,
            case.delta * (k / WIDTHS[0]) ** case.power,
            int((20.0 if context.quick else HORIZON) * d),
        )
        for i, (case, d, k) in enumerate(places)
    ]
    data = best_rate.search(context, points, factor=2**0.5, most=16)
    return data.assign_coords(
        case=("point", [case.name for case, _, _ in places]),
        d=("point", [d for _, d, _ in places]),
        k=("point", [k for _, _, k in places]),
    ).assign_attrs(seed=SEED)


def _run(context: Context) -> xr.Dataset:
    return measure(context, _places(context.quick), 8 if context.quick else INSTANCES)


def fit(data: xr.Dataset, case: Case, by: str) -> tuple[exponents.PowerLaw, str]:
    """Fit T at the best rates against ``"k"`` or ``"d"``, and say where one is not known."""
    fixed = data.d.values == D if by == "k" else data.k.values == K
    points = np.flatnonzero((data.case.values == case.name) & fixed)
    points = points[np.argsort(data[by].values[points])]
    chosen = [best_rate.best(data.lr.values[i], data.steps.values[i], seed=int(i)) for i in points]
    x = data[by].values[points]
    line = exponents.fit_line(x, [b.median for b in chosen], [b.medians for b in chosen])
    return line, best_rate.edges(chosen, [f"{by} = {one}" for one in x])


def _cases(data: xr.Dataset, by: str) -> list[Case]:
    here = set(data.case.values)
    return [case for case in CASES if case.name in here and (by == "k" or case.regime == "sqrt")]


def _draw(data: xr.Dataset) -> list[Figure]:
    figures = []
    for by, text in (("k", f"neurons $k$, at $d={D}$"), ("d", f"dimension $d$, at $k={K}$")):
        figure, axes = style.frame(height=6.2)
        for i, case in enumerate(_cases(data, by)):
            line, _ = fit(data, case, by)
            slope = power_laws.exponent_text(line.exponent)
            power_laws.power_law_points(
                axes,
                line,
                style.PALETTE[i % 4],
                f"{case.shown}: slope {slope}",
                marker=case.marker,
            )
        power_laws.logarithmic(axes, text, "$T$: median steps to overlap 0.9")
        power_laws.whole_ticks(axes, sorted(set(WIDTHS if by == "k" else DIMENSIONS)))
        style.legend(axes)
        style.note(figure, "at the best rate of each point; medians over draws, 95 % intervals")
        figures.append(figure)
    return figures


def _judge(data: xr.Dataset) -> list[Verdict]:
    verdicts = []
    for by in ("k", "d"):
        for case in _cases(data, by):
            line, where = fit(data, case, by)
            found = line.exponent
            reach = max(found.high - found.value, found.value - found.low)
            span = f"{by} = {line.x[0]:.0f} to {line.x[-1]:.0f}"
            bound = f"; printed for a frozen ĉ: at most {case.bound:g}" if by == "k" else ""
            verdicts.append(
                Verdict(
                    f"with ĉ trained, at the best rates, the exponent of T in {by} is known to ± "
                    f"{KNOWN:g}, {case.label}, {span}",
                    f"exponent {found.text(2)}{bound}; T/d = "
                    + ", ".join(
                        f"{t / (x if by == 'd' else D):.3g}"
                        for x, t in zip(line.x, line.medians, strict=True)
                    ),
                    "supported" if reach <= KNOWN else "not decided",
                    where,
                    needed(found, widest=KNOWN, count=data.sizes["instance"]),
                )
            )
    return verdicts


EXPERIMENT = Experiment(
    name="joint",
    title="Joint training at tuned rates",
    shows="The theorems freeze ĉ, the simulations train it. How many steps joint training takes as "
    "k and d grow, each point at its best rate, is not in the paper.",
    settings="Orthonormal features, quantised c and ĉ₀, λ = 1, unit neurons, û₀ uniform, Π kept; "
    f"first |<û,u>| ≥ {THRESHOLD}; k = {', '.join(map(str, WIDTHS))} at d = {D}, and d = "
    f"{', '.join(map(str, DIMENSIONS))} at k = {K}, ξ = √k. Rates δ = ηd a factor √2 apart, tried "
    "at either end until the best (least median with at least 80 % success; misses infinite) is "
    f"inside, in resamples too. {INSTANCES} instances, each with c, ĉ₀, û₀ and samples of its own; "
    f"every point has seeds of its own (from {SEED}); the bootstrap takes instances and repeats "
    "the choice of the rate.",
    run=_run,
    draw=_draw,
    judge=_judge,
)
