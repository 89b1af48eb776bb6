"""Figures: what they show, not how they look."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import pytest
import xarray as xr

import lrft
from lrft.result.dataset import assemble
from lrft.result.variables import STATISTICS

pytestmark = pytest.mark.any_set

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

STEPS = 6


def dataset(
    tasks: int = 0, replicas: int = 5, c_trained: bool = True, **changes: Any
) -> xr.Dataset:
    """Straight lines: replica r of task t has |overlap_u| = step share * (r+1)/replicas."""
    count = max(tasks, 1)
    share = np.linspace(0.0, 1.0, STEPS)
    top = (np.arange(replicas) + 1.0) / replicas
    sign = np.where(np.arange(replicas) % 2, -1.0, 1.0)
    u = np.broadcast_to(np.outer(sign * top, share), (count, replicas, STEPS)).copy()
    c = np.broadcast_to(np.outer(sign, 0.1 + 0.5 * share * c_trained), u.shape).copy()
    given = [lrft.Task.sample(d=30, k=2, xi=1.0 + t) for t in range(count)]
    raw = {
        "step": np.arange(STEPS) * 1000,
        "overlap_u": u,
        "overlap_c": c,
        "loss": np.exp(-5.0 * np.abs(u)),
        "thresholds": np.array([0.5]),
        "hit_step": np.full((count, replicas, 1), -1),
        "loss_thresholds": np.zeros(0),
        "loss_hit_step": np.zeros((count, replicas, 0), dtype=np.int64),
        "status": np.full((count, replicas), "finished"),
        "stop_step": np.full((count, replicas), 5000),
    } | changes
    for name in STATISTICS:
        raw.setdefault(name, np.zeros((count, replicas, STEPS)))
        raw.setdefault(f"final_{name}", raw[name][:, :, -1])
    training = lrft.Training(lr=0.1, steps=5000)
    attrs = {"seed": 0, "engine": "reduced", "threads": 1}
    return assemble(given if tasks else given[0], training, raw, attrs)


def median_line(axes: Any) -> Any:
    return max(axes.lines, key=lambda line: line.get_linewidth())


def test_overlap_shows_median_band_and_replicas_of_the_absolute_value() -> None:
    axes = lrft.plot.overlap(dataset()).axes[0]
    assert "steps" in axes.get_xlabel()
    assert "overlap" in axes.get_ylabel()
    np.testing.assert_allclose(median_line(axes).get_ydata(), 0.6 * np.linspace(0, 1, STEPS))
    assert len(axes.lines) == 5 + 1
    assert len(axes.collections) == 1  # the band


def test_overlap_of_c_has_the_sign_that_u_gives_it() -> None:
    axes = lrft.plot.overlap(dataset(), "c").axes[0]
    np.testing.assert_allclose(median_line(axes).get_ydata(), 0.1 + 0.5 * np.linspace(0, 1, STEPS))


def test_many_replicas_are_a_band_without_thin_lines() -> None:
    assert len(lrft.plot.overlap(dataset(replicas=17)).axes[0].lines) == 1
    assert len(lrft.plot.overlap(dataset(replicas=1)).axes[0].lines) == 1


def test_loss_is_logarithmic_only_when_it_falls_far() -> None:
    assert lrft.plot.loss(dataset()).axes[0].get_yscale() == "log"
    flat = dataset(loss=np.full((1, 5, STEPS), 0.5))
    axes = lrft.plot.loss(flat).axes[0]
    assert axes.get_yscale() == "linear"
    assert "loss" in axes.get_ylabel()


def test_summary_leaves_out_a_c_that_never_moved_and_says_what_ran() -> None:
    figure = lrft.plot.summary(dataset())
    assert len(figure.axes) == 3
    assert len(lrft.plot.summary(dataset(c_trained=False)).axes) == 2
    title = figure.get_suptitle()
    for text in ("relu", "d = 30", "k = 2", "5 finished", "median"):
        assert text in title, text


def test_each_task_has_its_colour_and_its_label() -> None:
    axes = lrft.plot.overlap(dataset(tasks=3)).axes[0]
    assert [text.get_text() for text in axes.texts] == [rf"$\xi$ = {i}" for i in (1, 2, 3)]
    assert len({text.get_color() for text in axes.texts}) == 1  # ink, readable on any page
    swatches = [line for line in axes.lines if line.get_transform() == axes.transAxes]
    assert len({line.get_color() for line in swatches}) == 3
    heights = [text.get_position()[1] for text in axes.texts]
    assert (
        min(np.diff(sorted(heights))) > 0.05
    )  # they end together but are not written on each other
    many = lrft.plot.overlap(dataset(tasks=9, replicas=1)).axes[0]
    assert len({line.get_color() for line in many.lines}) == 9
    assert len(many.get_legend().get_texts()) == 9


def test_converged_replicas_are_held_and_diverged_ones_are_not() -> None:
    u = np.broadcast_to(np.array([0.0, 0.5, 0.9, np.nan, np.nan, np.nan]), (1, 2, STEPS)).copy()
    u[0, 1] = [0.0, 0.1, 1e300, np.nan, np.nan, np.nan]
    ds = dataset(
        replicas=2,
        overlap_u=u,
        overlap_c=u,
        loss=np.abs(u),
        stop_step=np.array([[2000, 2000]]),
        status=np.array([["converged", "diverged"]]),
        final_overlap_u=np.array([[0.9, np.nan]]),
    )
    axes = lrft.plot.overlap(ds).axes[0]
    np.testing.assert_allclose(median_line(axes).get_ydata(), [0.0, 0.3, 0.9, 0.9, 0.9, 0.9])
    assert axes.get_title("left").endswith("of 2 replicas, 1 of 2 to the end")
    assert lrft.plot.summary(ds).get_suptitle().endswith("of 2 replicas, 1 of 2 to the end")


def test_stops_between_records_are_drawn_where_they_were() -> None:
    u = np.full((1, 3, STEPS), np.nan)
    u[..., :2] = [0.0, 0.1]
    ds = dataset(
        replicas=3,
        overlap_u=u,
        overlap_c=u,
        loss=1 - u,
        stop_step=np.array([[1100, 1200, 1300]]),
        status=np.array([["converged", "converged", "interrupted"]]),
        final_overlap_u=np.array([[0.9, 0.5, 0.4]]),
        final_overlap_c=np.array([[0.9, 0.5, 0.4]]),
        final_loss=np.array([[0.1, 0.5, 0.6]]),
    )
    figure = lrft.plot.summary(ds)
    assert len(figure.axes) == 3  # c moved after the last record
    for axes in figure.axes[:2]:
        line = median_line(axes)
        assert line.get_xdata().tolist() == [0, 1000, 1100, 1200, 1300, 2000, 3000, 4000, 5000]
        # The interrupted one is at 0.2, 0.3, 0.4, and then no longer counted.
        expected = [0.0, 0.1, 0.3, 0.5, 0.5, 0.7, 0.7, 0.7, 0.7]
        np.testing.assert_allclose(line.get_ydata(), expected)
        assert axes.get_xlim()[1] == 1404


def test_nothing_finite_still_draws() -> None:
    nothing = np.full((1, 2, STEPS), np.nan)
    ds = dataset(
        replicas=2,
        overlap_u=nothing,
        overlap_c=nothing,
        loss=nothing,
        status=np.full((1, 2), "diverged"),
        stop_step=np.zeros((1, 2), dtype=np.int64),
    )
    buffer = io.BytesIO()
    lrft.plot.summary(ds).savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")


def test_steps_recorded_at_growing_distances_get_a_logarithmic_axis() -> None:
    steps = np.array([0, 1, 10, 100, 1000, 5000])
    assert lrft.plot.overlap(dataset(step=steps)).axes[0].get_xscale() == "symlog"
    assert lrft.plot.overlap(dataset()).axes[0].get_xscale() == "linear"


def test_given_axes_are_drawn_into() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    assert lrft.plot.overlap(dataset(), axes=axes) is figure
    assert axes.lines


def test_arguments_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="which='w', expected 'u' or 'c'"):
        lrft.plot.overlap(dataset(), "w")
    with pytest.raises(ValueError, match=r"ds.isel\(component=0\)"):
        lrft.plot.overlap(dataset(overlap_u=np.zeros((1, 5, STEPS, 2))))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"lrft\[plot\]"):
        lrft.plot.summary(dataset())
