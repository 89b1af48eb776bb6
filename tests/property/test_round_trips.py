"""Files and texts give back exactly what was written: tasks, results, states, trainings."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from strategies import ACTIVATIONS, SCALES, SEEDS, examples, numbers, runs, tasks

import lrft
from lrft.model.weights import load_weights, save_weights

SUFFIXES = st.sampled_from([".npz", ".safetensors"])
ARRAYS = ("R", "a", "lam", "c", "W", "u")
FINAL = ("final_overlap_u", "final_overlap_c", "final_loss")
SERIES = (
    "overlap_u",
    "overlap_c",
    "loss",
    "hit_step",
    "loss_hit_step",
    "status",
    "stop_step",
    *FINAL,
)


def assert_equal_tasks(a: lrft.Task, b: lrft.Task) -> None:
    assert a == b
    assert a.content_hash == b.content_hash
    assert repr(a) == repr(b)
    for name in ("d", "k", "rank", "features_rank", "xi", "neuron_scale", "output_scale", "noise"):
        assert getattr(a, name) == getattr(b, name)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


@examples(25, 66, task=tasks(biased=True), suffix=SUFFIXES)
def test_tasks(task, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"task{suffix}"
        task.save(path)
        assert_equal_tasks(lrft.Task.load(path), task)
    assert_equal_tasks(pickle.loads(pickle.dumps(task)), task)
    assert_equal_tasks(task.replace(), task)


@examples(15, 66, data=st.data(), suffix=SUFFIXES, activation=ACTIVATIONS, scale=SCALES)
def test_weights(data, suffix, activation, scale):
    k, d = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    W, lam = numbers(data.draw, k, d) * 1e300, numbers(data.draw, k) * 1e-320
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"base{suffix}"
        save_weights(path, W, lam, activation, neuron_scale=scale)
        found = load_weights(path)
    np.testing.assert_array_equal(found.W, W)
    np.testing.assert_array_equal(found.lam, lam)
    assert (found.activation, found.neuron_scale) == (lrft.Activation.parse(activation), scale)


@examples(40, 133, run=runs(biased=True))
def test_trainings(run):
    _, training, _ = run
    text = training.model_dump_json()
    again = lrft.Training.model_validate_json(text)
    assert again == training
    assert again.model_dump_json() == text
    assert again.content_hash == training.content_hash
    np.testing.assert_array_equal(again.record_steps, training.record_steps)
    assert lrft.Training.model_validate(training.model_dump()) == training
    assert pickle.loads(pickle.dumps(training)) == training
    assert training.replace() == training


@examples(6, 13, run=runs(biased=True), several=st.booleans())
def test_results(run, several):
    task, training, options = run
    given = [task, task.replace(xi=2 * task.xi)] if several else task
    ds = lrft.simulate(given, training, replicas=2, threads=1, **options)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.nc"
        lrft.save(ds, path)
        found = lrft.load(path)
        assert found.identical(ds)
        for name in SERIES:
            assert found[name].dtype == ds[name].dtype
            np.testing.assert_array_equal(found[name], ds[name])  # NaN where it was NaN
        lrft.save(found, path)  # what was read can be written again
        assert lrft.load(path).identical(ds)


@examples(20, 40, run=runs(biased=True), seed=SEEDS, moments=st.integers(1, 3))
def test_states(run, seed, moments):
    """Saved at moments nobody chose, and gone on with: the run that never stopped."""
    task, training, options = run
    options |= {"seed": seed, "replicas": [3, 0, 2**32 - 1]}
    assume(training.steps > 0)
    whole = lrft.simulate(task, training, threads=1, **options)
    simulation = lrft.Simulation(task, training, threads=1, **options)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.npz"
        for _ in range(moments):
            simulation.save_state(path)
            simulation = lrft.Simulation.resume(path, threads=2)
            simulation.advance(0.0)
        simulation.save_state(path)
        simulation = lrft.Simulation.resume(path, threads=1)
    simulation.run()
    found = simulation.dataset()
    for name in SERIES:
        np.testing.assert_array_equal(found[name], whole[name], err_msg=name)
