"""Where the plateau of He₃ sets in as ξ grows: its exponents in d, k and |Σc|, beside h(m)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft import RankOne, Task, Training, theory
from lrft.paper.deciding import needed
from lrft.paper.drawing import style
from lrft.paper.experiment import Context, Experiment, Verdict
from lrft.paper.jobs import LANES, Job, run_all
from lrft.result import exponents, intervals

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

SEED = 1450
REPLICAS = 32
#: Overlap of the end, and η over lr='auto': noise is small beside h.
END, SHARE = 0.5, 0.1
#: ξ over the predicted one.
GRID = (0.7, 1.0, 1.4)
#: T from half the start over T from the start, at which the plateau is said to set in: 1 where the
#: drift does not hang on the overlap, 2 where it goes with its square.
ONSET = 2**0.5
#: (d, k, |Σc|): one is varied at a time.
SIZES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "d": ((64, 16, 4), (160, 16, 4), (400, 16, 4)),
    "k": ((160, 16, 4), (160, 36, 4), (160, 64, 4)),
    "s": ((160, 64, 2), (160, 64, 4), (160, 64, 8)),
}
BALANCED: dict[str, tuple[tuple[int, int, int], ...]] = {
    "d": ((64, 16, 0), (160, 16, 0), (400, 16, 0)),
    "k": ((160, 4, 0), (160, 16, 0), (160, 64, 0)),
}
#: What h(m) predicts.
PREDICTED = {"d": 0.25, "k": 0.5, "s": -0.5}
KNOWN = 0.1


class _Place(NamedTuple):
    d: int
    k: int
    s: int  #: |Σc|

    def xi(self, ratio: float) -> float:
        """ξ at which the last term of h is of order one at the start, or half the middle one is."""
        reach = self.s if self.s else 2.0
        return float(ratio * np.sqrt(self.k * np.sqrt(self.d) / reach))

    def task(self, ratio: float) -> Task:
        negative = round((self.k - self.s * self.k**0.5) / 2)
        c = np.r_[np.full(negative, -1.0), np.ones(self.k - negative)] / self.k**0.5
        return Task.sample(
            d=self.d,
            k=self.k,
            xi=self.xi(ratio),
            activation="he3",
            features="orthonormal",
            c=c,
            lam="ones",
            normalization="unit",
            seed=SEED,
        )


def start(task: Task, overlap: float) -> Floats:
    """Make a û₀ of this overlap with u, outside span(W)."""
    rest = np.random.default_rng(SEED).standard_normal(task.d)
    u = np.asarray(task.u)
    rest -= task.Q @ (task.Q.T @ rest)
    rest -= u * (u @ rest)
    made: Floats = overlap * u + np.sqrt(1 - overlap**2) * rest / np.linalg.norm(rest)
    return made / np.linalg.norm(made)


def _job(place: _Place, ratio: float, size: float, seed: int, replicas: int, steps: int) -> Job:
    """Run from ``size`` times d^(-1/2)."""
    task = place.task(ratio)
    student = RankOne(c_init="teacher", u_init=start(task, size * place.d**-0.5))
    training = Training(
        student=student,
        lr=SHARE * theory.auto_lr(task, student)[0],
        steps=steps,
        stop_at=END,
        thresholds=(END,),
        record=2,
    )
    return Job(task, training, replicas, seed)


def _places(quick: bool) -> list[_Place]:
    tables = (SIZES["d"][:2], BALANCED["d"][:2]) if quick else (*SIZES.values(), *BALANCED.values())
    return [_Place(*one) for one in dict.fromkeys(one for sizes in tables for one in sizes)]


def _run(context: Context) -> xr.Dataset:
    import xarray as xr

    places = _places(context.quick)
    ratios = GRID
    replicas, steps = (LANES, 2000) if context.quick else (REPLICAS, 20_000_000)
    plan = [
        _job(place, ratio, size, SEED + 100 * i + 10 * j + n, replicas, steps)
        for i, place in enumerate(places)
        for j, ratio in enumerate(ratios)
        for n, size in enumerate((1.0, 0.5) if place.s else (-1.0, -1.0))
    ]
    results = run_all(context, plan)
    shape = (len(places), len(ratios), 2, replicas)
    steps_to = np.array([intervals.hitting_steps(r.hit_step.values[:, 0]) for r in results])
    ends = np.array([r.final_overlap_u.values for r in results])
    names = ("place", "ratio", "start", "replica")
    return xr.Dataset(
        {"steps": (names, steps_to.reshape(shape)), "end": (names, ends.reshape(shape))},
        coords={
            "d": ("place", [place.d for place in places]),
            "k": ("place", [place.k for place in places]),
            "s": ("place", [place.s for place in places]),
            "ratio": list(ratios),
        },
        attrs={"seed": SEED},
    )


# ---- what is measured ---------------------------------------------------------------------------


def predicted_ratio(place: _Place, ratio: float) -> float:
    """Ratio of the times from half the start and from the start by dm/dt = h(m)(1 − m²)."""
    x = place.xi(ratio) ** 2 / place.k
    times = []
    for size in (1.0, 0.5):
        m = np.exp(np.linspace(np.log(size * place.d**-0.5), np.log(END), 2001))
        h = 1 + 2 * x * m + (place.s * x * m) ** 2
        times.append(np.trapezoid(1 / (h * (1 - m**2)), m))
    return float(times[1] / times[0])


def _cross(x: Floats, rows: Floats, level: float) -> Floats:
    """Where each row, which grows along x, passes a level; NaN if it does not."""
    above = rows >= level
    at = np.maximum(1, above.argmax(axis=1))
    lanes = np.arange(len(rows))
    low, high = rows[lanes, at - 1], rows[lanes, at]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = x[at - 1] + (level - low) / (high - low) * (x[at] - x[at - 1])
    return np.where(above.any(axis=1) & ~above[:, 0], found, np.nan)


def onset(data: xr.Dataset, place: int) -> tuple[float, Floats, float]:
    """Find ξ of the onset, resampled ones, and that of the equation for the drift.

    Where the sum of c is 0: ξ at which half of the runs from -d^(-1/2) end at a negative overlap.
    """
    here = _Place(*(int(data[name].values[place]) for name in ("d", "k", "s")))
    logs = np.log([here.xi(ratio) for ratio in data.ratio.values])
    if here.s:
        pairs = [
            [intervals.bootstrap_median(steps, seed=10 * j + n) for n, steps in enumerate(starts)]
            for j, starts in enumerate(data.steps.values[place])
        ]
        with np.errstate(invalid="ignore"):
            rows = np.array([np.r_[b[0], b[1]] / np.r_[a[0], a[1]] for a, b in pairs]).T
        exact = np.array([[predicted_ratio(here, ratio) for ratio in data.ratio.values]])
        level, theory_at = ONSET, float(np.exp(_cross(logs, exact, ONSET)[0]))
    else:
        negative = (data.end.values[place] < 0).reshape(len(logs), -1)
        generator = np.random.default_rng(place)
        drawn = generator.binomial(
            negative.shape[1], negative.mean(axis=1), size=(intervals.RESAMPLES, len(logs))
        )
        rows = np.vstack([negative.mean(axis=1), drawn / negative.shape[1]])
        level, theory_at = 0.5, here.xi(1.0)
    found = np.exp(_cross(logs, rows, level))
    return float(found[0]), found[1:], theory_at


def fits(data: xr.Dataset) -> dict[tuple[str, bool], tuple[exponents.PowerLaw, float]]:
    """Fit the onset against one size; beside it the exponent of the equation at the same sizes."""
    found = {}
    for balanced, table in ((False, SIZES), (True, BALANCED)):
        for by, sizes in table.items():
            keys = list(zip(data.d.values, data.k.values, data.s.values, strict=True))
            places = [keys.index(size) for size in sizes if size in keys]
            if len(places) < 2:
                continue
            onsets = [onset(data, i) for i in places]
            x = data[by].values[places]
            line = exponents.fit_line(x, [o[0] for o in onsets], [o[1] for o in onsets])
            exact = np.polyfit(np.log(x), np.log([o[2] for o in onsets]), 1)[0]
            found[by, balanced] = (line, float(exact))
    return found


_NAMES = {"d": "d", "k": "k", "s": "|Σc|"}


def _draw(data: xr.Dataset) -> list[Figure]:
    figure, axes = style.frame(height=4.4)
    curves = [i for i, s in enumerate(data.s.values) if s]
    for i, colour in zip(curves, style.PALETTE * 2, strict=False):
        here = _Place(*(int(data[name].values[i]) for name in ("d", "k", "s")))
        medians = np.median(data.steps.values[i], axis=-1)
        name = rf"$d={here.d}$, $k={here.k}$, $|\Sigma c|={here.s}$"
        known = np.isfinite(medians).all(axis=1)
        growth = medians[known, 1] / medians[known, 0]
        axes.plot(data.ratio.values[known], growth, "o", color=colour, label=name)
        x = np.geomspace(GRID[0], GRID[-1], 60)
        axes.plot(x, [predicted_ratio(here, r) for r in x], color=colour, linewidth=0.9)
    style.reference(axes, ONSET)
    axes.set_xscale("log")
    axes.set_xlabel(r"$\xi\,/\,(d^{1/4} k^{1/2} |\Sigma c|^{-1/2})$")
    axes.set_ylabel("$T$ from half the start, over $T$ from the start")
    style.legend(axes)
    style.note(figure, "points: medians of SGD; lines: the equation for the drift")
    return [figure]


def _judge(data: xr.Dataset) -> list[Verdict]:
    verdicts = []
    for (by, balanced), (line, exact) in fits(data).items():
        found, value = line.exponent, PREDICTED[by]
        where = ", ".join(
            f"{xi:.3g} at {x:.0f}" for x, xi in zip(line.x, line.medians, strict=True)
        )
        what = (
            "from −d^(−1/2) at Σc = 0, half of the runs end on the other side of the zero of h at "
            if balanced
            else "the plateau sets in at "
        )
        verdicts.append(
            Verdict(
                f"{what}ξ ∝ {_NAMES[by]}^({value:g}), as h(m) predicts, within ± {KNOWN:g}",
                f"exponent {found.text(2)}; the equation at these sizes: {exact:.2f}; ξ = {where}",
                intervals.within(found, value - KNOWN, value + KNOWN, widest=KNOWN),
                "",
                needed(
                    found,
                    value - KNOWN,
                    value + KNOWN,
                    widest=KNOWN,
                    count=data.sizes["replica"],
                    of="replicas",
                ),
            )
        )
    return verdicts


EXPERIMENT = Experiment(
    name="transition",
    title="Where the plateau of He₃ sets in as ξ grows",
    shows="The paper's heuristic is ξ ≈ d^(1/4) k^(1/2). With ĉ = c, orthonormal features and unit "
    "neurons h(m) ∝ 1 + 2xm + (Σc)²x²m², x = ξ²/k, which predicts ξ ∝ d^(1/4) k^(1/2) |Σc|^(−1/2): "
    "there the drift at the start begins to hang on the overlap. At Σc = 0 the last term is gone, "
    "and h has a zero at m = −1/(2x).",
    settings="He₃, λ = 1, û₀ of overlap d^(−1/2) exactly, and half of that; the onset is where the "
    f"second takes √2 times as long to overlap {END:g} (1 times where the drift is constant, 2 "
    "times where it goes with m²), by linear interpolation in log ξ. "
    f"η is {SHARE:g} of lr='auto', so that noise is small beside the drift; {REPLICAS} replicas. "
    f"Sizes (d, k, |Σc|): {SIZES['d'] + SIZES['k'] + SIZES['s']}; at Σc = 0 "
    f"{BALANCED['d'] + BALANCED['k']}. Every point has a seed of its own (from {SEED}).",
    run=_run,
    draw=_draw,
    judge=_judge,
)
