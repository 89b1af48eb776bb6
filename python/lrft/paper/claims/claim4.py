"""Claim 4: the linearised student is stuck at a loss that the real one passes, whatever ξ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrft import RankOne, Task, Training, theory
from lrft.paper.deciding import needed
from lrft.paper.drawing import style
from lrft.paper.experiment import Context, Experiment, Outcome, Verdict
from lrft.paper.jobs import Job, run_all
from lrft.result import intervals

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

SEED = 400
D, K = 500, 16
#: In units of √k, the paper's strength.
STRENGTHS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
INSTANCES, MEMBERS = 8, 8
#: Steps per d; the losses are means over the last quarter of the records.
HORIZON, RECORDS = 400, 41
#: Losses below this share of the base's are drawn as triangles at the bottom.
LEAST_SHOWN = 1e-5
STUDENTS = {"real": False, "linearised": True}


def _task(strength: float, instance: int) -> Task:
    return Task.sample(
        d=D,
        k=K,
        xi=strength * K**0.5,
        activation="relu",
        features="sphere",
        c="sphere",
        normalization="unit",
        seed=SEED + instance,
    )


def best_linearised(task: Task) -> float:
    """Least loss of the linearised student over ĉ on the unit sphere, with û = u.

    The loss is quadratic in ĉ, so its values on a basis and on sums of pairs give all of it.
    """

    def loss(*entries: tuple[int, float]) -> float:
        c_hat = np.zeros(task.k)
        for index, value in entries:
            c_hat[index] = value
        return theory.linearized_loss(task, c_hat, 1.0)

    plus = np.array([loss((i, 1.0)) for i in range(task.k)])
    minus = np.array([loss((i, -1.0)) for i in range(task.k)])
    linear, quadratic = (plus - minus) / 2, np.diag((plus + minus) / 2)
    half = np.sqrt(0.5)
    for i in range(task.k):
        for j in range(i):
            pair = loss((i, half), (j, half)) - half * (linear[i] + linear[j])
            mixed = pair - (quadratic[i, i] + quadratic[j, j]) / 2
            quadratic[i, j] = quadratic[j, i] = mixed

    return least_on_sphere(quadratic, linear)


def least_on_sphere(quadratic: Floats, linear: Floats) -> float:
    """Least value of c·Qc + l·c over |c| = 1, exactly.

    At the minimum (Q − μ) c = −l/2 with Q − μ positive semidefinite, and |c| = 1 decides μ.

    Parameters
    ----------
    quadratic : ndarray of shape (k, k)
        Q, symmetric.
    linear : ndarray of shape (k,)

    Returns
    -------
    float

    Examples
    --------
    >>> least_on_sphere(np.diag([1.0, 2.0]), np.zeros(2))
    1.0
    """
    from scipy import optimize

    values, vectors = np.linalg.eigh(quadratic)
    half = vectors.T @ linear / 2

    def coordinates(mu: float) -> Floats:
        gaps = values - mu
        found: Floats = np.divide(-half, gaps, out=np.zeros_like(half), where=gaps > 0)
        return found

    length = float(np.linalg.norm(half))
    close = values[0] - 1e-12 * (length + np.abs(values).max())
    c = coordinates(close)
    if c @ c > 1:
        mu = optimize.brentq(
            lambda mu: float(np.sum(coordinates(mu) ** 2)) - 1, values[0] - 2 * length, close
        )
        c = coordinates(mu)
    else:  # l has nothing along the least eigenvector, which fills up the length
        c[0] = np.copysign(np.sqrt(1 - c[1:] @ c[1:]), -half[0])
    return float(values @ c**2 + 2 * half @ c)


def _run(context: Context) -> xr.Dataset:
    import xarray as xr

    quick = context.quick
    strengths = STRENGTHS[3:5] if quick else STRENGTHS
    instances = 2 if quick else INSTANCES
    horizon = 40 if quick else HORIZON
    tasks = [[_task(strength, i) for i in range(instances)] for strength in strengths]
    jobs = []
    for row, strength in enumerate(strengths):
        for i, task in enumerate(tasks[row]):
            for linearized in STUDENTS.values():
                student = RankOne(train_c=True, linearized=linearized)
                training = Training(
                    student=student, lr="auto", steps=horizon * D, record=RECORDS, thresholds=(0.9,)
                )
                seed = SEED + 1000 * STRENGTHS.index(strength) + i
                jobs.append(Job(task, training, MEMBERS, seed))
    losses = np.array([result.loss.values for result in run_all(context, jobs)])
    shape = (len(strengths), instances, len(STUDENTS), MEMBERS, RECORDS)
    base = [[_base_loss(task) for task in row] for row in tasks]
    floor = [[best_linearised(task) for task in row] for row in tasks]
    return xr.Dataset(
        {
            "loss": (
                ("strength", "instance", "student", "replica", "record"),
                losses.reshape(shape),
            ),
            "base_loss": (("strength", "instance"), np.array(base)),
            "floor": (("strength", "instance"), np.array(floor)),
        },
        coords={"strength": list(strengths), "student": list(STUDENTS)},
        attrs={"seed": SEED, "horizon": horizon},
    )


def _base_loss(task: Task) -> float:
    """Loss of the base itself, E (f − f*)²."""
    return theory.population_loss(task, rows=task.W)


def final(data: xr.Dataset) -> xr.DataArray:
    """Median over replicas of the mean loss in the last quarter, relative to the base's."""
    late = data.loss.isel(record=slice(-(data.sizes["record"] // 4), None))
    late = late.fillna(np.inf).mean("record")  # what diverged has no finite loss
    relative: xr.DataArray = late.median("replica") / data.base_loss
    return relative


def _bands(data: xr.Dataset) -> dict[str, list[intervals.Interval]]:
    """Medians over instances with intervals over instances, one for each strength."""
    relative = final(data)
    rows = {name: relative.sel(student=name).values for name in STUDENTS}
    rows["best linearised"] = (data.floor / data.base_loss).values
    # What the linearised one could reach at best, if its noise or a divergence keeps it above.
    rows["ratio"] = rows["real"] / np.minimum(rows["linearised"], rows["best linearised"])
    found = {}
    for name, values in rows.items():
        pairs = [intervals.bootstrap_median(one) for one in values]
        found[name] = [intervals.interval(*pair) for pair in pairs]
    return found


def _draw_strengths(data: xr.Dataset) -> Figure:
    figure, axes = style.frame(height=4.2)
    strengths = data.strength.values
    bands = _bands(data)
    for name, colour in zip(STUDENTS, style.PALETTE, strict=False):
        middle, low, high = np.array(bands[name]).T
        seen = middle > LEAST_SHOWN
        points = (strengths[seen], middle[seen], low[seen], high[seen])
        style.intervals(axes, *points, colour, label=name)
        below = np.full((~seen).sum(), LEAST_SHOWN)
        (marks,) = axes.plot(
            strengths[~seen], below, "v", color=colour, markersize=7, clip_on=False
        )
        marks.set_in_layout(False)
    middle, low, high = np.array(bands["best linearised"]).T
    exact: dict[str, Any] = {"color": style.MUTED, "linestyle": (0, (4, 3)), "linewidth": 1.2}
    axes.plot(strengths, middle, label="best linearised (exact)", **exact)
    axes.fill_between(strengths, low, high, color=style.MUTED, alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(LEAST_SHOWN, 3)
    axes.set_xlabel(r"strength $\xi / \sqrt{k}$")
    axes.set_ylabel("final loss / loss of the base")
    axes.axhline(1.0, label="the base itself", **exact | {"linestyle": ":"})
    style.legend(axes)
    style.note(figure, "medians over instances with 95 % intervals; ▼: below $10^{-5}$")
    return figure


def _draw_paths(data: xr.Dataset) -> Figure:
    figure, axes = style.frame(height=4.2)
    strengths = data.strength.values
    one = int(np.argmin(np.abs(strengths - 1.0)))
    steps = np.linspace(0, data.attrs["horizon"] * D, data.sizes["record"])
    for name, colour in zip(STUDENTS, style.PALETTE, strict=False):
        paths = data.loss.sel(student=name).isel(strength=one) / data.base_loss[one]
        flat = paths.values.reshape(-1, data.sizes["record"])
        style.band(axes, steps, flat, colour, label=name, thin=False)
    last = data.loss.isel(strength=one, record=-1)
    runs, left = last.size, int(np.isfinite(last).sum())  # what diverged has no loss
    axes.set_yscale("log")
    axes.set_title(rf"$\xi / \sqrt{{k}} = {strengths[one]:g}$")
    axes.set_ylabel("loss / loss of the base")
    style.steps_axis(axes, float(steps[-1]))
    style.legend(axes)
    ended = f", {left} to the end" if left < runs else ""
    style.note(figure, f"thick: median; band: 10–90 % of all {runs} runs{ended}")
    return figure


def _draw(data: xr.Dataset) -> list[Figure]:
    return [_draw_strengths(data), _draw_paths(data)]


def _judge(data: xr.Dataset) -> list[Verdict]:
    bands = _bands(data)
    strengths = data.strength.values
    instances = data.sizes["instance"]
    ratios, floors = bands["ratio"], bands["best linearised"]
    passed = [ratio.high < 1 for ratio in ratios]
    failed = [ratio.low > 1 for ratio in ratios]
    at_one = int(np.argmin(np.abs(strengths - 1.0)))
    verdicts = [
        Verdict(
            f"the real student passes the loss at which the linearised one is stuck, ξ = "
            f"{strengths[at_one]:g} √k (Fig. 3a)",
            "ratio of final losses, real to linearised (its best, if that is less), "
            f"{ratios[at_one].short()}",
            _all([passed[at_one]], [failed[at_one]]),
            needs=needed(ratios[at_one], high=1.0, count=instances),
        ),
        Verdict(
            f"it does so at every ξ from {strengths[0]:g} √k to {strengths[-1]:g} √k",
            "ratios "
            + ", ".join(f"{r.short()} at {x:g}" for x, r in zip(strengths, ratios, strict=True)),
            _all(passed, failed),
            needs="; ".join(
                f"at {x:g} √k {needed(r, high=1.0, count=instances)}"
                for x, r, yes in zip(strengths, ratios, passed, strict=True)
                if not yes
            ),
        ),
        Verdict(
            "what linearisation cannot learn vanishes with ξ (lazy regime) and is of order one at "
            "ξ = Θ(√k)",
            f"best linearised loss over that of the base: {floors[0].text()} at {strengths[0]:g} "
            f"√k, {floors[at_one].text()} at {strengths[at_one]:g} √k",
            _all(
                [floors[0].high < 0.1, floors[at_one].low > 0.1],
                [floors[0].low > 0.1, floors[at_one].high < 0.1],
            ),
            "the exact minimum over ĉ on the sphere with û = u given to it",
            f"at the least ξ {needed(floors[0], high=0.1, count=instances)}, at ξ = √k "
            f"{needed(floors[at_one], 0.1, count=instances)}",
        ),
    ]
    return verdicts


def _all(yes: list[bool], no: list[bool]) -> Outcome:
    if all(yes):
        return "supported"
    return "not supported" if any(no) else "not decided"


EXPERIMENT = Experiment(
    name="claim4",
    title="The linearised student is stuck",
    shows="In the kernel regime the student keeps a loss that the real network passes; the two "
    "meet only as ξ → 0 (Fig. 3a and its discussion).",
    settings=f"relu, d = {D}, k = {K}, features and c on spheres, unit normalisation, ĉ and û "
    f"trained jointly with Π, lr='auto' for each instance, {HORIZON} d steps; losses are means "
    f"over the last quarter, relative to E(f − f*)². {INSTANCES} instances with {MEMBERS} "
    f"replicas each; every instance and every ξ has a seed of its own (from {SEED}); intervals "
    "are over instances.",
    run=_run,
    draw=_draw,
    judge=_judge,
)
