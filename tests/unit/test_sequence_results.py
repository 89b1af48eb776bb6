"""Results of sequences: files, reruns, numbers and pictures, of runs that were cut short too."""

from __future__ import annotations

import ctypes
import math

import numpy as np
import pytest

import lrft
from lrft.study.replay import rerun

STUDENT = lrft.LoRA(rank=1)
TRAINING = lrft.Training(student=STUDENT, lr=0.004, steps=300, batch=2, record=4)


def given(inputs: object = None) -> lrft.Sequence:
    rng = np.random.default_rng(2)
    W, u = rng.standard_normal((3, 20)) / 4, np.eye(20)[:2]
    common = {"W": W, "lam": np.ones(3), "xi": 1.5, "activation": "tanh", "inputs": inputs}
    return lrft.Sequence([lrft.Task(u=one, c=[0.6, 0.8, 0.0], **common) for one in u])


SEQUENCES = {
    "drawn": lrft.Sequence.sample(d=60, k=4, overlap=0.5, tasks=3, activation="erf", seed=1),
    "given": given(),
    "drawn, mixture": lrft.Sequence.sample(
        d=60, k=4, overlap=0.5, activation="erf", inputs="mixture beside -1 1", seed=1
    ),
    "given, spiked": given(lrft.Spiked("beside", 2.0)),
}


@pytest.fixture(scope="module")
def result():
    plan = TRAINING.replace(optimiser="momentum", average="all", record_parameters=["M", "B"])
    return lrft.simulate_sequence(SEQUENCES["drawn"], plan, between="new", replicas=9, seed=3)


def test_it_comes_back_from_a_file(result, tmp_path):
    lrft.save(result, tmp_path / "sequence.nc")
    assert lrft.load(tmp_path / "sequence.nc").identical(result)
    assert result.begins.values.tolist() == [0, 300, 600]
    assert dict(result.M.sizes) == {"replica": 9, "step": 10, "row": 1, "basis": 7}


def test_a_task_of_given_weights_stays_what_it_was_under_its_own_law(tmp_path):
    for one in SEQUENCES["given, spiked"].tasks:
        one.save(tmp_path / "task.npz")
        alone = lrft.Task.load(tmp_path / "task.npz")
        assert alone == one
        (own,), (same,) = (task.law.V @ task.Q.T for task in (alone, one))
        np.testing.assert_allclose(same, own, rtol=0, atol=1e-13)
        assert abs(own @ one.u) < 1e-13


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
@pytest.mark.parametrize("name", SEQUENCES)
def test_it_is_computed_again_bit_for_bit(name, engine, tmp_path):
    common = {"between": "new", "replicas": [1, 4], "engine": engine}
    plans = [TRAINING, *[TRAINING.replace(lr=0.002)] * (len(SEQUENCES[name]) - 1)]
    ds = lrft.simulate_sequence(SEQUENCES[name], plans, **common)
    lrft.save(ds, tmp_path / "sequence.nc")
    (compared,) = rerun(tmp_path / "sequence.nc")
    assert compared.differences == ()
    lrft.save(ds.assign(loss=ds.loss + 1e-15), tmp_path / "sequence.nc")
    (compared,) = rerun(tmp_path / "sequence.nc")
    assert compared.differences


def test_one_that_was_cut_short_keeps_what_there_is(tmp_path):
    plan = TRAINING.replace(steps=20_000, record=100, lr=0.0001)
    run = lrft.SequenceSimulation(SEQUENCES["drawn"], plan, replicas=8, threads=1)
    while run.stage < 1 or run.progress().done_steps < 24_000:
        run.advance(0.001)
    run.interrupted = True
    ds = run.dataset()
    assert (ds.status == "interrupted").all()
    assert (ds.stop_step >= 24_000).all()
    known = ds.loss.notnull().all("task")
    assert (known == (ds.step <= ds.stop_step)).all()
    assert ds.forgetting.isnull().all()
    assert ds.transfer.notnull().sum("task").values.tolist() == [2] * 8
    lrft.save(ds, tmp_path / "sequence.nc")
    (compared,) = rerun(tmp_path / "sequence.nc")
    assert compared.differences == ()
    assert lrft.summary(ds).ended.tolist() == [0] * 3
    assert lrft.plot.summary(ds).axes


def test_a_function_that_raises_costs_what_it_was_asked_for() -> None:
    calls, limit = 0, 10**9
    double = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)

    def tanh(z: float) -> float:
        nonlocal calls
        calls += 1
        if calls > limit:
            raise RuntimeError("no more")
        return math.tanh(z)

    activation = lrft.Activation.custom(double(tanh), double(lambda z: 1 / math.cosh(z) ** 2))
    sequence = lrft.Sequence.sample(d=30, k=1, overlap=0.5, activation=activation)
    plan = TRAINING.replace(steps=5, record=2)
    calls = 0
    whole = lrft.simulate_sequence(sequence, plan, replicas=1, threads=1)
    limit, calls = calls // 2, 0
    ds = lrft.simulate_sequence(sequence, plan, replicas=1, threads=1)
    assert ds.attrs["failure"].startswith("RuntimeError: no more; raised by the value of a custom")
    known = ds.loss.notnull()
    assert known.values.any()
    assert not known.values.all()
    np.testing.assert_array_equal(ds.loss.values[known], whole.loss.values[known])


def test_the_numbers_are_medians_over_those_that_ended(result):
    table = lrft.summary(result)
    assert table.task.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(table.forgetting, result.forgetting.median("replica"))
    np.testing.assert_array_equal(table.transfer, result.transfer.median("replica"))
    # Of nine the second and the eighth: P(Bin(9, 1/2) < 2) = 10/512 < 0.025.
    ordered = np.sort(result.forgetting.values, axis=0)
    np.testing.assert_array_equal(table.forgetting_low, ordered[1])
    np.testing.assert_array_equal(table.forgetting_high, ordered[7])
    learned = result.loss.sel(step=[300, 600, 900]).median("replica").values
    np.testing.assert_array_equal(table.learned_loss, np.diag(learned))
    np.testing.assert_array_equal(table.final_loss, learned[-1])
    np.testing.assert_array_equal(table.delta, [60 * 0.004] * 3)
    with pytest.raises(ValueError, match=r"a result of lrft\.simulate_sequence, without hitting"):
        lrft.plot.scaling(result, "d")


def test_pictures_have_every_task_and_mark_where_stages_begin(result):
    for figure in (
        lrft.plot.loss(result),
        lrft.plot.overlap(result),
        lrft.plot.summary(result),
        lrft.plot.compare({"one": result}, "loss"),
        lrft.plot.compare({"one": result, "other": result}, time="tau"),
    ):
        for axes in figure.axes:
            marks = [line.get_xdata()[0] for line in axes.lines if np.ptp(line.get_xdata()) == 0]
            assert len(marks) in (2, 4)
            np.testing.assert_allclose(marks[1], 2 * marks[0])
            medians = [line for line in axes.lines if len(line.get_xdata()) == 10]
            assert len([one for one in medians if one.get_linewidth() == 2.0]) in (3, 6)
    with pytest.raises(ValueError, match="a sequence records the overlap of û"):
        lrft.plot.overlap(result, "c")
