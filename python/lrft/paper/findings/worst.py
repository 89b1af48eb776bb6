"""The slowest c under joint training: equal entries by |Σc|, few entries, and a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrft import RankOne
from lrft.paper import best_rate
from lrft.paper.best_rate import Best
from lrft.paper.deciding import needed
from lrft.paper.drawing import style
from lrft.paper.experiment import Context, Experiment, Verdict
from lrft.paper.findings import tuned
from lrft.paper.jobs import first_hits, jobs_to
from lrft.paper.regime import Regime
from lrft.result import exponents, intervals

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

SEED = 1500
D, K = 256, 9
HORIZON = 1500.0
_STUDENT = RankOne(train_c=True)
#: The search: draws on the sphere, rounds of changes to the slowest, of which size, and the runs
#: that a c is judged by, at its own best rate: at one rate for all, the search would find a c that
#: only wants another.
DRAWS, ROUNDS, CHANGES, WIDTH, RUNS = 48, 4, 24, 0.5, 24
#: Rates tried at one place.
MOST = 14
#: A c is slow if it takes this many times as long as quantised ones drawn at random.
SLOW = 2.0


@dataclass(frozen=True)
class Case(Regime):
    """An activation and a regime."""

    delta: float  #: η d at which searches begin: within a factor 2 of the best for drawn c
    instances: int


CASES = (
    Case("relu", "1", 0.5, 96),
    Case("relu", "sqrt", 0.05, 96),
    Case("he3", "1", 0.06, 192),
    Case("he3", "sqrt", 0.0025, 192),
)
DRAWN, FOUND = "drawn", "found"
#: What is run in the ambient space as well.
AMBIENT = (("relu 1", "signs 0"), ("he3 1", "entries 2"))


def shapes() -> dict[str, Floats]:
    """List the c that are tried by design.

    Returns
    -------
    dict of ndarray of shape (k,)
        ``"signs n"``: equal entries, n of them negative; ``"entries n"``: n equal entries, the
        others zero.

    Examples
    --------
    >>> found = shapes()
    >>> bool(np.isclose(abs(found["signs 4"].sum()), 1 / 3)), found["entries 1"].sum()
    (True, np.float64(1.0))
    """
    made = {f"signs {n}": np.r_[-np.ones(n), np.ones(K - n)] for n in range(K // 2 + 1)}
    made |= {f"entries {n}": np.r_[np.ones(n), np.zeros(K - n)] for n in (1, 2, 4)}
    return {name: c / np.linalg.norm(c) for name, c in made.items()}


def slowest(context: Context, case: Case, seed: int) -> Floats:
    """Search the sphere for the c with the longest median time at its best rate.

    Random numbers are the same for all. Where no rate is the best, it counts with the longest run.
    """
    draws, rounds, runs = (4, 1, 8) if context.quick else (DRAWS, ROUNDS, RUNS)
    steps = int((20.0 if context.quick else HORIZON / 3) * D)
    generator = np.random.default_rng(seed)

    def times(candidates: list[Floats]) -> Floats:
        points = [
            best_rate.Point(
                jobs_to(0.9, [case.task(D, K, seed + i, c=c) for i in range(runs)], _STUDENT, seed),
                first_hits,
                case.delta,
                steps,
            )
            for c in candidates
        ]
        data = best_rate.search(context, points, most=MOST)
        found = [
            best_rate.best(lr, hits, resamples=1).median
            for lr, hits in zip(data.lr.values, data.steps.values, strict=True)
        ]
        known: Floats = np.nan_to_num(np.array(found), nan=float(steps))
        return known

    def changed(c: Floats, size: float) -> Floats:
        made = c + size * generator.standard_normal(K) / K**0.5
        unit: Floats = made / np.linalg.norm(made)
        return unit

    first = [changed(np.zeros(K), 1.0) for _ in range(draws)] + list(shapes().values())
    found = times(first)
    best, longest = first[int(found.argmax())], float(found.max())
    for i in range(rounds):
        trials = [changed(best, WIDTH * 0.6**i) for _ in range(min(draws, CHANGES))]
        found = times(trials)
        if found.max() > longest:
            best, longest = trials[int(found.argmax())], float(found.max())
    return best


def _places(cases: list[tuple[Case, Floats]], quick: bool) -> list[tuned.Place]:
    places: list[tuned.Place] = []
    for case, found in cases:
        family: dict[str, Floats | str] = {DRAWN: "quantized", **shapes(), FOUND: found}
        if quick:
            family = {name: family[name] for name in (DRAWN, "signs 0", "signs 1", FOUND)}
        for name, c in family.items():
            seed = SEED + 1000 * (len(places) + 1)
            places.append(
                tuned.Place(
                    {
                        "case": case.name,
                        "c": name,
                        "total": np.nan if isinstance(c, str) else abs(float(np.sum(c))),
                    },
                    [case.task(D, K, seed + i, c=c) for i in range(8 if quick else case.instances)],
                    _STUDENT,
                    case.delta,
                    seed,
                    20.0 if quick else HORIZON,
                    ambient=f"{case.label}, c of {name}"
                    if (case.name, name) in AMBIENT and not quick
                    else "",
                )
            )
    return places


def _run(context: Context) -> xr.Dataset:
    cases = CASES[:1] if context.quick else CASES
    found = [
        slowest(context.part(0.0, 0.2), case, SEED + 100_000 * (i + 1))
        for i, case in enumerate(cases)
    ]
    places = _places(list(zip(cases, found, strict=True)), context.quick)
    data = tuned.measure(context.part(0.2, 1.0), places, factor=2.0, most=MOST)
    return data.assign(slowest=(("searched", "neuron"), np.array(found))).assign_attrs(seed=SEED)


# ---- what is measured ---------------------------------------------------------------------------


def _best(data: xr.Dataset, case: Case, name: str) -> Best:
    _, (one,) = tuned.bests(data, "total", case=case.name, c=name)
    return one


def ratio(data: xr.Dataset, case: Case, name: str) -> intervals.Interval:
    """Ratio of the time of one c to that of drawn ones, each at its best rate."""
    over, under = _best(data, case, name), _best(data, case, DRAWN)
    return intervals.interval(over.median / under.median, over.medians / under.medians)


def fit(data: xr.Dataset, case: Case) -> exponents.PowerLaw:
    """Fit T against |Σc| among equal entries."""
    names = [str(name) for name in np.unique(data.c.values) if str(name).startswith("signs")]
    chosen = [_best(data, case, name) for name in names]
    total = [abs(float(shapes()[name].sum())) for name in names]
    return exponents.fit_line(total, [b.median for b in chosen], [b.medians for b in chosen])


def _names(data: xr.Dataset, case: Case) -> list[str]:
    """List what c are called, but for drawn ones."""
    here = data.c.values[data.case.values == case.name]
    return [str(name) for name in here if name != DRAWN]


def _cases(data: xr.Dataset) -> list[Case]:
    return [case for case in CASES if case.name in data.case.values]


def _draw(data: xr.Dataset) -> list[Figure]:
    figure, axes = style.frame(height=4.8)
    cases = _cases(data)
    for i, (case, colour) in enumerate(zip(cases, style.PALETTE, strict=False)):
        names = _names(data, case)
        rows = np.array([ratio(data, case, name) for name in names])
        known = np.isfinite(rows).all(axis=1)
        places = np.arange(len(names))[known] + 0.12 * (i - (len(cases) - 1) / 2)
        label = case.shown
        middle, low, high = rows[known].T
        style.intervals(axes, places, middle, low, high, colour, line=False, label=label)
    names = _names(data, cases[0])
    axes.set_xticks(np.arange(len(names)), [_short(name) for name in names])
    axes.set_xlim(-0.6, len(names) - 0.4)
    style.reference(axes, 1.0)
    axes.set_ylim(0, None)
    axes.set_xlabel("negative signs (−); entries not zero; slowest found")
    axes.set_ylabel("$T$ over that of drawn quantised $c$")
    style.legend(axes)
    style.note(figure, r"$\hat c$ trained, each at its best rate; 95 % intervals")
    return [figure]


def _short(name: str) -> str:
    kind, _, count = name.partition(" ")
    return {"signs": f"{count}−", "entries": f"{count}\nof 9"}.get(kind, "found")


def _judge(data: xr.Dataset) -> list[Verdict]:
    verdicts = []
    for case in _cases(data):
        count = tuned.count(data, tuned.points(data, "total", case=case.name))
        rows = {name: ratio(data, case, name) for name in _names(data, case)}
        last = max(rows, key=lambda name: np.nan_to_num(rows[name].value, nan=-1.0))
        verdicts.append(
            Verdict(
                f"with ĉ trained, at the best rates, no c takes over {SLOW:g} times the steps of "
                f"drawn quantised ones, {case.label}",
                f"the slowest is {last}: {rows[last].text(2)} times; "
                + ", ".join(f"{one.text(2)} {name}" for name, one in rows.items()),
                intervals.within(rows[last], high=SLOW),
                "of equal entries with 0 to 4 negative signs, of 1, 2 and 4 entries, and of what a "
                "search of the sphere found",
                needed(rows[last], high=SLOW, count=count),
            )
        )
        verdicts.append(
            tuned.known(
                "with ĉ trained, at the best rates, the exponent of T in |Σc|, quantised c, "
                f"{case.label}",
                fit(data, case),
                "|Σc| = 1/3 to 3",
                count=count,
            )
        )
    return verdicts + tuned.besides(data)


EXPERIMENT = Experiment(
    name="worst",
    title="The slowest c under joint training",
    shows="The theorems assume quantised c and freeze ĉ. How much longer the worst c takes when ĉ "
    "is trained is not in the paper.",
    settings=f"Orthonormal features, quantised ĉ₀, λ = 1, unit neurons, d = {D}, k = {K}, first "
    f"|<û,u>| ≥ 0.9. c: equal entries with 0 to 4 negative signs (|Σc| = 3 to 1/3), 1, 2 and 4 "
    f"equal entries and zeros, and the slowest found: {DRAWS} on the sphere and those above, then "
    f"{ROUNDS} rounds of {CHANGES} changes of it, by the median of {RUNS} runs at the best rate of "
    "each. Beside them quantised c drawn at random. Rates a factor 2 apart, "
    "tried at either end until the best is inside, in resamples too; "
    f"{CASES[0].instances} instances for relu and {CASES[-1].instances} for He₃, each "
    "with features, "
    f"ĉ₀, û₀ and samples of its own, and none of those of the search; every point has seeds of its "
    f"own (from {SEED}).",
    run=_run,
    draw=_draw,
    judge=_judge,
)
