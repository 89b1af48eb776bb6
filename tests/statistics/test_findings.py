"""Findings at reduced size: what was measured comes out again."""

from __future__ import annotations

import numpy as np
import pytest

from lrft.paper import best_rate
from lrft.paper.claims import claim5
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
from lrft.paper.findings.transition import Place

pytestmark = pytest.mark.verification


def test_the_plateau_sets_in_where_the_equation_has_it() -> None:
    places = [Place(32, 9, 3), Place(512, 16, 0), Place(512, 25, 0.6)]
    data = transition.measure(Context(), places, replicas=32, steps=100_000_000)
    for i, place in enumerate(places):
        found, drawn = transition.onset(data, i)
        low, high = np.quantile(drawn, [0.025, 0.975])
        exact = transition.exact_onset(*place)
        assert found == pytest.approx(exact, rel=0.06)
        assert low / 1.03 <= exact <= 1.03 * high


def test_joint_training_hardly_pays_for_k() -> None:
    relu = joint.Line(joint.CASES[4], "k", (5, 17, 65), joint.D, 64)
    one = joint.Line(joint.CASES[5], "d", (64, 512), joint.K, 64, one=True)
    data = tuned.measure(Context(), joint.places((relu, one)), most=24)
    (in_k, at), (in_d, where) = joint.fit(data, relu), joint.fit(data, one)
    assert at == where == ""
    assert in_k.exponent.low > -0.4
    assert in_k.exponent.high < 0.1
    assert in_d.exponent.low > 0.9
    assert in_d.exponent.high < 1.2


def test_degree_four_costs_more_from_scratch() -> None:
    scratch, fine_tuned = degree.STUDENTS
    points = [
        claim5.point(one, d, 16, 50_000 + 1000 * i, degree.DEGREE)
        for i, (one, d) in enumerate(
            [(scratch, 16), (scratch, 32), (fine_tuned, 64), (fine_tuned, 128)]
        )
    ]
    data = best_rate.search(Context(), points)
    times = [
        best_rate.best(data.lr.values[i], data.steps.values[i]).median for i in range(len(points))
    ]
    assert times[1] / times[0] > 2**2
    assert times[3] / times[2] < 2**1.8


def test_no_c_is_slow_for_relu_and_large_sums_are_fast() -> None:
    case = worst.CASES[0]
    family = {worst.DRAWN: "quantized"} | {
        name: worst.shapes()[name] for name in ("signs 0", "signs 4", "entries 1")
    }
    places = [
        tuned.Place(
            {"case": case.name, "c": name, "total": 1.0},
            [case.task(worst.D, worst.K, 10_000 * i + j, c=c) for j in range(64)],
            worst._STUDENT,
            case.delta,
            10_000 * i,
            worst.HORIZON,
        )
        for i, (name, c) in enumerate(family.items())
    ]
    data = tuned.measure(Context(), places, factor=2.0)
    assert worst.ratio(data, case, "signs 0").high < 0.7
    assert worst.ratio(data, case, "signs 4").high < worst.SLOW
    assert worst.ratio(data, case, "entries 1").high < worst.SLOW


def test_the_weaker_direction_is_found_later_and_spare_rank_is_free() -> None:
    chosen = [
        one
        for one in ranks.settings()
        if one.d == ranks.D and (one.weaker == 0.5 if one.part == "order" else one.teacher == 2)
    ]
    data = ranks.measure(Context(), chosen, 32)
    rows, _ = ranks.gaps(data, "d", weaker=0.5, c="even")
    assert rows[0, 1] > 3.0
    law, where = tuned.fit(data, "student", part="spare", teacher=2)
    assert where == ""
    assert law.exponent.high < ranks.KNOWN


def test_the_largest_free_batch_is_about_twice_d() -> None:
    setting = batches.Setting(64, batches.K, batches.STRENGTH)
    data = batches.measure(Context(), [setting], 128)
    found, drawn, where = batches.largest_free(data, setting)
    assert where == ""
    assert np.quantile(drawn, 0.025) / 64 > 1.0
    assert np.quantile(drawn, 0.975) / 64 < 4.0
    assert 1.5 < found / 64 < 3.0


def test_runs_learn_from_the_wrong_side_too() -> None:
    cases = [sides.CASES[3], sides.CASES[4]]
    data = sides.measure(Context(), cases, 96)
    for case in cases:
        wrong, right = sides.shares(data, case)
        assert wrong.low > 0.8
        assert right.low > 0.9


def test_accuracy_costs_steps_only_where_the_student_stays_wrong() -> None:
    values = {"frozen 1": (0.3, 0.1), "joint 1": (0.3, 0.1)}
    lines = {line.name: line for line in conditions.LINES}
    places = [
        conditions.place(lines[name], value, 50_000 + 1000 * i, instances=48)
        for i, (name, value) in enumerate((n, v) for n, vs in values.items() for v in vs)
    ]
    data = tuned.measure(Context(), places, factor=2.0)
    frozen, joint = (conditions.fit(data, lines[name])[0].exponent for name in values)
    assert frozen.high < joint.low


def test_the_second_stage_needs_less_than_printed() -> None:
    for case in stage.CASES:
        gaps = []
        for k in (5, 17):
            gaps.append(
                np.median([stage.largest_gap(case.task(k + 1, k, i), 1e-4) for i in range(24)])
            )
        power = np.log(gaps[1] / gaps[0]) / np.log(17 / 5)
        assert -case.printed - 0.05 < power < 0.1, case.name
