"""Batch size at tuned rates: where more samples a step stop being free."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft import RankOne, Task
from lrft.paper import best_rate
from lrft.paper.drawing import power_laws, style
from lrft.paper.experiment import Context, Experiment, Verdict
from lrft.paper.findings import tuned
from lrft.result import exponents, intervals

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

SEED = 1600
INSTANCES = 512
#: d, k and ξ/√k where others are varied.
D, K, STRENGTH = 256, 9, 1.0
VARIED: dict[str, tuple[float, ...]] = {
    "d": (64, 256, 1024),
    "k": (5, 9, 17, 33, 65),
    "strength": (1 / 4, 1.0, 4.0),
}
#: Beside batch 1, in units of d.
BATCHES = (1 / 4, 1, 2, 4, 8)
#: η d at which the search begins at batch 1 and ξ = √k, and the batch over d at which it stops
#: growing.
DELTA, LARGE = 0.05, 0.25
HORIZON = 300.0
#: Samples over those at batch 1 at which a batch has stopped being free.
DEARER = 2.0
#: d and batch over d (0: batch 1) of what is run in the ambient space as well.
AMBIENT = ((64, 0.0), (64, 2))


class Setting(NamedTuple):
    """Where batches are compared."""

    d: int
    k: int
    strength: float  #: ξ/√k

    def tasks(self, seed: int, instances: int) -> list[Task]:
        """Draw tasks as the theorems have it."""
        return [
            Task.sample(
                d=self.d,
                k=self.k,
                xi=self.strength * self.k**0.5,
                activation="relu",
                features="orthonormal",
                normalization="unit",
                seed=seed + i,
            )
            for i in range(instances)
        ]


def settings(quick: bool = False) -> list[Setting]:
    """List the settings, what is varied one at a time."""
    middle = Setting(D, K, STRENGTH)
    every = [
        middle._replace(**{name: type(getattr(middle, name))(value)})
        for name, values in VARIED.items()
        for value in values
    ]
    return list(dict.fromkeys(every[:2] if quick else every))


def _run(context: Context) -> xr.Dataset:
    return measure(context, settings(context.quick), 8 if context.quick else INSTANCES)


def measure(context: Context, chosen: list[Setting], instances: int) -> xr.Dataset:
    """Find steps and rates of every batch at every setting."""
    places: list[tuned.Place] = []
    for setting in chosen:
        for size in (0.0, *(BATCHES[:2] if context.quick else BATCHES)):
            seed = SEED + 1000 * len(places)
            batch = max(1, round(size * setting.d))
            places.append(
                tuned.Place(
                    setting._asdict() | {"batch": batch},
                    setting.tasks(seed, instances),
                    RankOne(train_c=True),
                    DELTA * min(batch, LARGE * setting.d) * 9 / setting.k / setting.strength,
                    seed,
                    20.0 if context.quick else HORIZON / min(batch, setting.d / 8),
                    batch=batch,
                    ambient=f"relu, d = {setting.d}, batch {batch}"
                    if (setting.d, size) in AMBIENT
                    else "",
                )
            )
    return tuned.measure(context, places, factor=2.0, most=14).assign_attrs(seed=SEED)


def crossing(batches: Floats, samples: Floats, factor: float = DEARER) -> Floats:
    """Find the batch at which samples are a factor above those at the first batch.

    Parameters
    ----------
    batches : ndarray of shape (n,)
        Growing.
    samples : ndarray of shape (n, columns)
        The crossing is the last one, by linear interpolation in logarithms.
    factor : float

    Returns
    -------
    ndarray of shape (columns,)
        NaN where something is not known, or the last batch is not dearer.

    Examples
    --------
    >>> crossing(np.array([1.0, 4, 16]), np.array([[10.0], [10.0], [40.0]])).round(9).tolist()
    [8.0]
    """
    with np.errstate(invalid="ignore"):
        gain = np.log(samples / samples[0]) - np.log(factor)
    logs = np.log(batches)
    columns = np.arange(samples.shape[1])
    # The last one that is not dearer.
    below = len(batches) - 1 - (gain <= 0)[::-1].argmax(axis=0)
    known = np.isfinite(gain).all(axis=0) & (gain[-1] > 0)
    below = np.minimum(below, len(batches) - 2)
    low, high = gain[below, columns], gain[below + 1, columns]
    with np.errstate(invalid="ignore", divide="ignore"):
        at = logs[below] - low / (high - low) * (logs[below + 1] - logs[below])
    found: Floats = np.where(known, np.exp(at), np.nan)
    return found


def samples(data: xr.Dataset, setting: Setting) -> tuple[Floats, Floats, str]:
    """Count samples at the best rates: batches, (batches, 1 + resamples), and what is not known."""
    batches, chosen = tuned.bests(data, "batch", **setting._asdict())
    rows = np.stack([np.r_[b.median, b.medians] for b in chosen])
    where = best_rate.edges(chosen, [f"batch {b}" for b in batches])
    return batches.astype(float), rows * batches[:, None], where


def largest_free(data: xr.Dataset, setting: Setting) -> tuple[float, Floats, str]:
    """Find b*, that of resamples, and where it is not known."""
    batches, rows, where = samples(data, setting)
    found = crossing(batches, rows)
    return float(found[0]), found[1:], where


def _over_d(data: xr.Dataset, setting: Setting) -> str:
    value, resampled, _ = largest_free(data, setting)
    return intervals.interval(value / setting.d, resampled / setting.d).text(2)


def _along(data: xr.Dataset, by: str) -> list[Setting]:
    """List the settings in which one thing is varied, growing."""
    middle = Setting(D, K, STRENGTH)
    here = {
        Setting(int(d), int(k), float(x))
        for d, k, x in zip(data.d.values, data.k.values, data.strength.values, strict=True)
    }
    line = [s for s in here if s._replace(**{by: getattr(middle, by)}) == middle]
    return sorted(line, key=lambda s: getattr(s, by))


def fit(data: xr.Dataset, by: str) -> tuple[exponents.PowerLaw, str]:
    """Fit b* against ``"d"``, ``"k"`` or ``"strength"``."""
    line = _along(data, by)
    found = [largest_free(data, setting) for setting in line]
    law = exponents.fit_line(
        [getattr(s, by) for s in line], [f[0] for f in found], [f[1] for f in found]
    )
    return law, "; ".join(f[2] for f in found if f[2])


_NAMES = {"d": "d", "k": "k", "strength": "ξ/√k"}
_SHOWN = {"d": "d", "k": "k", "strength": r"\xi/\sqrt{k}"}


def _draw(data: xr.Dataset) -> list[Figure]:
    figures = []
    for by in VARIED:
        line = _along(data, by)
        if len(line) < 2:
            continue
        figure, axes = style.frame(height=4.0)
        for setting, colour in zip(line, style.PALETTE, strict=False):
            batches, rows, _ = samples(data, setting)
            low, high = intervals.quantile_ends(rows[:, 1:].T)
            points = np.array(
                [batches / setting.d, *(y / rows[0, 0] for y in (rows[:, 0], low, high))]
            )
            x, middle, low, high = points[:, np.isfinite(points).all(axis=0)]
            label = f"${_SHOWN[by]}={getattr(setting, by):g}$"
            style.intervals(axes, x, middle, low, high, colour, label=label)
        style.reference(axes, DEARER)
        power_laws.logarithmic(axes, "batch over $d$", "samples, 1 at batch 1")
        style.legend(axes, columns=3)
        fixed = ", ".join(
            f"${_SHOWN[name]}={value:g}$"
            for name, value in zip(VARIED, (D, K, STRENGTH), strict=True)
            if name != by
        )
        style.note(figure, f"ReLU, ĉ trained, to overlap 0.9, at the best rates; {fixed}")
        figures.append(figure)
    return figures


def _judge(data: xr.Dataset) -> list[Verdict]:
    verdicts = []
    for by in VARIED:
        if len(_along(data, by)) < 2:
            continue
        law, where = fit(data, by)
        span = f"{_NAMES[by]} = {law.x[0]:.3g} to {law.x[-1]:.3g}"
        verdicts.append(
            tuned.known(
                "the batch b* at which samples have doubled, relu, ĉ trained, at the best rates: "
                f"its exponent in {_NAMES[by]}, {span}",
                law,
                "b* = "
                + ", ".join(f"{one:.3g}" for one in law.medians)
                + "; b*/d = "
                + ", ".join(_over_d(data, setting) for setting in _along(data, by)),
                count=data.sizes["instance"],
                where=where,
            )
        )
    return verdicts + tuned.besides(data)


EXPERIMENT = Experiment(
    name="batches",
    title="Batch size at tuned rates",
    shows="The theorems take one sample a step. Up to which batch more samples a step cost no more "
    "samples in all, at the best rate of each batch, and how that grows with d, k and ξ.",
    settings=f"relu, orthonormal features, quantised c and ĉ₀, λ = 1, unit neurons, ĉ trained, "
    f"first |<û,u>| ≥ 0.9. d = {D}, k = {K}, ξ = √k, and one of them varied: d = "
    f"{', '.join(f'{x:g}' for x in VARIED['d'])}; k = {', '.join(f'{x:g}' for x in VARIED['k'])}; "
    f"ξ/√k = {', '.join(f'{x:.2g}' for x in VARIED['strength'])}. Batches 1 and d times "
    f"{', '.join(f'{x:g}' for x in BATCHES)}; b* is where samples are {DEARER:g} times those at "
    "batch 1, by interpolation in logarithms. Rates a factor 2 apart, tried at either end until "
    f"the best is inside, in resamples too. {INSTANCES} instances, each with c, ĉ₀, û₀ and samples "
    f"of its own; every point has seeds of its own (from {SEED}).",
    run=_run,
    draw=_draw,
    judge=_judge,
)
