"""Parts of the figures of the paper: instances, their hits, verdicts and printed curves."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import lrft
from lrft.paper.deciding import needed
from lrft.paper.experiment import Context, Verdict
from lrft.paper.figures import figure6, judging, matching, settings
from lrft.paper.figures.instances import Curve, dots, hits, paths, simulate_curves
from lrft.paper.figures.printed import printed, readings
from lrft.result import intervals

pytestmark = pytest.mark.any_set


def test_instance_i_is_replica_i_of_its_own_task() -> None:
    tasks = tuple(settings.task(i, d=60, k=3, xi=1.0) for i in range(3))
    training = settings.training(settings.student(train_c=True), 1e-3, 400, record=9)
    data = simulate_curves(Context(threads=1), [Curve("relu", tasks, training)], seed=5)
    for i, task in enumerate(tasks):
        alone = lrft.simulate(task, training, replicas=[i], seed=5, threads=1)
        np.testing.assert_array_equal(
            data.overlap_u.sel(curve="relu", instance=i), alone.overlap_u[0]
        )
        for name in ("stop_step", "final_overlap_u", "final_loss"):
            assert data[name].sel(curve="relu", instance=i) == alone[name][0]


def test_jobs_are_smaller_for_more_threads_and_bits_the_same() -> None:
    tasks = tuple(settings.task(i, d=60, k=3, xi=1.0) for i in range(20))
    training = settings.training(settings.student(train_c=True), 1e-2, 300, record=3, stop_at=0.3)
    one, three = (
        simulate_curves(Context(threads=threads), [Curve("relu", tasks, training)], seed=5)
        for threads in (1, 3)
    )
    assert len(set(one.stop_step.values.ravel().tolist())) > 5  # lanes take up what is left
    xr.testing.assert_identical(one, three)


def test_a_stopped_instance_is_flat_and_its_sign_is_that_of_the_end() -> None:
    data = xr.Dataset(
        {
            "overlap_u": (("curve", "instance", "step"), [[[-0.1, -0.99, np.nan]]]),
            "overlap_c": (("curve", "instance", "step"), [[[0.2, -0.5, np.nan]]]),
            "loss": (("curve", "instance", "step"), [[[3.0, 1.0, np.nan]]]),
            "hit_step": (("curve", "instance", "threshold"), [[[7, -1]]]),
            "status": (("curve", "instance"), [["converged"]]),
            "stop_step": (("curve", "instance"), [[17]]),
            "final_overlap_u": (("curve", "instance"), [[-0.995]]),
            "final_overlap_c": (("curve", "instance"), [[-0.6]]),
            "final_loss": (("curve", "instance"), [[0.5]]),
        },
        coords={"curve": ["x"], "threshold": [0.5, 0.9], "step": [0, 10, 20]},
    )
    assert paths(data, "overlap_u", "x").tolist() == [[0.1, 0.99, 0.995]]
    assert paths(data, "overlap_c", 0).tolist() == [[-0.2, 0.5, 0.6]]
    assert paths(data, "loss", 0).tolist() == [[3.0, 1.0, 0.5]]
    assert hits(data, 0, 0.5).tolist() == [7.0]
    assert hits(data, 0, 0.9).tolist() == [np.inf]
    running = data.assign(status=(("curve", "instance"), [["interrupted"]]))
    assert np.isnan(paths(running, "loss", 0)[0, 2])


def test_dots_joined_by_lines_show_a_later_step() -> None:
    overlap = [[[0.0, 0.2, 0.6, 0.8, 0.9], [0.0, 0.7, 0.8, 0.9, 0.95], [0.0, 0.0, 0.1, 0.1, 0.1]]]
    final = (("curve", "instance"), [[0.9, 0.95, 0.1]])
    data = xr.Dataset(
        {
            "overlap_u": (("curve", "instance", "step"), overlap),
            "status": (("curve", "instance"), [["finished"] * 3]),
            "stop_step": (("curve", "instance"), [[20] * 3]),
            "final_overlap_u": final,
        },
        coords={"curve": ["x"], "step": [0, 5, 10, 15, 20]},
    )
    # Between 0.6 at 10 and 0.9 at 20; before the first dot; never.
    assert dots(data, "x", 0.75, 10).tolist() == pytest.approx([15.0, 10.0, np.inf])


def _law(shift: float = 0.0) -> np.ndarray:
    """Log times of 128 instances at three levels, and where some never come."""
    generator = np.random.default_rng(3)
    start = 0.5 * generator.standard_normal((128, 1))
    gaps = 1.0 + 0.05 * generator.standard_normal((128, 3))
    return shift + start + np.cumsum(gaps, axis=1)


def test_a_further_instance_is_one_of_them_and_another_is_not() -> None:
    values = _law()
    chances = [matching.one_more(np.delete(values, i, axis=0), values[i]) for i in range(128)]
    # Exact, but for ties: as many are far out as are said to be.
    assert np.mean(np.array(chances) < matching.LEAST) <= matching.LEAST
    least = pytest.approx(2 / 129)  # none is as far out
    assert matching.one_more(values, values[0] + 5.0) == least
    # Times that are likely one by one, in ratios that are not.
    shape = np.diff(values)
    assert matching.one_more(shape, np.diff(np.array([0.5, 2.0, 3.0]))) == least


def test_a_print_is_alone_where_no_instance_comes() -> None:
    values = np.random.default_rng(5).normal(5.0, 0.1, (40, 2))
    values[:, 1] = np.inf
    assert matching.one_more(values, [5.0, 7.0]) == pytest.approx(2 / 41)


def test_instances_that_never_come_do_not_hide_that_a_print_is_late() -> None:
    read = matching.points("6", "1")
    scale = np.exp(0.1 * np.random.default_rng(3).standard_normal((128, 1)))
    steps = scale * [one.steps for one in read]

    def found(steps: np.ndarray) -> list[Verdict]:
        data = xr.Dataset(
            {"hit_step": (("curve", "instance", "threshold"), np.rint(steps)[None])},
            {"curve": ["1"], "threshold": [one.level for one in read]},
        )
        return matching.printed_curve(data, "6", "1", "1", "s")

    assert found(steps)[0].outcome == "supported"
    steps[:28, 2:] = -1  # they stall on their way
    assert found(steps)[0].outcome == "supported"
    times, shape = found(np.where(steps < 0, steps, steps / 3))
    assert times.outcome == "not supported"
    assert times.reason == "steps to 0.25 at least the printed 165,000 come in 0 of 128 instances"
    assert shape.outcome == "supported"
    assert found(np.full_like(steps, -1))[0].outcome == "not supported"


def test_fig6_whose_instances_never_come_is_not_decided() -> None:
    names = ["1", "10", "14", "25"]
    steps = np.full((4, 8, 1), 1000)
    steps[3] = -1
    data = xr.Dataset(
        {"hit_step": (("curve", "instance", "threshold"), steps)},
        {"curve": names, "threshold": [0.9]},
    )
    verdict = figure6.judge_distances(data)
    assert verdict.outcome == "not decided"
    assert verdict.measured == "no instance comes to 0.9 at ξ = 25"


def test_the_same_law_and_another() -> None:
    times = np.exp(_law()[:, 0])
    assert matching.same_law(times[:118], times[118:]) > matching.LEAST
    assert matching.same_law(times[:118], 4 * times[118:]) < 0.01
    assert matching.same_law(np.where(times > 3, np.inf, times), [1e9] * 10) < 0.01


@pytest.mark.parametrize(
    ("interval", "bounds", "words"),
    [
        ((0.9, 0.7, 1.1), {"high": 1.0}, "about 4 times as many instances, 400"),
        ((1.0, 0.7, 1.3), {"low": 0.5, "high": 1.5, "widest": 0.1}, "about 9 times"),
        ((1.0, 0.9, 1.1), {"low": 1.0}, "the value lies on the bound, 1"),
        ((0.0, 0.0, 0.3), {"high": 0.0}, "the value lies on the bound, 0"),
        ((np.inf, 3.0, np.inf), {"high": 2.0}, "longer runs or more rates"),
        ((np.nan, -np.inf, np.inf), {"high": 2.0}, "longer runs or more rates"),
    ],
)
def test_what_it_takes_to_decide(interval, bounds, words) -> None:
    assert words in needed(intervals.Interval(*interval), count=100, **bounds)


def test_so_many_instances_do_decide() -> None:
    """Twice what is said to be needed decides, a quarter does not, if the value stays."""
    share = intervals.proportion(55, 100)
    assert intervals.within(share, 0.5) == "not decided"
    count = int(needed(share, 0.5, count=100).rsplit(" ", 1)[1])
    assert (
        intervals.within(intervals.proportion(int(0.55 * 2 * count), 2 * count), 0.5) == "supported"
    )
    few = count // 4
    assert intervals.within(intervals.proportion(int(0.55 * few), few), 0.5) == "not decided"


RATIOS = np.r_[np.full(30, 0.8), np.full(98, 1.3)]


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (judging.more("s", "", RATIOS), "supported"),
        (judging.more("s", "", 1 / RATIOS), "not supported"),
        (judging.more("s", "", np.r_[np.full(64, 0.8), np.full(64, 1.3)]), "not decided"),
        (judging.more("s", "", np.r_[RATIOS[:64], 1 / RATIOS[:64]], "", 1.5), "not supported"),
        (judging.more("s", "", RATIOS, "", 1.5), "supported"),
        (judging.mostly("s", "", RATIOS > 1), "supported"),
        (judging.mostly("s", "", RATIOS < 1), "not supported"),
        (judging.mostly("s", "", np.arange(128) % 2 == 0), "not decided"),
        (matching.as_early("s", RATIOS, 1.0), "supported"),
        (matching.as_early("s", RATIOS, 0.5), "not supported"),
        (matching.printed_value("s", RATIOS, 0.8), "supported"),
        (matching.printed_value("s", _law()[:, 0], 9.0), "not supported"),
        (matching.printed_value("s", _law()[:40, 0], 9.0), "not supported"),
        (matching.printed_value("s", _law()[:39, 0], 9.0), "not decided"),  # 2 of 40 are 5 %
    ],
)
def test_verdicts(verdict: Verdict, outcome: str) -> None:
    assert verdict.outcome == outcome
    assert verdict.outcome != "not decided" or verdict.needs


@pytest.mark.parametrize("n", [8, 16, 33])
def test_the_interval_of_a_median_covers_it_at_95_percent(n: int) -> None:
    """Exactly: the chance that the k-th and (n+1-k)-th of n values enclose the median."""
    from scipy.stats import binom

    low, high = judging.median_interval(np.arange(1.0, n + 1))
    assert low + high == n + 1
    cover = binom.cdf(n - low, n, 0.5) - binom.cdf(low - 1, n, 0.5)
    assert cover >= 0.95
    # The next narrower one would not do.
    assert binom.cdf(n - low - 1, n, 0.5) - binom.cdf(low, n, 0.5) < 0.95


def test_printed_curves_are_those_that_were_read() -> None:
    levels: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for one in readings():
        levels.setdefault(one[:3], []).append((one.level, one.steps))
    assert {panel for panel, _, _ in levels} >= {"2a", "2b", "3b", "4a", "4b", "5a", "5b", "6"}
    for (_, _, quantity), points in levels.items():
        if quantity != "loss":  # overlaps grow
            steps = [step for _, step in sorted(points)]
            assert steps == sorted(steps)
    early = sorted(printed("2a", str(i), 0.9) for i in range(1, 11))
    assert (early[0], np.median(early), early[-1]) == (188e3, 417e3, 658e3)
    with pytest.raises(KeyError, match=r"no reading of overlap_u = 0\.7"):
        printed("5a", "1/2", 0.7)
