"""Any run: it ends, says how, and never gives a number that is not one without saying so."""

from __future__ import annotations

import warnings

import numpy as np
from hypothesis import strategies as st
from strategies import examples, runs, tasks, trainings

import lrft

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


def same(a, b, *, names=SERIES) -> None:
    for name in names:
        np.testing.assert_array_equal(a[name].values, b[name].values, err_msg=name)


@examples(80, 166, run=runs(biased=True), replicas=st.integers(1, 3))
def test_every_run_ends_and_says_how(run, replicas):
    task, training, options = run
    ds = lrft.simulate(task, training, replicas=replicas, threads=1, **options)
    steps, loss = ds.step.values, ds.loss.values
    full = isinstance(training.student, lrft.FullNetwork)
    for i in range(replicas):
        status, stop = str(ds.status.values[i]), int(ds.stop_step.values[i])
        assert status in ("converged", "finished", "diverged")
        assert 0 <= stop <= training.steps
        reached = steps <= stop
        u = ds.overlap_u.values[i].reshape(len(steps), -1)
        c = ds.overlap_c.values[i].reshape(len(steps), -1)
        assert np.isnan(loss[i][~reached]).all()
        assert np.isnan(u[~reached]).all()
        if status == "diverged":
            reached = steps < stop
        kept = loss[i][reached]
        # What blows up may first be seen by a loss that overflows, and is stopped by the next step.
        assert np.isfinite(kept[:-1] if status == "diverged" else kept).all()
        assert (kept >= 0).all()
        assert np.isfinite(u[reached]).all()
        assert np.abs(u[reached]).max(initial=0.0) <= 1 + 1e-9
        if not full:
            assert np.isfinite(c[reached]).all()
        if status == "finished":
            assert stop == training.steps
        hits = ds.hit_step.values[i]
        assert ((hits == -1) | ((hits >= 0) & (hits <= stop))).all()
        assert (np.diff(hits[hits >= 0]) >= 0).all()
        assert not (np.diff((hits >= 0).astype(int)) > 0).any()
        assert np.isin(ds.loss_hit_step.values[i], [-1, *steps[steps <= stop]]).all()
        end_u, end_c = (
            np.ravel(ds.final_overlap_u.values[i]),
            np.ravel(ds.final_overlap_c.values[i]),
        )
        end_loss = float(ds.final_loss.values[i])
        if status == "diverged":
            assert np.isnan([*end_u, *end_c, end_loss]).all()
            continue
        assert np.isfinite([*end_u, end_loss]).all()
        assert np.isfinite(end_c).all() != full
        if stop in steps:
            at = steps.tolist().index(stop)
            assert loss[i][at] == end_loss
            np.testing.assert_array_equal([*u[at], *c[at]], [*end_u, *end_c])
        if status == "converged":
            met = training.stop_loss is not None and end_loss <= training.stop_loss
            if not met:
                assert np.abs(end_u).min() >= training.stop_at


@examples(25, 50, run=runs(biased=True), more=st.integers(1, 40), record=st.integers(2, 9))
def test_steps_and_record_never_change_a_prefix(run, more, record):
    task, training, options = run
    rates = [training.lr, *(getattr(training.student, n, None) for n in ("lr_c", "lr_b", "lr_lam"))]
    if any(isinstance(rate, lrft.schedule.Array) for rate in rates):
        more = 1  # as many as there are rates
    # Stopping on the loss is at records, so another record may stop elsewhere.
    short = training.replace(stop_loss=None, loss_thresholds=())
    grid = {0, *range(record, short.steps, record), short.steps}
    long = short.replace(steps=short.steps + more, record=sorted(grid | {short.steps + more}))
    a, b = (lrft.simulate(task, t, replicas=2, threads=1, **options) for t in (short, long))
    common = np.intersect1d(a.step.values, b.step.values)
    for name in ("overlap_u", "overlap_c", "loss"):
        np.testing.assert_array_equal(
            a[name].sel(step=common).values[..., :], b[name].sel(step=common).values, err_msg=name
        )
    hits = b.hit_step.values
    np.testing.assert_array_equal(a.hit_step.values, np.where(hits > short.steps, -1, hits))


@examples(20, 50, run=runs(biased=True), company=st.integers(1, 11), threads=st.integers(1, 3))
def test_a_replica_alone_is_the_replica_in_company(run, company, threads):
    task, training, options = run
    indices = [7, *range(8, 8 + company)]
    alone = lrft.simulate(task, training, replicas=[7], threads=1, **options)
    several = lrft.simulate(task, training, replicas=indices, threads=threads, **options)
    same(alone, several.sel(replica=[7]))


@examples(15, 33, data=st.data(), seed=st.integers(0, 2**64 - 1))
def test_a_task_alone_is_the_task_in_a_list(data, seed):
    first, second = data.draw(tasks(rank=1)), data.draw(tasks(rank=1))
    training = data.draw(trainings(first))
    try:
        lrft.check_compatible(second, training)
    except ValueError:
        second = first.replace(xi=first.xi / 2, lam=2 * first.lam)
    alone = lrft.simulate(first, training, replicas=2, seed=seed, threads=1, engine="ambient")
    both = lrft.simulate([second, first], training, replicas=2, seed=seed, engine="ambient")
    for name in SERIES:
        a, b = alone[name].values, both[name].isel(task=1).values
        if a.ndim < b.ndim or a.shape != b.shape:  # a larger task in the list pads
            continue
        np.testing.assert_array_equal(a, b, err_msg=name)


@examples(10, 33, run=runs(biased=True))
def test_no_run_warns(run):
    task, training, options = run
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", lrft.RateWarning)  # of any rate, and that is wanted
        lrft.simulate(task, training, replicas=2, threads=2, **options)


def test_a_favourable_start_leaves_the_other_lanes_alone():
    task = lrft.Task.sample(d=17, k=3, seed=0)
    student = lrft.RankOne(c_init="teacher", u_init="favourable")
    training = lrft.Training(student=student, lr=0.05, steps=20, record=4)
    together = lrft.simulate(task, training, replicas=20, threads=1, engine="reduced")
    for replica in range(20):
        alone = lrft.simulate(task, training, replicas=[replica], threads=1, engine="reduced")
        same(alone, together.sel(replica=[replica]))
