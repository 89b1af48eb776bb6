"""Comparisons, maps, scalings and the table of numbers: what they say of censored replicas."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xarray as xr

import lrft
from lrft.result import intervals

pytestmark = pytest.mark.any_set

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

REPLICAS, HORIZON = 9, 10_000


def study(late: int = 0, **attrs: Any) -> xr.Dataset:
    """Hitting steps 2 d (1 + noise) up to spread; `late` replicas of the last point censored."""
    d, noise = (part.ravel() for part in np.meshgrid([100, 200, 400], [0.0, 1.0], indexing="ij"))
    spread = np.linspace(0.9, 1.1, REPLICAS)
    hit = np.round(np.outer(2 * d * (1 + noise), spread)).astype(np.int64)
    hit[-1, :late] = -1
    status = np.where(hit < 0, "finished", "converged")
    shape = hit.shape
    return xr.Dataset(
        {
            "hit_step": (("point", "replica", "threshold"), hit[..., None]),
            "status": (("point", "replica"), status),
            "stop_step": (("point", "replica"), np.where(hit < 0, HORIZON, hit)),
            "final_overlap_u": (("point", "replica"), np.full(shape, -0.9)),
            "final_overlap_c": (("point", "replica"), np.full(shape, 0.5)),
            "final_loss": (("point", "replica"), np.broadcast_to(d[:, None], shape) / 100.0),
        },
        coords={
            "replica": np.arange(REPLICAS),
            "threshold": [0.9],
            "d": ("point", d.astype(np.int64)),
            "noise": ("point", noise),
            "k": ("point", np.full(len(d), 2)),
            "xi": ("point", np.ones(len(d))),
            "activation": ("point", np.full(len(d), "relu")),
        },
        attrs={
            "axes": json.dumps(["d", "noise"]),
            "study": json.dumps({"training": {"lr": 0.5}}),
        }
        | attrs,
    )


def run(seed: int = 0, lr: float = 0.001) -> xr.Dataset:
    task = lrft.Task.sample(d=50, k=2, seed=0)
    training = lrft.Training(lr=lr, steps=100, record=5)
    return lrft.simulate(task, training, replicas=3, seed=seed)


def test_summary_counts_censored_replicas_as_later() -> None:
    table = lrft.summary(study(late=6), 0.9)
    assert len(table) == 6
    last = table.iloc[-1]
    assert last.share == pytest.approx(3 / 9)
    assert np.inf == last.T50
    assert np.isfinite(last.T10)
    whole = table.iloc[0]
    assert (whole.T50, whole.learning_rate, whole.delta) == (200.0, 0.5, 50.0)
    assert whole.T50_low < whole.T50 < whole.T50_high
    assert whole.final_overlap_u == 0.9


def test_summary_agrees_with_hit_quantile() -> None:
    ds = study(late=3)
    for p, name in ((0.1, "T10"), (0.5, "T50"), (0.9, "T90")):
        expected = lrft.hit_quantile(ds, p).sel(threshold=0.9).values
        np.testing.assert_array_equal(lrft.summary(ds, 0.9)[name], expected)


def test_quantiles_know_where_replicas_were_last_seen() -> None:
    """One seen for a short time only weighs less than one that ran long without hitting."""
    steps = [10.0, 20.0, 30.0, np.inf, np.inf]
    early = intervals.quantile_steps(steps, 0.5, horizon=[0, 0, 0, 5, 5]).value
    late = intervals.quantile_steps(steps, 0.5, horizon=[0, 0, 0, 99, 99]).value
    assert (early, late) == (20.0, 30.0)


def test_summary_of_tasks_of_runs_and_of_fits() -> None:
    tasks = [lrft.Task.sample(d=d, k=2, seed=0) for d in (50, 60)]
    training = lrft.Training(lr="auto", steps=20, thresholds=(0.1, 0.5))
    table = lrft.summary(lrft.simulate(tasks, training, replicas=3))
    assert table.task.tolist() == [0, 0, 1, 1]
    assert table.threshold.tolist() == [0.1, 0.5] * 2
    np.testing.assert_allclose(table.delta, table.learning_rate * table.d)
    X = np.random.default_rng(0).standard_normal((50, 3))
    base = lrft.Weights(W=np.eye(2, 3), lam=np.ones(2), activation="relu")
    fit = lrft.summary(lrft.fit(base, lrft.LoRA(rank=1), X, X[:, 2], lr=0.01))
    assert np.isfinite(fit.final_train_loss).all()
    assert fit.learning_rate.tolist() == [0.01]


def test_summary_refuses_what_was_not_watched() -> None:
    with pytest.raises(ValueError, match=r"threshold=0.7 was not watched.*0.9"):
        lrft.summary(study(), 0.7)
    with pytest.raises(ValueError, match="without hitting steps"):
        lrft.summary(xr.Dataset())


def test_scaling_fits_the_exponent_with_its_interval_for_each_line() -> None:
    axes = lrft.plot.scaling(study()).axes[0]
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(texts) == 2
    for text, noise in zip(texts, (0, 1), strict=True):
        assert f"noise = {noise}" in text
        assert "d^{1.00}" in text
        assert "exponent [0." in text
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_scaling_shows_a_median_that_was_not_reached_as_beyond_the_run() -> None:
    axes = lrft.plot.scaling(study(late=6)).axes[0]
    marks = [line for line in axes.lines if line.get_marker() == "^" and len(line.get_xdata())]
    assert [float(line.get_xdata()[0]) for line in marks] == [400.0]
    assert [float(line.get_ydata()[0]) for line in marks] == [HORIZON]


def test_heatmap_marks_censored_cells_and_places_values() -> None:
    figure = lrft.plot.heatmap(study(late=6), "noise", "d", "T50")
    axes = figure.axes[0]
    cells = np.ma.filled(axes.collections[0].get_array().reshape(3, 2), np.nan)
    np.testing.assert_array_equal(cells, [[200, 400], [400, 800], [800, np.nan]])
    assert [patch.get_xy() for patch in axes.patches if patch.get_hatch()] == [(1, 2)]
    assert "censored" in axes.get_title("left")
    whole = lrft.plot.heatmap(study(), "noise", "d", "final_loss").axes[0]
    assert "censored" not in whole.get_title("left")


def test_compare_names_runs_and_scales_time_by_the_rate() -> None:
    runs = {"slow": run(lr=0.001), "fast": run(lr=0.002)}
    steps = lrft.plot.compare(runs).axes[0]
    assert [text.get_text() for text in steps.get_legend().get_texts()] == ["slow", "fast"]
    assert "d = 50" in steps.get_title("left")
    thick = [
        line
        for line in lrft.plot.compare(runs, time="tau").axes[0].lines
        if line.get_linewidth() == 2.0
    ]
    assert [float(line.get_xdata()[-1]) for line in thick] == pytest.approx([0.1, 0.2])


def test_titles_name_student_and_rate() -> None:
    title = lrft.plot.summary(run()).get_suptitle()
    assert r"$\hat u$ trained" in title
    assert r"$\eta$ = 0.001" in title


def test_refusals_name_the_right_function() -> None:
    ds = study()
    for draw in (lrft.plot.overlap, lrft.plot.loss, lrft.plot.summary):
        with pytest.raises(ValueError, match=r"is a study: use lrft.plot.heatmap"):
            draw(ds)
    with pytest.raises(ValueError, match=r"is a fit: use lrft.plot.summary"):
        lrft.plot.overlap(ds.isel(point=0).assign_attrs(kind="fit"))
    with pytest.raises(ValueError, match=r"use lrft.plot.summary for a run"):
        lrft.plot.heatmap(run(), "d", "k")
    with pytest.raises(ValueError, match=r"several points have the same d and k: .*noise"):
        lrft.plot.heatmap(ds, "d", "k")
    with pytest.raises(ValueError, match=r"x='depth' is no number of the results"):
        lrft.plot.scaling(ds, "depth")
    with pytest.raises(ValueError, match=r"value='T51' is not in the study"):
        lrft.plot.heatmap(ds, "d", "noise", "T51")
    with pytest.raises(TypeError, match=r"\{'name': ds, ...\}"):
        lrft.plot.compare([run()])  # type: ignore[arg-type]


def test_theory_is_drawn_over_runs() -> None:
    """At d = 10⁵ the median is at the limit of infinite d to a few hundredths."""
    task = lrft.Task.sample(d=10**5, k=4, features="orthonormal", normalization="unit", seed=0)
    student = lrft.RankOne(c_init="teacher")
    training = lrft.Training(student=student, lr=0.2 / task.d, steps=50 * task.d, stop_at=0.9)
    axes = lrft.plot.overlap(lrft.simulate(task, training, seed=1), theory=True).axes[0]
    dashed = [line for line in axes.lines if line.get_linewidth() == 1.6]
    (middle,) = (line for line in axes.lines if line.get_linewidth() == 2.0)
    x, y = dashed[0].get_data()
    seen, expected = (
        np.interp(0.5, values, steps) for steps, values in ((x, y), middle.get_data())
    )
    assert seen == pytest.approx(expected, rel=0.1)
    with pytest.raises(ValueError, match=r"of a run with record_parameters=True, or of a rank-one"):
        lrft.plot.overlap(run(), theory=True)


def test_theory_of_lora_is_drawn_from_a_recorded_start() -> None:
    task = lrft.Task.sample(d=5_000, k=3, activation="erf", xi=1.5, seed=0)
    student = lrft.LoRA(rank=2, b_init="gaussian")
    training = lrft.Training(
        student=student, lr=0.1 / task.d, steps=100_000, record=21, record_parameters=True
    )
    ds = lrft.simulate(task, training, replicas=1, seed=2)
    axes = lrft.plot.overlap(ds, theory=True).axes[0]
    (dashed,) = (line for line in axes.lines if line.get_linewidth() == 1.6)
    gap = np.interp(ds.step, *dashed.get_data()) - ds.overlap_u.values[0]
    assert np.abs(gap).max() < 0.1
    assert np.ptp(ds.overlap_u.values[0]) > 0.5
