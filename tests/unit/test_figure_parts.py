"""Parts of the figures of the paper: instances, their hits, verdicts and printed curves."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import lrft
from lrft.paper.experiment import Context, Verdict
from lrft.paper.figures import judging, settings
from lrft.paper.figures.instances import Curve, hits, paths, simulate_curves
from lrft.paper.figures.printed import printed, readings

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


STEPS = judging.steps_text


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (judging.inside("s", np.array([1.9, 2.0, 2.1]), 2.49), "supported"),  # 2 + 0.497 is the end
        (judging.inside("s", np.array([1.9, 2.0, 2.1]), 2.5), "not supported"),
        (judging.inside("s", np.array([1.0, 2.0, 3.0]), 2.9), "not decided"),  # 9.9 wide
        (judging.inside("s", np.array([1.0, 2.0, 3.0]), 7.0), "not supported"),
        (judging.inside("s", np.array([9e3, 1e4, np.inf]), 1e4, "", STEPS), "not decided"),
        (judging.inside("s", np.array([np.inf] * 3), 1e4, "", STEPS), "not supported"),
        (judging.inside("s", np.array([9e3, 1e4, 1.1e4]), 1e4, "", STEPS), "supported"),
        (judging.inside("s", np.array([5e3, 1e4, 2e4]), 1e4, "", STEPS), "not decided"),
        (judging.by("s", np.array([5e3, 1e4, 2e4]), 8e3), "not decided"),
        (judging.by("s", np.array([1e3, 2e3, np.inf]), 2e3), "supported"),
        (judging.by("s", np.array([1e3, np.inf, np.inf]), 2e3), "not supported"),
        (judging.by("s", np.array([1e3, 1.1e3, 0.9e3]), 0.7e3), "supported"),
        (judging.by("s", np.array([1e3, 1.1e3, 0.9e3]), 0.5e3), "not supported"),
        (judging.window(np.array([1e3, 5e3, 9e3]), 4e3, 6e3, "s"), "supported"),
        (judging.window(np.array([1e3, 5e3, 9e3]), 10e3, 12e3, "s"), "not supported"),
        (judging.window(np.array([1e3, 5e3, 9e3]), 1e3, 9e3, "s", most=True), "supported"),
        (judging.window(np.array([1e3, 5e3, 9e3]), 2e3, 9e3, "s", most=True), "not decided"),
        (judging.window(np.array([1e3, 5e3, 9e3]), 6e3, 9e3, "s", most=True), "not supported"),
    ],
)
def test_verdicts(verdict: Verdict, outcome: str) -> None:
    assert verdict.outcome == outcome


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
