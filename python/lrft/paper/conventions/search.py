"""For each figure: candidates for what the paper leaves open, and what each of them fulfils."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lrft.paper.conventions.calibration import Target, calibrate
from lrft.paper.conventions.facts import Fact, facts
from lrft.paper.drawing import style
from lrft.paper.experiment import Context, Experiment, Verdict
from lrft.paper.figures.instances import simulate_each
from lrft.paper.figures.judging import outcome
from lrft.paper.figures.lines import LINES, Line, curve
from lrft.paper.figures.matching import LEAST
from lrft.paper.figures.printed import printed
from lrft.paper.figures.settings import CHOSEN, RATES, Convention

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["CANDIDATES", "EXPERIMENTS", "search"]

SEED = 1301
#: Instances of a candidate, and of the calibration of its rates.
INSTANCES, CALIBRATION = 40, 24

_PRINTED = Convention(root=False)


def _with(base: Convention, **changes: Any) -> list[Convention]:
    """Change one thing at a time."""
    return [base._replace(**{name: value}) for name, value in changes.items()]


def _others(base: Convention) -> list[Convention]:
    return _with(base, lam="signs", c_init="sphere")


def _batches(base: Convention, *sizes: int) -> list[Convention]:
    return [base._replace(batch=size) for size in sizes]


#: What can change a figure beyond its rate. The root and the scale of a relu network change only
#: its rate and its loss; at ξ = 1 the root is 1 %; the division by ξ counts where curves of several
#: ξ share a rate, or a loss is printed.
CANDIDATES: dict[str, tuple[Convention, ...]] = {
    "fig2": (Convention(), *_others(Convention())),
    "fig3": (
        *_batches(Convention(), 1, 4),
        *_others(Convention()),
        *_with(Convention(), root=False, divided=False),
    ),
    "fig4a": (*_batches(Convention(), 1, 2, 4, 8, 16), *_others(Convention(4))),
    "fig4b": (
        *_batches(Convention(), 1, 4),
        *_others(Convention(4)),
        *_batches(Convention(lam="signs"), 1, 16),
    ),
    "fig5": (Convention(), *_others(Convention())),
    "fig6": (
        *_batches(Convention(), 1, 4),
        *_others(Convention()),
        *_batches(Convention(lam="signs"), 4),
        *_with(Convention(), divided=False),
        *_batches(_PRINTED, 1, 4),
        *_others(_PRINTED),
    ),
}

#: The printed time that the rate of each curve, or of the first of several, is fitted to.
_ANCHORS: dict[str, tuple[str, float, float]] = {
    "fig2": (
        "ĉ trained",
        0.9,
        float(np.median([printed("2a", str(i), 0.9) for i in range(1, 11)])),
    ),
    "fig3": ("real network", 0.5, printed("3b", "u", 0.5)),
    "fig4a sigmoid": ("sigmoid", 0.9, 9000.0),  # the first dot, at 10,000, is at 0.96
    "fig5": ("0", 0.9, printed("5a", "0", 0.9)),
    # Its instances differ least: without a plateau little hangs on where they start.
    "fig6": ("1", 0.9, printed("6", "1", 0.9)),
}


def _anchor(key: str) -> tuple[str, float, float]:
    if key in _ANCHORS:
        return _ANCHORS[key]
    figure, activation = key.split()
    return activation, 0.9, printed(figure[3:], activation, 0.9)


def _lines(figure: str) -> list[Line]:
    """Curves on which something is printed that hangs on the convention."""
    return [line for line in LINES[figure] if not line.student.get("linearized")]


def _horizon(line: Line) -> dict[str, Any]:
    """Longest run, and where it stops: a few times what is printed, where shapes need no more.

    Instances that are cut off have no shape: where times differ much, runs are as much longer.
    """
    if line.panel in ("3b", "2a", "2b"):
        return {"steps": line.steps, "stop_at": None if line.panel == "3b" else 0.9}
    last = {"4a": 0.98, "4b": 0.98, "5a": 0.9, "6": 0.95}[line.panel]
    try:
        end = printed(line.panel, line.name, last)
    except KeyError:
        end = printed(line.panel, line.name, 0.96)
    longest = min(6 * end, line.steps) if line.panel == "6" else max(2 * end, 40_000)
    return {"steps": int(longest), "stop_at": last}


def _guess(key: str, convention: Convention, task: dict[str, float]) -> float:
    """Scale the rate in use as the squared output is."""
    chosen, ratio = CHOSEN[key.split()[0]], 1.0 + task["xi"] ** 2 / task["k"]
    guess = RATES[key]
    if chosen.root != convention.root:
        power = {"he3": 3.0, "quadratic": 2.0}.get(str(task.get("activation")), 1.0)
        guess *= ratio ** (power if chosen.root else -power)
    if chosen.divided != convention.divided:
        guess *= task["xi"] ** (-2.0 if chosen.divided else 2.0)
    if chosen.lam != convention.lam and task["xi"] > 1.0:
        # Signs cancel the sums over pairs of neurons, which rule at large ξ.
        guess *= 20.0 if convention.lam == "signs" else 1 / 20.0
    return guess


def search(
    context: Context,
    figure: str,
    candidates: tuple[Convention, ...],
    instances: int = INSTANCES,
) -> tuple[list[list[Fact]], list[dict[str, float]]]:
    """Hold every candidate against what is printed, at rates fitted to one time of each.

    Parameters
    ----------
    context : Context
    figure : str
    candidates : tuple of Convention
    instances : int

    Returns
    -------
    facts : list of list of Fact
        Of each candidate, the same ones.
    rates : list of dict
    """
    lines = _lines(figure)
    keys = list(dict.fromkeys(line.rate for line in lines))
    targets = []
    for convention in candidates:
        for key in keys:
            label, level, steps = _anchor(key)
            line = next(one for one in lines if one.name == label)
            guess = _guess(key, convention, line.task)
            targets.append(Target(line, convention, level, steps, guess))
    calibrate(context.part(0.0, 0.5), targets, 4 if context.quick else CALIBRATION)
    rates = [
        dict(zip(keys, (t.rate for t in targets[i * len(keys) :]), strict=False))
        for i in range(len(candidates))
    ]
    plan = [(line, i) for line in lines for i in range(len(candidates))]
    made = [  # each as long as its own print
        curve(
            line,
            candidates[i],
            rates[i][line.rate],
            instances,
            quick=context.quick,
            record=_records(line),
            **_horizon(line),
        )
        for line, i in plan
    ]
    simulated = simulate_each(context.part(0.5, 1.0), made, SEED)
    parts = {(line.name, i): one for (line, i), one in zip(plan, simulated, strict=True)}
    found = [
        facts(figure, {line.name: parts[line.name, i].expand_dims("curve") for line in lines})
        for i in range(len(candidates))
    ]
    return found, rates


def _records(line: Line) -> int:
    """As many as what is printed of it needs: overlaps of ĉ, dots; first steps need none."""
    return {"3b": 301, "4a": 301}.get(line.panel, 2)


# ---- the experiments ----------------------------------------------------------------------------


def _run(context: Context, figure: str) -> xr.Dataset:
    import xarray as xr

    candidates = CANDIDATES[figure][:2] if context.quick else CANDIDATES[figure]
    found, rates = search(context, figure, candidates, 4 if context.quick else INSTANCES)
    # A shape that no instance of a candidate shows is missing there.
    every = {fact.name: fact for one in found for fact in one}
    chances = [[{f.name: f.chance for f in one}.get(name, 0.0) for name in every] for one in found]
    keys = list(rates[0])
    return xr.Dataset(
        {
            "chance": (("candidate", "fact"), np.array(chances)),
            "lr": (("candidate", "curve"), np.array([[one[key] for key in keys] for one in rates])),
        },
        coords={
            "candidate": [convention.text for convention in candidates],
            "fact": list(every),
            "kind": ("fact", [fact.kind for fact in every.values()]),
            "curve": keys,
        },
        attrs={"seed": SEED},
    )


def fulfilled(data: xr.Dataset) -> dict[str, int]:
    """Count what each candidate fulfils, the most first.

    Examples
    --------
    >>> import xarray as xr
    >>> chance = (("candidate", "fact"), [[0.01, 0.5], [0.2, 0.3]])
    >>> fulfilled(xr.Dataset({"chance": chance}, {"candidate": ["a", "b"]}))
    {'b': 2, 'a': 1}
    """
    counts = (data.chance.values >= LEAST).sum(axis=1)
    order = np.argsort(-counts, kind="stable")
    return {str(data.candidate.values[i]): int(counts[i]) for i in order}


def _draw(data: xr.Dataset, figure: str) -> list[Figure]:
    from matplotlib.colors import ListedColormap

    counts = fulfilled(data)
    order = [list(data.candidate.values).index(name) for name in counts]
    fits = (data.chance.values >= LEAST)[order]
    rows, columns = fits.shape
    picture, axes = style.frame(height=1.9 + 0.22 * rows, width=2.6 + 0.13 * columns)
    colours = ListedColormap([style.PALETTE[1], style.PALETTE[0]])
    axes.pcolormesh(fits, cmap=colours, vmin=0, vmax=1, edgecolors="white", linewidth=1.0)
    axes.invert_yaxis()
    names = [f"{name}: {count} of {columns}" for name, count in counts.items()]
    axes.set_yticks(np.arange(rows) + 0.5, names, fontsize=7)
    facts_of = [str(name) for name in data.fact.values]
    axes.set_xticks(np.arange(columns) + 0.5, facts_of, rotation=90, fontsize=5.5)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    style.note(picture, "blue: fits; orange: among the 5 % of instances that are farthest out")
    return [picture]


def _judge(data: xr.Dataset, figure: str) -> list[Verdict]:
    counts, total = fulfilled(data), data.sizes["fact"]
    chosen = CHOSEN[figure].text
    most = max(counts.values())
    table = "; ".join(f"{n} of {total}: {name}" for name, n in counts.items())
    i = list(data.candidate.values).index(chosen) if chosen in counts else 0
    rates = ", ".join(
        f"{lr:g} ({key.split()[-1]})"
        for key, lr in zip(data.curve.values, data.lr.values[i], strict=True)
    )
    missed = [
        str(f) for f, c in zip(data.fact.values, data.chance.values[i], strict=True) if c < LEAST
    ]
    return [
        Verdict(
            f"Of the conventions tried for Fig. {figure[3:]}, the one that the figure uses "
            f"({chosen}) fulfils as much of what is printed as any",
            table,
            outcome(counts.get(chosen, -1) == most),
            f"at rates {rates}; not fulfilled: {', '.join(missed) or 'nothing'}",
        )
    ]


EXPERIMENTS = tuple(
    Experiment(
        name=f"conventions{figure[3:]}",
        title=f"What Fig. {figure[3:]} was made with",
        shows="The paper prints no batch, no λ, no start of ĉ, and a formula without a root that "
        "its initial loss has. Each candidate is held against everything that is printed.",
        settings=f"{INSTANCES} instances of each candidate; rates fitted to one printed time of "
        f"each curve, or of each set of curves that share one, on {CALIBRATION} other instances. A "
        "printed value fits if it is not among the 5 % of instances that are farthest out.",
        run=partial(_run, figure=figure),
        draw=partial(_draw, figure=figure),
        judge=partial(_judge, figure=figure),
    )
    for figure in CANDIDATES
)
