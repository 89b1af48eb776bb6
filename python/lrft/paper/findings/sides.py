"""Whether the start has to be on the side that the drift points to: m₀ h(0) > 0."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrft import RankOne, Training, theory
from lrft.paper.deciding import needed
from lrft.paper.drawing import style
from lrft.paper.experiment import Context, Experiment, Outcome, Verdict
from lrft.paper.findings import tuned
from lrft.paper.jobs import Job, paired_jobs, run_all
from lrft.paper.regime import Regime
from lrft.result import intervals

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

SEED = 1900
INSTANCES = 256
D, K = 256, 9
#: Overlap that counts as learned, η over lr='auto', and steps per d.
GOAL, SHARE, HORIZON = 0.5, 0.25, 6000
_STUDENT = RankOne(u_init="uniform")


CASES = (
    Regime("relu", "1"),
    Regime("relu", "sqrt"),
    Regime("sigmoid", "sqrt"),
    Regime("he3", "1"),
    Regime("he3", "sqrt"),
)
#: What is run in the ambient space as well.
AMBIENT = CASES[1]


def _run(context: Context) -> xr.Dataset:
    cases = CASES[-2:] if context.quick else CASES
    return measure(context, list(cases), 16 if context.quick else INSTANCES)


def measure(context: Context, cases: list[Regime], instances: int) -> xr.Dataset:
    """Count steps from uniform starts, and say on which side each was."""
    import xarray as xr

    plan: list[Job] = []
    checked: list[Job] = []
    for i, case in enumerate(cases):
        seed = SEED + 1000 * i
        tasks = [case.task(D, K, seed + j) for j in range(instances)]
        training = Training(
            student=_STUDENT,
            lr=SHARE * theory.auto_lr(tasks[0], _STUDENT)[0],
            steps=(20 if context.quick else HORIZON) * D,
            stop_at=GOAL,
            thresholds=(GOAL,),
            record=2,
            record_parameters=("c_hat",),
        )
        plan += paired_jobs(tasks, training, seed)
        if case == AMBIENT:
            jobs = paired_jobs(tasks, training, seed + 500)
            checked += [replace(job, engine="ambient") for job in jobs]
    # Steps, and on which side the start was.
    rows = [
        np.stack([intervals.hitting_steps(result.hit_step.values[:, 0]), _sides(job, result)])
        for job, result in zip(plan + checked, run_all(context, plan + checked), strict=True)
    ]
    steps, side = (
        one.reshape(len(cases), instances) for one in np.concatenate(rows[: len(plan)], axis=1)
    )
    names = ("case", "instance")
    data = xr.Dataset(
        {"steps": (names, steps), "side": (names, side)},
        coords={"case": [case.name for case in cases]},
        attrs={"seed": SEED},
    )
    if not checked:
        return data
    return data.assign(ambient=(("what", "instance"), np.concatenate(rows[len(plan) :], axis=1)))


def _sides(job: Job, result: xr.Dataset) -> Floats:
    """Sign of m₀ h(0) of every replica; 0 where there is no drift."""
    tasks = job.task if isinstance(job.task, list) else [job.task]
    found = []
    for task, one in zip(tasks, result.transpose("replica", ...).replica, strict=True):
        run = result.sel(replica=one)
        drift = float(theory.drift(task, run.c_hat.values[0], 0.0))
        found.append(float(np.sign(drift * float(run.overlap_u.values[0]))))
    return np.array(found)


# ---- what is measured ---------------------------------------------------------------------------


def shares(data: xr.Dataset, case: Regime) -> tuple[intervals.Interval, intervals.Interval]:
    """Shares of runs that learn from the wrong side and from the right one."""
    one = data.sel(case=case.name)
    came, side = np.isfinite(one.steps.values), one.side.values
    wrong, right = (
        intervals.proportion(int(came[side == sign].sum()), max(1, int((side == sign).sum())))
        for sign in (-1.0, 1.0)
    )
    return wrong, right


def _medians(data: xr.Dataset, case: Regime) -> list[float]:
    one = data.sel(case=case.name)
    steps, side = one.steps.values, one.side.values
    return [float(np.median(steps[side == sign])) / D for sign in (-1.0, 1.0)]


def _cases(data: xr.Dataset) -> list[Regime]:
    return [case for case in CASES if case.name in data.case.values]


def _draw(data: xr.Dataset) -> list[Figure]:
    figure, axes = style.frame(height=4.0)
    cases = _cases(data)
    rows = np.array([shares(data, case) for case in cases])
    for i, (name, colour) in enumerate(
        (("wrong side", style.PALETTE[1]), ("right side", style.PALETTE[0]))
    ):
        places = np.arange(len(cases)) + 0.16 * (i - 0.5)
        middle, low, high = rows[:, i].T
        style.intervals(axes, places, middle, low, high, colour, line=False, label=name)
    texts = [case.shown.replace(", ", "\n") for case in cases]
    axes.set_xticks(np.arange(len(cases)), texts)
    axes.set_xlim(-0.5, len(cases) - 0.5)
    axes.set_ylim(0, 1.03)
    axes.set_ylabel(f"share that reach overlap {GOAL:g}")
    style.legend(axes)
    style.note(figure, f"frozen random $\\hat c$, within {HORIZON} $d$ steps; 95 % intervals")
    return [figure]


def _judge(data: xr.Dataset) -> list[Verdict]:
    verdicts = []
    for case in _cases(data):
        wrong, right = shares(data, case)
        slow, fast = _medians(data, case)
        outcome: Outcome = "not decided"
        if wrong.high < right.low / 2:
            outcome = "supported"
        elif wrong.low > right.high / 2:
            outcome = "not supported"
        count = int((data.side.sel(case=case.name) < 0).sum())
        verdicts.append(
            Verdict(
                f"m₀ h(0) > 0 is needed: fewer than half as many runs learn from the wrong side, "
                f"{case.label}, ĉ frozen",
                f"{wrong.text(2)} from the wrong side, in {slow:.3g} d steps (median), "
                f"{right.text(2)} from the right one, in {fast:.3g} d",
                outcome,
                "where h keeps its sign on the way, the overlap passes through 0; of He₃ "
                "it has a zero at m "
                "= −⟨ĉ,c⟩/(2x), x = ξ²/k, to first order",
                needed(wrong, high=right.value / 2, count=count, of="runs"),
            )
        )
    if "ambient" in data:
        reduced = data.sel(case=AMBIENT.name)
        ambient, side = data.ambient.values
        verdicts += [
            tuned.beside(
                f"{AMBIENT.label}, from the {name} side",
                ambient[side == sign],
                reduced.steps.values[reduced.side.values == sign],
            )
            for sign, name in ((-1.0, "wrong"), (1.0, "right"))
        ]
    return verdicts


EXPERIMENT = Experiment(
    name="sides",
    title="Whether the start has to be on the side the drift points to",
    shows="The theorems need m₀ h(0) > 0, which a random start has with probability ½, and start "
    "again from −u₀ where it is not so.",
    settings=f"Uniform starts, a frozen random ĉ, orthonormal features, quantised c, λ = 1, unit "
    f"neurons, d = {D}, k = {K}, η {SHARE:g} of lr='auto', {HORIZON} d steps to overlap {GOAL:g}. "
    f"{INSTANCES} instances, each with c, ĉ, û₀ and samples of its own (seeds from {SEED}).",
    run=_run,
    draw=_draw,
    judge=_judge,
)
