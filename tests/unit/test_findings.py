"""The bookkeeping of the findings, on planted data."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr

import lrft
from lrft import theory
from lrft.paper.experiment import Context
from lrft.paper.findings import (
    batches,
    conditions,
    degree,
    joint,
    ranks,
    sides,
    stage,
    transition,
    tuned,
    worst,
)
from lrft.paper.jobs import paired_jobs, run_all

pytestmark = pytest.mark.any_set

INSTANCES = 96


def planted(rows: Sequence[tuple[dict[str, Any], float]]) -> xr.Dataset:
    """Data of a search at places with these marks, whose best median is the one given."""
    steps = []
    for i, (_, median) in enumerate(rows):
        spread = np.exp(0.1 * np.random.default_rng(i).standard_normal((4, INSTANCES)))
        rates = np.array([4.0, 2.0, 1.0, 3.0])[:, None] * median * spread
        rates[3, ::2] = np.inf
        steps.append(rates)
    data = xr.Dataset(
        {
            "steps": (("point", "rate", "instance", "member"), np.array(steps)[..., None]),
            "lr": (("point", "rate"), np.tile([1.0, 2.0, 4.0, 8.0], (len(rows), 1))),
        }
    )
    names = rows[0][0]
    return data.assign_coords(
        {name: ("point", [marks[name] for marks, _ in rows]) for name in names}
    )


def without_the_last_rate(data: xr.Dataset, point: int) -> xr.Dataset:
    cut = data.copy(deep=True)
    cut.steps[point, 3], cut.lr[point, 3] = np.nan, np.nan
    return cut


# ---- what they share ----------------------------------------------------------------------------


def test_what_is_the_same_in_the_ambient_space() -> None:
    """Twice the steps flip the verdict, and few of them decide nothing."""
    spread = np.exp(0.1 * np.random.default_rng(0).standard_normal(200))
    same = tuned.beside("", 100.0 * spread, 100.0 * spread[::-1])
    twice = tuned.beside("", 200.0 * spread, 100.0 * spread[::-1])
    few = tuned.beside("", 100.0 * spread[:3] ** 9, 100.0 * spread)
    assert [v.outcome for v in (same, twice, few)] == ["supported", "not supported", "not decided"]


@pytest.mark.parametrize("batch", [1, 8])
def test_the_ambient_space_at_the_best_rate(batch: int) -> None:
    """The check is of the point that asks for it, and hangs on threads as little as the search."""
    tasks = [joint.CASES[0].task(16, 5, i) for i in range(16)]
    places = [
        tuned.Place({"x": x}, tasks, lrft.RankOne(train_c=True), 0.3, 7, 200.0, 0.7, batch, label)
        for x, label in ((0, ""), (1, "here"))
    ]
    one, two = (tuned.measure(Context(threads=n), places, factor=2.0) for n in (1, 2))
    assert one.identical(two)
    assert one["at"].values.tolist() == [1]
    best = tuned.bests(one, "x", x=1)[1][0]
    assert best.where == "inside"
    steps = np.median(one.ambient.values)
    assert best.median / 3 < steps < best.median * 3
    (verdict,) = tuned.besides(one)
    assert "here" in verdict.statement


# ---- joint training -----------------------------------------------------------------------------


def test_exponents_of_joint_training() -> None:
    data = planted(
        [
            ({"line": line.name, "value": x}, 50.0 * x ** (1.0 if line.by == "d" else 0.2))
            for line in joint.LINES
            for x in line.values
        ]
    )
    for line in joint.LINES:
        law, where = joint.fit(data, line)
        assert law.exponent.value == pytest.approx(1.0 if line.by == "d" else 0.2, abs=0.05)
        assert where == ""
    assert {v.outcome for v in joint.EXPERIMENT.judge(data)} == {"supported"}
    (cut, *_) = joint.EXPERIMENT.judge(without_the_last_rate(data, 2))
    assert cut.outcome == "not decided"
    assert "on the edge of the rates tried at k = 17" in cut.note


def test_lines_of_one_sum_have_it() -> None:
    lines = [line for line in joint.LINES if line.one]
    assert lines
    for line in lines:
        for value in line.values:
            assert abs(line.task(value, 3).c.sum()) == pytest.approx(1.0)


# ---- degree four --------------------------------------------------------------------------------


def degree_data(power: float, fine_tuned: float = 1.0) -> xr.Dataset:
    """Steps from scratch as d^power, fine-tuned as d^fine_tuned log d."""
    return planted(
        [
            (
                {"student": one.name, "dimension": d},
                9.0 * (d**power if one.name == "scratch" else d**fine_tuned * np.log(d)),
            )
            for one in degree.STUDENTS
            for d in one.dimensions
        ]
    )


def test_degree_four_from_scratch_and_fine_tuned() -> None:
    judged = [
        [v.outcome for v in degree.EXPERIMENT.judge(degree_data(*powers))]
        for powers in ((2.5, 1.0), (1.5, 1.0), (2.5, 1.4))
    ]
    assert judged == [
        ["supported", "supported"],
        ["not supported", "supported"],
        ["supported", "not supported"],
    ]


# ---- batches ------------------------------------------------------------------------------------


def batch_rows() -> list[tuple[dict[str, Any], float]]:
    """Steps d/b + 1/4: samples double at b = 4 d."""
    rows = []
    for one in batches.settings():
        if (one.k, one.strength) != (batches.K, batches.STRENGTH):
            continue
        for size in (0.0, 1 / 4, 1, 2, 4, 8):
            batch = max(1, round(size * one.d))
            rows.append((one._asdict() | {"batch": batch}, one.d / batch + 0.25))
    return rows


def test_the_batch_at_which_samples_double() -> None:
    data = planted(batch_rows())
    (verdict,) = batches.EXPERIMENT.judge(data)
    assert verdict.outcome == "supported"
    law, where = batches.fit(data, "d")
    assert where == ""
    assert law.x.tolist() == list(batches.VARIED["d"])
    assert law.medians == pytest.approx(4 * law.x, rel=0.1)
    (cut,) = batches.EXPERIMENT.judge(without_the_last_rate(data, 2))  # at d = 64
    assert cut.outcome == "not decided"
    assert "on the edge" in cut.note


def test_batches_have_a_picture_for_each_thing_that_is_varied() -> None:
    rows = [
        (one._asdict() | {"batch": batch}, one.d / batch + 0.25)
        for one in batches.settings()
        for batch in (1, one.d, 4 * one.d)
    ]
    named = []
    for figure in batches.EXPERIMENT.draw(planted(rows)):
        (legend,) = figure.legends
        named.append([text.get_text() for text in legend.get_texts()])
        assert figure.get_suptitle().count("=") == 2  # what is not varied
    assert named == [
        ["$d=64$", "$d=256$", "$d=1024$"],
        [f"$k={k}$" for k in (5, 9, 17, 33, 65)],
        [rf"$\xi/\sqrt{{k}}={x}$" for x in ("0.25", "1", "4")],
    ]


def test_a_batch_that_stays_free_has_no_crossing() -> None:
    never = batches.crossing(np.array([1.0, 4.0]), np.array([[10.0], [12.0]]))
    unknown = batches.crossing(np.array([1.0, 4.0]), np.array([[10.0], [np.nan]]))
    assert np.isnan([never, unknown]).all()


# ---- the transition -----------------------------------------------------------------------------


def test_runs_that_may_stay_at_the_zero_are_shorter() -> None:
    longest = [
        transition._job(place, 1.0, 1.0, 0, 8, transition.LONGEST).training.steps
        for place in (transition.Place(32, 9, 3), transition.Place(64, 25, 0.6))
    ]
    assert longest == [transition.LONGEST, transition.LONGEST_AT_ZERO]


@pytest.mark.parametrize("place", [transition.Place(32, 9, 3), transition.Place(64, 25, 0.6)])
def test_the_drift_of_he3_is_that_of_the_theory(place: transition.Place) -> None:
    task = place.task(1.2)
    m = np.array([-0.3, 0.1, 0.7])
    exact = np.asarray(theory.drift(task, task.c, m)) / float(theory.drift(task, task.c, 0.0))
    assert transition.growth(task.xi**2 / task.k, place.s, m) == pytest.approx(exact, rel=1e-10)
    assert abs(task.c.sum()) == pytest.approx(place.s)


def test_the_equation_tends_to_the_printed_exponents() -> None:
    for by, value in transition.PREDICTED.items():
        assert transition.exact_exponent(transition.FAR[by], by) == pytest.approx(value, abs=0.02)


def flow_data(power: float = 0.0) -> xr.Dataset:
    """Times of the equation, as if ξ were d^power larger, and shares of a logistic curve."""
    places = transition._places(False)
    generator = np.random.default_rng(0)
    shape = (len(places), len(transition.GRID), 2, 64)
    steps, end = np.full(shape, 1.0), np.full(shape, 0.9)
    for i, place in enumerate(places):
        for j, ratio in enumerate(transition.GRID):
            xi = place.xi(ratio) * place.d**power
            for n, size in enumerate(() if place.turns else transition.STARTS):
                spread = np.exp(0.1 * generator.standard_normal(64))
                steps[i, j, n] = transition.flow_time(place, xi, size) * spread
            if place.turns:
                share = 1 / (1 + (place.xi(1.0) / xi) ** 4)
                end[i, j] = np.where(generator.random((2, 64)) < share, -0.9, 0.9)
    names = ("place", "ratio", "start", "replica")
    return xr.Dataset(
        {"steps": (names, steps), "end": (names, end)},
        coords={name: ("place", [getattr(p, name) for p in places]) for name in ("d", "k", "s")}
        | {"ratio": list(transition.GRID)},
    )


def test_the_onset_is_found_where_the_equation_has_it() -> None:
    data = flow_data()
    for (by, _), (law, places) in transition.fits(data).items():
        exact = [transition.exact_onset(*place) for place in places]
        assert law.medians == pytest.approx(exact, rel=0.15)
        assert law.exponent.value == pytest.approx(transition.exact_exponent(places, by), abs=0.1)
    assert "not supported" not in {v.outcome for v in transition.EXPERIMENT.judge(data)}


def test_an_onset_far_outside_the_strengths_tried_decides_nothing() -> None:
    verdicts = transition.EXPERIMENT.judge(flow_data(power=0.3))
    assert {v.outcome for v in verdicts} == {"not decided"}
    assert all(v.needs for v in verdicts)


# ---- the worst c --------------------------------------------------------------------------------


def test_ratios_to_drawn_c_and_the_law_in_the_sum() -> None:
    rows = []
    for case in worst.CASES:
        names = {worst.DRAWN: 100.0, worst.FOUND: 150.0}
        names |= {
            name: 100.0 * abs(c.sum()) ** -0.5 if name.startswith("signs") else 300.0
            for name, c in worst.shapes().items()
        }
        rows += [({"case": case.name, "c": name, "total": 1.0}, t) for name, t in names.items()]
    data = planted(rows)
    for case in worst.CASES:
        assert worst.ratio(data, case, worst.FOUND).value == pytest.approx(1.5, rel=0.1)
        assert worst.fit(data, case).exponent.value == pytest.approx(-0.5, abs=0.05)
    slow, known = worst.EXPERIMENT.judge(data)[:2]
    assert (slow.outcome, known.outcome) == ("not supported", "supported")
    assert "the slowest is entries" in slow.measured


def test_the_slowest_c_is_slow_at_its_own_best_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large first entries want an eighth of the rate; large second ones take long at any."""

    def run_all(_: Context, jobs: Sequence[lrft.Job]) -> list[SimpleNamespace]:
        results = []
        for job in jobs:
            (task, *_), rate = job.task, float(job.training.lr) * worst.D
            share = rate / worst.CASES[0].delta * (8 if abs(task.c[0]) > 0.5 else 1)
            steps = 1000 * (1 + 4 * task.c[1] ** 2) / share
            hit = -1 if share > 1.5 or steps > job.training.steps else round(steps)
            results.append(SimpleNamespace(hit_step=xr.DataArray(np.full((len(job.task), 1), hit))))
        return results

    monkeypatch.setattr(worst.best_rate, "run_all", run_all)
    found = worst.slowest(Context(threads=1), worst.CASES[0], 5)
    assert found[1] ** 2 > 0.8
    assert np.linalg.norm(found) == pytest.approx(1.0)


def test_the_search_for_the_worst_c_does_not_hang_on_threads() -> None:
    found = [worst.slowest(Context(True, threads), worst.CASES[0], 5) for threads in (1, 2)]
    assert np.array_equal(*found)
    assert np.linalg.norm(found[0]) == pytest.approx(1.0)


# ---- ranks --------------------------------------------------------------------------------------


def rank_data(power: float) -> xr.Dataset:
    """The last direction is found after 2 strength^power times the steps of the first."""
    chosen = ranks.settings()
    data = planted([(one._asdict(), 100.0 / one.student**0.5) for one in chosen])
    found = np.full((len(chosen), 2, INSTANCES), np.nan)
    for i, one in enumerate(chosen):
        if one.part == "order":
            spread = np.exp(0.1 * np.random.default_rng(i).standard_normal((2, INSTANCES)))
            found[i] = np.array([[10.0], [20.0 * one.weaker**power]]) * spread
    return data.assign(found=(("point", "direction", "instance"), found))


def test_one_direction_after_the_other() -> None:
    data = rank_data(-2.0)
    _, law = ranks.gaps(data, "weaker", d=ranks.D, c="even")
    assert law is not None
    assert law.exponent.value == pytest.approx(-2.0, abs=0.1)
    outcomes = [v.outcome for v in ranks.EXPERIMENT.judge(data)]
    assert outcomes == ["supported", *["not supported"] * 2, *["supported"] * 4]
    assert ranks.EXPERIMENT.judge(rank_data(-0.5))[0].outcome == "not supported"


def test_when_singular_values_pass_a_level() -> None:
    steps = np.array([0.0, 10.0, 20.0, 30.0])
    path = [[0.0, 0.1], [0.0, 0.9], [0.6, 0.9], [np.nan, np.nan]]
    never = [[0.0, 0.1], [0.1, 0.2], [0.1, 0.2], [0.1, 0.2]]
    found = ranks.crossings(steps, np.array([path, never]))
    assert found[0] == pytest.approx([5.0, 10 + 10 * 0.5 / 0.6])
    assert np.isinf(found[1]).all()


def test_columns_of_equal_strength() -> None:
    c = ranks.Setting("order", 64, 2, 2, 0.5, "even").task(3).c
    assert c.T @ c == pytest.approx(np.diag([1.0, 0.25]))
    assert c.sum(axis=0) == pytest.approx([0.0, 0.0])


# ---- conditions ---------------------------------------------------------------------------------


def test_exponents_of_the_conditions() -> None:
    powers = {"epsilon": -1.0, "d": 1.0, "k": 1.0}
    data = planted(
        [
            ({"line": line.name, "value": x}, 50.0 * x ** powers[line.by])
            for line in conditions.LINES
            for x in line.values
        ]
    )
    for line in conditions.LINES:
        law, where = conditions.fit(data, line)
        assert law.exponent.value == pytest.approx(powers[line.by], abs=0.05)
        assert where == ""
    # The best rate is the same everywhere in these data.
    assert conditions.rates(data, conditions.LINES[0]) == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)
    assert {v.outcome for v in conditions.EXPERIMENT.judge(data)} == {"supported"}
    cut = conditions.EXPERIMENT.judge(without_the_last_rate(data, 1))
    assert (cut[0].outcome, cut[1].outcome) == ("not decided", "supported")
    assert "on the edge" in cut[0].note


def test_the_pair_of_signs_is_as_it_is_said() -> None:
    assert pytest.approx(1 / 3) == conditions.C @ conditions.C_HAT
    assert conditions.C.sum() == pytest.approx(1.0)
    assert conditions.C_HAT.sum() == pytest.approx(1 / 3)


def test_correlated_features_are_as_far_as_the_assumption_goes() -> None:
    gram = conditions.correlated(0, 64, 9).gram
    assert np.diag(gram) == pytest.approx(np.ones(9))
    assert gram[np.triu_indices(9, 1)] == pytest.approx(1 - np.log(9) / 3)


# ---- sides --------------------------------------------------------------------------------------


def test_the_side_of_a_start() -> None:
    tasks = [sides.CASES[3].task(sides.D, sides.K, i) for i in range(8)]
    found = []
    for start in ("favourable", "uniform"):
        training = lrft.Training(
            student=lrft.RankOne(u_init=start),
            lr=1e-9,
            steps=1,
            record=2,
            record_parameters=("c_hat",),
        )
        jobs = paired_jobs(tasks, training, 4)
        found.append(sides._sides(jobs[0], run_all(Context(threads=1), jobs)[0]))
    assert (found[0] == 1).all()
    assert set(found[1]) == {-1.0, 1.0}


def test_shares_of_either_side() -> None:
    side = np.repeat([-1.0, 1.0], 50)
    always, right = np.full(100, 9.0), np.where(side > 0, 9.0, np.inf)
    steps = [right if case.name == "he3 sqrt" else always for case in sides.CASES]
    names = ("case", "instance")
    data = xr.Dataset(
        {"steps": (names, steps), "side": (names, np.tile(side, (len(steps), 1)))},
        coords={"case": [case.name for case in sides.CASES]},
    )
    outcomes = [v.outcome for v in sides.EXPERIMENT.judge(data)]
    assert outcomes == ["not supported"] * 4 + ["supported"]


# ---- the second stage --------------------------------------------------------------------------


@pytest.mark.parametrize("case", [stage.CASES[0], stage.CASES[7]])
def test_the_loss_of_the_regression_is_that_of_samples(case: stage._Case) -> None:
    task, gap = case.task(6, 5, 2), 0.02
    exact = theory.regression_loss(task, 1 - gap)
    found = lrft.recover_c(task, 1 - gap, samples=40_000).residual
    assert found == pytest.approx(exact, rel=0.1)
    assert theory.regression_loss(task, 1 - stage.largest_gap(task, exact)) == pytest.approx(
        exact, rel=1e-3
    )
