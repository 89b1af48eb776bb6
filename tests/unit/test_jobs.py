"""Tasks paired with replicas, and many runs side by side: the bits are those of runs alone."""

from __future__ import annotations

import ctypes
import math
import re
import threading
import weakref

import numpy as np
import pytest
from matplotlib.text import Text

import lrft
from lrft.cli.table import show
from lrft.run import describe
from lrft.run import jobs as jobs_module
from lrft.run.chains import Chains
from lrft.run.jobs import Together
from lrft.run.pieces import pieces
from lrft.run.pool import Pool
from lrft.study.replay import rerun

TRAINING = lrft.Training(
    student=lrft.RankOne(train_c=True), lr=0.004, steps=400, record=9, stop_at=0.4
)
TASKS = [
    lrft.Task.sample(d=60, k=3, xi=2.0, seed=0),
    lrft.Task.sample(d=80, k=3, xi=2.0, seed=1),
    lrft.Task.sample(d=60, k=5, xi=1.0, activation="erf", seed=2),
    lrft.Task.sample(d=60, k=3, xi=2.0, seed=3),
]
INDICES = [4, 0, 9, 2]
SERIES = ("overlap_u", "overlap_c", "loss", "hit_step", "status", "stop_step", "final_loss")
OF_TASKS = ("task_hash", "d", "k", "xi", "activation")


# ---- paired --------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
@pytest.mark.parametrize(
    "student",
    [
        lrft.RankOne(train_c=True),
        lrft.LoRA(rank=1),
        lrft.FullNetwork(width=3, init="gaussian", lam_init="ones", linearized=True),
    ],
    ids=["rank one", "lora", "full, linearised around a start of its own"],
)
def test_paired_is_the_diagonal_of_all_pairs(student, engine):
    training = lrft.Training(student=student, lr=0.002, steps=60, record=4)
    options = {"replicas": INDICES, "seed": 3, "engine": engine}
    whole = lrft.simulate(TASKS, training, **options)
    paired = lrft.simulate(TASKS, training, **options, paired=True)
    assert paired.overlap_u.dims == tuple(dim for dim in whole.overlap_u.dims if dim != "task")
    for i in range(len(TASKS)):
        for name in (*SERIES, *OF_TASKS):
            expected = whole[name].isel(task=i)
            expected = expected.isel(replica=i) if "replica" in expected.dims else expected
            np.testing.assert_array_equal(paired[name].isel(replica=i), expected, err_msg=name)


def test_as_many_replicas_as_tasks_by_default():
    assert lrft.simulate(TASKS, TRAINING, paired=True).replica.values.tolist() == [0, 1, 2, 3]
    assert lrft.simulate(TASKS[0], TRAINING).sizes["replica"] == 8


def test_paired_results_are_kept_rerun_drawn_and_tabled(tmp_path, capsys):
    ds = lrft.simulate(TASKS, TRAINING, replicas=INDICES, seed=3, paired=True)
    assert {ds[name].dims for name in OF_TASKS} == {("replica",)}
    lrft.save(ds, tmp_path / "paired.nc")
    assert lrft.load(tmp_path / "paired.nc").identical(ds)
    (compared,) = rerun(tmp_path / "paired.nc", threads=1)
    assert compared.differences == ()
    table = lrft.to_pandas(ds, "ends")
    assert table.replica.tolist() == INDICES
    assert table.d.tolist() == [60, 80, 60, 60]
    figure = lrft.plot.summary(ds)
    title = " ".join(text.get_text() for text in figure.findobj(Text))
    assert r"erf or relu, d = 60 to 80, k = 3 to 5, $\xi$ = 1 to 2" in title
    show(ds)
    assert "erf or relu, d = 60 to 80" in capsys.readouterr().out


def test_paired_run_is_resumed_bit_for_bit(tmp_path):
    straight = lrft.simulate(TASKS, TRAINING, replicas=INDICES, seed=3, paired=True)
    simulation = lrft.Simulation(
        TASKS, TRAINING, replicas=INDICES, seed=3, paired=True, keep_students=True, threads=1
    )
    inside = 0
    for _ in range(4):
        inside += not simulation.advance(0.0)
        simulation.save_state(tmp_path / "state.npz")
        simulation = lrft.Simulation.resume(tmp_path / "state.npz", threads=1)
    assert inside, "the run ended before it was ever saved"
    simulation.run()
    ds = simulation.dataset()
    for name in SERIES:
        assert ds[name].equals(straight[name]), name
    u_hat = simulation.trained(replica=9).factors["u_hat"]
    end = ds.final_overlap_u.sel(replica=9).item()
    assert u_hat @ TASKS[2].u == pytest.approx(end, abs=1e-12)


def test_pairs_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="paired=True pairs a list of tasks"):
        lrft.simulate(TASKS[0], TRAINING, paired=True)
    with pytest.raises(ValueError, match="a replica for each of the 4 tasks, got 3"):
        lrft.simulate(TASKS, TRAINING, replicas=3, paired=True)
    with pytest.raises(TypeError, match="paired"):
        lrft.simulate(TASKS, TRAINING, paired="yes")
    with pytest.raises(ValueError, match="distinct"):
        lrft.simulate(TASKS, TRAINING, replicas=[1, 1, 2, 3], paired=True)


@pytest.mark.parametrize(
    "pattern", ["oooooooooooooooooooo", "osoosssoosoosososoos", "ssooooooooooooooooss"]
)
def test_lanes_take_up_tasks_whose_features_they_have_or_not(pattern):
    kinds = {"o": "orthonormal", "s": "sphere"}
    tasks = [
        lrft.Task.sample(
            d=60, k=5, xi=2.0, features=kinds[kind], parallel=0.1 * (i % 3), seed=i // 2
        )
        for i, kind in enumerate(pattern)
    ]
    training = TRAINING.model_copy(update={"stop_at": 0.2})
    together = lrft.simulate(tasks, training, seed=2, paired=True, threads=1)
    assert len(set(together.stop_step.values.tolist())) > 5  # so that lanes change at all times
    for i, task in enumerate(tasks):
        alone = lrft.simulate(task, training, replicas=[i], seed=2)
        for name in SERIES:
            np.testing.assert_array_equal(together[name][i], alone[name][0])


# ---- side by side --------------------------------------------------------------------------

JOBS = [
    lrft.Job(TASKS[0], TRAINING, replicas=3, seed=1),
    lrft.Job(TASKS[1], lrft.Training(lr=0.001, steps=3000, record=5), engine="ambient"),
    lrft.Job(TASKS, TRAINING, replicas=INDICES, seed=3, paired=True),
    lrft.Job([TASKS[0], TASKS[2]], TRAINING, replicas=2),
]


@pytest.mark.parametrize("threads", [1, 3, 9])
def test_each_job_gives_what_it_gives_alone(threads):
    together = lrft.simulate_all(JOBS, threads=threads)
    assert len(together) == len(JOBS)
    for job, ds in zip(JOBS, together, strict=True):
        alone = lrft.simulate(
            job.task,
            job.training,
            replicas=job.replicas,
            seed=job.seed,
            engine=job.engine,
            paired=job.paired,
        )
        assert ds.equals(alone)
        assert ds.attrs["configuration"] == alone.attrs["configuration"]
        assert ds.attrs["interrupted"] == 0


def test_jobs_that_share_lanes_give_what_each_gives_alone():
    """Tasks, rates, ends and records of their own; not the seed, the student or the shape."""
    student = lrft.RankOne(train_c=True)
    longer = lrft.Training(student=student, lr=0.002, steps=900, record=4, thresholds=(0.2,))
    early = lrft.Training(student=student, lr=0.006, steps=500, stop_at=0.3, record=[0, 7, 400])
    wide = lrft.Training(student=lrft.LoRA(rank=2), lr=0.002, steps=90, record=3)
    jobs = [
        lrft.Job(TASKS[0], longer, replicas=11, seed=3),
        lrft.Job(TASKS, TRAINING, replicas=INDICES, seed=3, paired=True),
        lrft.Job([TASKS[0], TASKS[1], TASKS[3]], longer, replicas=[8, 1, 5], seed=3, paired=True),
        lrft.Job(TASKS[3], early, replicas=3, seed=3),
        lrft.Job(TASKS[1], early, replicas=3, seed=4),
        lrft.Job([TASKS[0], TASKS[1]], wide, replicas=3, seed=3),
        lrft.Job(TASKS[3], wide, replicas=2, seed=3),
        lrft.Job([TASKS[1], TASKS[0]], early, replicas=[9, 2, 3], seed=3),
        lrft.Job(TASKS[0], early, replicas=9, seed=3),
    ]
    together = Together(jobs, 1)
    assert [piece.numbers for piece in together.work] == [[0, 8], [1], [2, 3, 7], [4], [5, 6]]
    together.run()
    assert together.work == [None] * 5  # what has ended is held no longer
    for number, (job, ds) in enumerate(zip(jobs, together.dataset(), strict=True)):
        options = {"replicas": job.replicas, "seed": job.seed, "paired": job.paired}
        alone = lrft.simulate(job.task, job.training, **options)
        assert ds.identical(alone.assign_attrs(ds.attrs)), number  # NaN is NaN, after the end
        assert ds.attrs["configuration"] == alone.attrs["configuration"]
    assert together.progress().share == 1.0
    assert together.progress().finished == 11 + 4 + 3 + 3 + 3 + 6 + 2 + 6 + 9
    # Few replicas are shared out one by one, with the same bits.
    shared = Together(jobs, 2)
    assert [piece.numbers for piece in shared.work] == [[0, 8], [1], [2, 3, 7], [4], [5, 6]]
    shared.run()
    for ds, as_before in zip(shared.dataset(), together.dataset(), strict=True):
        assert ds.identical(as_before.assign_attrs(ds.attrs))
    # Where there is a thread for each, none waits for another.
    assert [piece.numbers for piece in Together(jobs, 9).work] == [[i] for i in range(9)]


@pytest.mark.parametrize(("jobs", "threads", "asked"), [(4, 2, [2]), (4, 1, [1]), (12, 2, [1] * 3)])
def test_threads_share_out_replicas_where_there_are_few(monkeypatch, jobs, threads, asked):
    """Fewer than 32 a thread; else a piece is one thread's, and there are several for each."""
    given = []

    class Counted(Chains):
        def __init__(self, tasks, spec, after=None):
            given.append(spec["threads"])
            super().__init__(tasks, spec, after)

    monkeypatch.setattr("lrft.run.pieces.runs.Chains", Counted)
    many = [lrft.Job(TASKS[0], TRAINING, replicas=7, seed=3) for _ in range(jobs)]
    simulations = [jobs_module._simulation(i, job, 1) for i, job in enumerate(many)]
    given.clear()
    pieces(simulations, threads)
    assert given == asked


def test_what_ends_several_jobs_names_them(monkeypatch: pytest.MonkeyPatch):
    training = lrft.Training(lr=0.001, steps=10)
    jobs = [lrft.Job(TASKS[0], training, replicas=2) for _ in range(2)]

    def fail(self: Chains, seconds: float) -> bool:
        raise MemoryError("no more")

    monkeypatch.setattr(Chains, "advance", fail)
    with pytest.raises(MemoryError) as caught:
        lrft.simulate_all(jobs, threads=1)
    assert caught.value.__notes__ == ["in jobs[0], jobs[1]"]


def test_progress_is_that_of_all_jobs_and_comes_to_its_end():
    seen = []
    lrft.simulate_all(JOBS, threads=2, progress=seen.append)
    shares = [moment.share for moment in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert seen[-1].steps_per_second > 0.0
    assert (seen[-1].running, seen[-1].finished) == (0, 3 + 8 + 4 + 4)


def test_what_has_ended_is_held_no_longer(monkeypatch):
    cores = []

    def watched(*arguments, **named):
        simulation = simulation_of(*arguments, **named)
        cores.extend(weakref.ref(part) for part in simulation._parts)
        return simulation

    simulation_of = jobs_module._simulation
    monkeypatch.setattr(jobs_module, "_simulation", watched)
    held = []
    together = lrft.simulate_all(
        JOBS,
        threads=1,
        progress=lambda moment: held.append(sum(one() is not None for one in cores)),
    )
    assert len(cores) >= len(together) == len(JOBS)
    assert held[-1] == 0


def test_tasks_are_not_copied():
    one, other = (
        lrft.Task.sample(d=100, k=30, features="orthonormal", seed=seed) for seed in (1, 2)
    )
    assert one.R is other.R
    assert not one.R.flags.writeable
    assert one.R is not lrft.Task.sample(d=100, k=31, features="orthonormal").R
    for task in (one, lrft.Task.sample(d=100, k=30)):
        assert np.shares_memory(describe.task_data(task, ambient=False).R, task.R)


def test_an_interrupt_keeps_what_every_job_has():
    endless = lrft.Training(lr=1e-6, steps=10**9, record=lrft.geometric(40))
    jobs = [
        lrft.Job(TASKS[0], TRAINING, replicas=2),
        lrft.Job(TASKS[0], endless, replicas=3, seed=7),
        lrft.Job(TASKS[3], endless, replicas=3, seed=8),
    ]

    def stop(moment):  # as soon as more is done than the first job has to do
        if moment.done_steps > 2 * TRAINING.steps / 8:
            raise KeyboardInterrupt

    with pytest.raises(lrft.Interrupted) as caught:
        lrft.simulate_all(jobs, threads=1, progress=stop)
    done, begun, waiting = caught.value.result
    alone = lrft.simulate(TASKS[0], TRAINING, replicas=2)
    assert done.equals(alone)
    assert (done.attrs["interrupted"], begun.attrs["interrupted"]) == (0, 1)
    for ds in (begun, waiting):
        assert set(ds.status.values.tolist()) == {"interrupted"}
    assert (begun.stop_step > 0).all()
    assert begun.loss.notnull().sum() > 3
    assert (waiting.stop_step == 0).all()
    again = lrft.simulate_all(jobs[1:], threads=2, progress=stop, on_interrupt="return")
    assert [one.attrs["interrupted"] for one in again] == [1, 1]
    assert threading.active_count() == 1 or not [
        one for one in threading.enumerate() if one.name.startswith("lrft")
    ]


def test_an_interrupt_tells_jobs_that_share_lanes_apart():
    endless = TRAINING.replace(lr=1e-6, steps=10**9, stop_at=None)
    jobs = [lrft.Job(TASKS[0], training, replicas=2, seed=7) for training in (TRAINING, endless)]
    assert [piece.numbers for piece in Together(jobs, 1).work] == [[0, 1]]

    def stop(moment):
        if moment.running <= 2 and moment.done_steps > TRAINING.steps:
            raise KeyboardInterrupt

    with pytest.raises(lrft.Interrupted) as caught:
        lrft.simulate_all(jobs, threads=1, progress=stop)
    done, begun = caught.value.result
    assert done.equals(lrft.simulate(TASKS[0], TRAINING, replicas=2, seed=7))
    assert (done.attrs["interrupted"], begun.attrs["interrupted"]) == (0, 1)
    assert set(begun.status.values.tolist()) == {"interrupted"}
    assert (begun.stop_step > 0).all()


def test_what_is_wrong_with_a_job_names_it_before_anything_runs():
    for jobs, error, text in (
        ([*JOBS, "job"], TypeError, "jobs[4] must be a Job"),
        ([JOBS[0], lrft.Job(TASKS[0], TRAINING, replicas=0)], ValueError, "jobs[1]: replicas"),
        ([lrft.Job(TASKS[0], TRAINING, paired=True)], ValueError, "jobs[0]: paired=True"),
        (JOBS[0], TypeError, "jobs must be a sequence"),
    ):
        with pytest.raises(error, match=re.escape(text)):
            lrft.simulate_all(jobs)
    assert lrft.simulate_all([]) == []


def test_a_function_that_raises_ends_its_own_replicas_and_no_job():
    calls = []

    def value(z):
        if threading.current_thread().name.startswith("lrft"):
            calls.append(z)
            if len(calls) > 80_000:  # in a step
                raise ArithmeticError("enough")
        return math.sin(z)

    double = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    activation = lrft.Activation.custom(double(value), double(math.cos))
    weights = {
        "W": np.eye(2, 30),
        "lam": np.ones(2),
        "c": [0.6, 0.8],
        "u": np.eye(30)[2],
        "xi": 1.0,
    }
    own = lrft.Task(**weights, activation=activation)
    training = lrft.Training(lr=0.001, steps=3000, record=2)
    fine, failed = lrft.simulate_all(
        [lrft.Job(TASKS[0], TRAINING, replicas=2), lrft.Job(own, training, replicas=2)], threads=2
    )
    assert fine.equals(lrft.simulate(TASKS[0], TRAINING, replicas=2))
    assert sorted(failed.status.values.tolist()) == ["failed", "failed"]
    assert "ArithmeticError: enough" in failed.attrs["failure"]


# ---- the pool ------------------------------------------------------------------------------


def test_work_that_is_left_stands_where_its_last_step_had_it():
    training = lrft.Training(lr=1e-6, steps=10**9, record=2)
    simulation = lrft.Simulation(TASKS[0], training, replicas=2, threads=1)

    begun = threading.Event()

    def work():
        while not simulation.advance():
            begun.set()

    with Pool(1) as pool:
        future = pool.submit(work)
        assert begun.wait(20)
    assert isinstance(future.exception(), KeyboardInterrupt)
    before = simulation.progress().done_steps
    assert not simulation.advance(0.0)
    assert simulation.progress().done_steps > before > 0
