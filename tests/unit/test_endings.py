"""The state at the stop: final values of every ending, and what summaries make of them."""

from __future__ import annotations

import signal
import threading

import numpy as np
import pytest
import xarray as xr

import lrft
from lrft.core.engine import compiled
from lrft.result.endings import counted, one_overlap

TASK = lrft.Task.sample(d=60, k=4, xi=2.0, c="sphere", seed=0)
PLANE = lrft.Task.sample(d=60, k=4, xi=3.0, c="sphere", rank=2, activation="relu", seed=1)
FINALS = ("final_overlap_u", "final_overlap_c", "final_loss")
#: Student, rate and where it stops: well inside 20,000 steps, at steps that differ.  Nowhere: at
#: the lowest loss that half of the replicas reach, since noise decides how low that is.
ENDINGS = {
    "rank one": (TASK, lrft.RankOne(train_c=True, orthogonal=False), 0.01, {"stop_at": 0.6}),
    "rank one, frozen": (TASK, lrft.RankOne(c_init=TASK.c), 0.01, {"stop_at": 0.6}),
    "rank one, linearised": (
        TASK,
        lrft.RankOne(c_init=TASK.c, linearized=True),
        0.01,
        {"stop_at": 0.4},
    ),
    "lora, a cosine": (TASK, lrft.LoRA(rank=1), 0.01, {"stop_at": 0.6}),
    "lora": (PLANE, lrft.LoRA(rank=2), 0.003, {"stop_at": 0.5}),
    "lora, linearised": (PLANE, lrft.LoRA(rank=2, linearized=True), 0.01, {}),
    "lora, wide": (PLANE, lrft.LoRA(rank=3), 0.003, {"stop_at": 0.5}),
    "full network": (TASK, lrft.FullNetwork(train_lam=True), 0.01, {"stop_loss": 0.2}),
}
REPLICAS = 9  # more than one group of lanes


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
@pytest.mark.parametrize("name", ENDINGS)
def test_final_values_are_a_record_at_the_stop(name, engine):
    task, student, lr, stop = ENDINGS[name]
    coarse = [10_000] if "stop_at" in stop else 401
    training = lrft.Training(student=student, lr=lr, steps=20_000, record=coarse, **stop)
    options = {"replicas": REPLICAS, "seed": 2, "engine": engine}
    if not stop:
        lowest = lrft.simulate(task, training, **options).loss.min("step")
        training = training.replace(stop_loss=float(lowest.median()))
    ds = lrft.simulate(task, training, **options)
    stops = ds.stop_step.values
    assert (ds.status.values == "converged").sum() > 2
    assert len(np.unique(stops)) > 2
    if "stop_at" in stop:
        assert not np.isin(stops[stops < 20_000], ds.step.values).any()
        reached = np.abs(one_overlap(ds).final_overlap_u) >= stop["stop_at"]
        assert reached.values.tolist() == (ds.status == "converged").values.tolist()
        # Another plan of records changes neither where a run stops nor what it ends with.
        training = training.replace(record=sorted({10_000, *stops.tolist()}))
    recorded = lrft.simulate(task, training, **options)
    for series in ("stop_step", "status", *FINALS):
        np.testing.assert_array_equal(ds[series], recorded[series], err_msg=series)
    for i, step in enumerate(stops):
        for series in ("overlap_u", "overlap_c", "loss"):
            expected = recorded[series].isel(replica=i).sel(step=step).values
            np.testing.assert_array_equal(ds[f"final_{series}"][i], expected)
            assert np.isnan(ds[series].values[i][ds.step.values > step]).all()


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
@pytest.mark.parametrize("name", ["rank one", "lora"])
def test_interrupted_replicas_end_where_they_stand_and_go_on_unchanged(name, engine, tmp_path):
    task, student, lr, _ = ENDINGS[name]
    training = lrft.Training(student=student, lr=lr / 10, steps=20_000, record=2)
    options = {"replicas": 17, "seed": 2, "engine": engine}
    simulation = lrft.Simulation(task, training, threads=1, **options)
    assert not simulation.advance(0.0)  # the least that it does, on any machine: some 100 steps
    ds = simulation.dataset()
    stops = ds.stop_step.values
    running = (ds.status == "interrupted").values & (stops > 0)
    waiting = stops == 0
    assert running.any()
    assert waiting.any()
    full = lrft.simulate(
        task, training.replace(record=np.unique([1, *stops[running]]).tolist()), **options
    )
    for series in ("overlap_u", "overlap_c", "loss"):
        for i in np.flatnonzero(running):
            expected = full[series].isel(replica=i).sel(step=stops[i]).values
            np.testing.assert_array_equal(ds[f"final_{series}"][i], expected)
        assert np.isnan(ds[f"final_{series}"].values[waiting]).all()
    simulation.save_state(tmp_path / "state.npz")
    again = lrft.Simulation.resume(tmp_path / "state.npz", threads=2)
    assert again.dataset()[list(FINALS)].equals(ds[list(FINALS)])
    simulation.run()
    again.run()
    for one in (simulation.dataset(), again.dataset()):
        assert one[list(FINALS)].equals(full[list(FINALS)])


#: d, k, student, batch, replicas and threads, and how often it is stopped: about 50 ms each.
#: Inputs of a block are kept for its update below d = 16,384, and drawn again above.
STOPPED = {
    "reduced": (3000, 8, lrft.RankOne(), 1, 2, "reduced", 4),
    "reduced, lora": (3000, 8, lrft.LoRA(rank=2), 1, 1, "reduced", 4),
    "ambient": (3000, 8, lrft.RankOne(train_c=True), 1, 2, "ambient", 8),
    "ambient, lora": (3000, 8, lrft.LoRA(rank=2), 1, 1, "ambient", 8),
    "ambient, full network": (400, 8, lrft.FullNetwork(), 3, 1, "ambient", 8),
    "ambient, drawn again": (20_000, 1, lrft.RankOne(), 1, 1, "ambient", 16),
    "ambient, drawn again, wide batch": (20_000, 1, lrft.RankOne(), 40, 1, "ambient", 8),
}


@pytest.mark.parametrize("name", STOPPED)
def test_work_that_is_left_anywhere_is_shown_as_it_was_and_goes_on_unchanged(name, tmp_path):
    """As Ctrl-C leaves it: in the middle of a step, where `advance` itself ends between steps."""
    d, k, student, batch, replicas, engine, stops = STOPPED[name]
    task = lrft.Task.sample(d=d, k=k, xi=2.0, activation="relu", seed=0)
    training = lrft.Training(student=student, lr=1e-5, batch=batch, steps=10**9, record=[10**9])
    options = {"replicas": replicas, "seed": 3, "engine": engine}
    simulation = lrft.Simulation(task, training, threads=replicas, **options)
    seen: dict[tuple[int, int], xr.Dataset] = {}
    seconds = 0.005
    for most in (stops // 2, stops):
        while (before := len(seen)) < most:
            stop = compiled.Stop()
            timer = threading.Timer(seconds, stop.set)
            timer.start()
            with pytest.raises(compiled.Cancelled), stop:
                simulation.advance(60)
            timer.join()
            ds = simulation.dataset()
            for i, step in enumerate(ds.stop_step.values.tolist()):
                if step > 0:
                    seen.setdefault((i, step), ds.isel(replica=i))
            if len(seen) == before:  # on a slow machine no step may end in so short a time
                seconds *= 1.5
        simulation.save_state(tmp_path / "state.npz")
        simulation = lrft.Simulation.resume(tmp_path / "state.npz", threads=replicas)
    steps = sorted({step for _, step in seen})
    whole = lrft.simulate(task, training.replace(steps=steps[-1], record=steps), **options)
    for (i, step), shown in seen.items():
        for series in ("overlap_u", "overlap_c", "loss"):
            expected = whole[series].isel(replica=i).sel(step=step)
            np.testing.assert_array_equal(shown[f"final_{series}"], expected, err_msg=series)


def left(work, seconds: float) -> bool:
    """Let it work until it is done or, as by Ctrl-C, left after so long; whether it is done."""
    stop = compiled.Stop()
    timer = threading.Timer(seconds, stop.set)
    timer.start()
    try:
        with stop:
            return bool(work.advance(60))
    except compiled.Cancelled:
        return False
    finally:
        timer.cancel()
        timer.join()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="sends itself alarms")
def test_a_record_that_is_left_is_made_again(tmp_path):
    """Records of a sampled loss take longer than steps: most exceptions come in one."""
    task = lrft.Task.sample(d=500, k=60, activation="tanh", seed=1)
    training = lrft.Training(
        student=lrft.LoRA(rank=8), lr=1e-4, steps=400, batch=2, loss="logistic", record=401
    )
    straight = lrft.simulate(task, training, replicas=2, seed=3)
    simulation = lrft.Simulation(task, training, replicas=2, seed=3, threads=1)

    class Alarm(Exception):
        pass

    def ring(*_):
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    try:
        for stops in range(20):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.02 + 0.0007 * stops)
                simulation.advance(60)
                break
            except Alarm:
                simulation.save_state(tmp_path / "state.npz")
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            simulation = lrft.Simulation.resume(tmp_path / "state.npz", threads=1)
    finally:
        signal.signal(signal.SIGALRM, before)
    simulation.run()
    ds = simulation.dataset()
    for name in ("loss", "training_loss", "overlap_u", "final_loss"):
        np.testing.assert_array_equal(ds[name], straight[name], err_msg=name)


def test_an_average_that_is_left_while_it_is_measured_leaves_the_fit_as_it_was():
    rng = np.random.default_rng(0)
    base = lrft.Weights(W=np.eye(8, 400), lam=np.ones(8), activation="tanh")
    X, V = rng.standard_normal((100, 400)), rng.standard_normal((20_000, 400))

    def fitting() -> lrft.Fitting:
        return lrft.Fitting(
            base,
            lrft.LoRA(rank=2),
            X,
            np.tanh(X[:, 0]),
            lr=0.05,
            epochs=1,
            batch=10,
            optimiser="momentum",
            average=1,
            validation=(V, np.tanh(V[:, 0])),
            record=11,
            threads=1,
        )

    straight, again = fitting(), fitting()
    straight.run()
    stops = 0
    while not left(again, 0.03 if stops < 20 else 60):
        stops += 1
    assert stops > 0
    for name, values in straight.dataset().data_vars.items():
        if values.dtype.kind == "f":
            np.testing.assert_array_equal(again.dataset()[name], values, err_msg=name)


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
def test_diverged_replicas_have_no_final_state(engine):
    rates = lrft.schedule.Array(np.where(np.arange(40) < 20, 1e-181, 0.01))
    training = lrft.Training(lr=rates, steps=40, record=41)
    ds = lrft.simulate(TASK.replace(output_scale=1e90), training, replicas=3, engine=engine)
    assert (ds.status == "diverged").all()
    assert (ds.stop_step > 20).all()
    for name in FINALS:
        assert np.isnan(ds[name]).all()
    held = lrft.held(ds)
    assert (np.isfinite(held.loss) == (held.step < held.stop_step)).all()


def result(**changes) -> xr.Dataset:
    """Four replicas, one for each way to end, at different steps between records."""
    nan = np.nan
    u = np.array(
        [[0.1, 0.2, nan, nan], [0.1, 0.2, 0.3, 0.4], [0.1, 9e9, nan, nan], [0.1, 0.2, nan, nan]]
    )
    return xr.Dataset(
        {
            "overlap_u": (("replica", "step"), u, {"long_name": "overlap"}),
            "loss": (("replica", "step"), 2 * u),
            "status": ("replica", ["converged", "finished", "diverged", "interrupted"]),
            "stop_step": ("replica", [15, 30, 10, 12]),
            "final_overlap_u": ("replica", [0.9, 0.4, nan, 0.25]),
            "final_loss": ("replica", [1.8, 0.8, nan, 0.5]),
        },
        coords={"step": [0, 10, 20, 30]},
    ).assign(changes)


def test_held_carries_converged_replicas_on_and_no_others():
    ds = result()
    held = lrft.held(ds)
    nan = np.nan
    expected = [
        [0.1, 0.2, 0.9, 0.9],
        [0.1, 0.2, 0.3, 0.4],
        [0.1, nan, nan, nan],
        [0.1, 0.2, nan, nan],
    ]
    np.testing.assert_array_equal(held.overlap_u, expected)
    np.testing.assert_array_equal(held.loss, 2 * np.array(expected))
    assert held.overlap_u.attrs == {"long_name": "overlap"}
    assert held.final_loss.equals(ds.final_loss)
    assert lrft.held(held).equals(held)
    assert counted(ds).values.tolist() == [True, True, False, False]
    assert ds.equals(result())  # as it was


def test_held_knows_dimensions_of_any_order_and_several_overlaps():
    one = result()
    two = one.expand_dims(task=2)
    several = two.assign(
        overlap_u=two.overlap_u * xr.DataArray([1.0, 0.5], dims="component"),
        final_overlap_u=two.final_overlap_u * xr.DataArray([1.0, 0.5], dims="component"),
    ).transpose("component", "step", ...)
    held = lrft.held(several)
    assert held.overlap_u.dims == several.overlap_u.dims
    for task in (0, 1):
        for component, factor in ((0, 1.0), (1, 0.5)):
            part = held.overlap_u.isel(task=task, component=component).transpose("replica", "step")
            np.testing.assert_array_equal(part, factor * lrft.held(one).overlap_u)


def test_without_final_values_the_last_record_stands_in():
    old = result().drop_vars(["final_overlap_u", "final_loss"])
    np.testing.assert_array_equal(lrft.held(old).overlap_u[0], [0.1, 0.2, 0.2, 0.2])
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 3))
    base = lrft.Weights(W=np.eye(2, 3), lam=np.ones(2), activation="relu")
    y = np.maximum(X[:, :2], 0).sum(axis=1) + 0.5 * X[:, 2]
    fit = lrft.fit(
        base,
        lrft.LoRA(rank=1),
        X,
        y,
        validation=(X, y),
        lr=0.02,
        batch=8,
        epochs=20,
        record=41,
        stop_loss=0.2,
    )
    assert (fit.status == "converged").all()
    stop = int(fit.stop_step[0])
    assert stop < fit.step[-1]
    held = lrft.held(fit).validation_loss[0]
    assert (held.sel(step=slice(stop, None)) == fit.validation_loss[0].sel(step=stop)).all()


def test_held_says_what_it_lacks():
    with pytest.raises(ValueError, match="ds has no stop_step"):
        lrft.held(result().drop_vars("stop_step"))
    with pytest.raises(ValueError, match="ds has no step:"):
        lrft.held(result().drop_dims("step"))


def test_a_full_network_has_no_single_final_overlap():
    ds = lrft.simulate(
        TASK, lrft.Training(student=lrft.FullNetwork(), lr=1e-4, steps=5), replicas=2
    )
    assert ds.final_overlap_u.dims == ("replica", "student_row", "teacher_row")
    assert one_overlap(ds).final_overlap_u.dims == ("replica",)
    assert np.isnan(one_overlap(ds).final_overlap_u).all()


def test_quantiles_leave_out_what_is_not_there():
    ds = xr.Dataset(
        {
            "hit_step": (("replica", "threshold"), [[0], [5], [-1], [-1]]),
            "stop_step": ("replica", [9, 9, 0, 0]),
            "status": ("replica", ["finished", "finished", "missing", "failed"]),
        },
        coords={"threshold": [0.5]},
    )
    assert lrft.hit_quantile(ds, 0.5).item() == 0.0
    assert lrft.hit_quantile(ds, 0.9).item() == 5.0
