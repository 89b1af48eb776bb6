"""Law: ensembles in the reduced space are those of the ambient space, with other random numbers.

The seeds below were fixed before the tests were first run and are never changed: a rejection is
a finding about the code.  Controls show that what should be rejected is.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from cases import final, spec
from driving import drive
from laws import LEVEL, assert_same, two_samples

import lrft
from lrft.model.sizes import Sizes

AMBIENT_SEED, REDUCED_SEED = 101, 202

# ---- long runs ----------------------------------------------------------------------------------

D, K, TIMES, LEVELS = 64, 4, (100, 300, 1000, 2000, 3000), (0.5, 0.9)
#: lr * d: overlaps spread over their whole range within 3,000 steps.
DELTA = {"relu": 0.2, "he3": 0.02, "sigmoid": 20.0}


def ensemble(engine, activation, joint, d, replicas, steps=TIMES[-1], **options):
    task_options = {"parallel": options.pop("parallel", None)}
    student = lrft.RankOne(train_c=joint, orthogonal=options.pop("orthogonal", True))
    task = lrft.Task.sample(
        d=d,
        k=K,
        xi=2.0,
        activation=activation,
        features="sphere",
        c="quantized",
        normalization="unit",
        seed=21,
        **task_options,
    )
    if d != D:  # the same coordinates in another dimension
        base = lrft.Task.sample(
            d=D,
            k=K,
            xi=2.0,
            activation=activation,
            features="sphere",
            c="quantized",
            normalization="unit",
            seed=21,
        )
        task = base.replace(d=d)
    training = lrft.Training(
        student=student,
        lr=DELTA[activation] / D,
        steps=steps,
        thresholds=LEVELS,
        record=[t for t in TIMES if t <= steps],
        **options,
    )
    seed = AMBIENT_SEED if engine == "ambient" else REDUCED_SEED
    return lrft.simulate(task, training, replicas=replicas, seed=seed, engine=engine)


def compare(first, second, name=""):
    """p-values of overlaps at every record after the start, hitting steps, and c if it moves."""
    pvalues = {}
    for t in first.step.values[1:]:
        pvalues[f"{name} overlap at {t}"] = two_samples(
            first.overlap_u.sel(step=t), second.overlap_u.sel(step=t)
        )
    for level in LEVELS:  # never is later than any step
        hits = [
            np.where(ds.hit_step.values < 0, 10**9, ds.hit_step.values)[:, LEVELS.index(level)]
            for ds in (first, second)
        ]
        pvalues[f"{name} hit of {level}"] = two_samples(*hits)
    c = first.overlap_c.values, second.overlap_c.values
    if not np.array_equal(c[0][:, 0], c[0][:, -1]):
        pvalues[f"{name} overlap of c"] = two_samples(c[0][:, -1], c[1][:, -1])
    return pvalues


@cache
def ambient(activation, joint):
    return ensemble("ambient", activation, joint, D, 4000)


@pytest.mark.verification
def test_same_law():
    """4,000 replicas in each space, three activations, frozen and joint: one family of tests."""
    pvalues = {}
    for activation in DELTA:
        for joint in (False, True):
            reduced = ensemble("reduced", activation, joint, D, 4000)
            name = f"{activation} {'joint' if joint else 'frozen'}"
            pvalues |= compare(ambient(activation, joint), reduced, name)
    assert len(pvalues) == 6 * 7 + 3
    assert_same(pvalues)


@pytest.mark.verification
def test_control_of_dimension():
    """d off by 10 % is rejected at the last two times (relu, lr = 0.15 / 48 = 0.2 / 64)."""
    pvalues = compare(ambient("relu", False), ensemble("reduced", "relu", False, 70, 4000))
    for t in TIMES[-2:]:
        assert pvalues[f" overlap at {t}"] < LEVEL


OTHERS = {  # what the family above leaves out: batches, no projector, u partly inside span(W)
    "batch 4": {"batch": 4},
    "free": {"orthogonal": False},
    "u partly inside": {"parallel": 0.5, "joint": True},
    "free, batch 4, u partly inside": {"orthogonal": False, "batch": 4, "parallel": 0.5},
    "batch 3, used twice": {"batch": 3, "reuse": 2},
    "after a trial step": {"lookahead": 2.0, "joint": True},
}


@pytest.mark.verification
def test_same_law_with_other_students():
    pvalues = {}
    for name, options in OTHERS.items():
        joint = options.get("joint", False)
        given = {key: value for key, value in options.items() if key != "joint"}
        pair = [
            ensemble(e, "relu", joint, D, 2000, steps=1000, **given) for e in ("ambient", "reduced")
        ]
        pvalues |= compare(*pair, name)
    assert_same(pvalues)


def test_same_law_in_short():
    """The quick version: 400 ambient replicas against 4,000 reduced ones."""
    first = ensemble("ambient", "relu", True, D, 400, steps=1000)
    assert_same(compare(first, ensemble("reduced", "relu", True, D, 4000, steps=1000)))


# ---- one step, at the smallest d and a large rate ----------------------------------------------
#
# In long runs the fluctuation of chi^2 averages out.  In one step at the smallest d it is all of
# what lies outside S and the student: chi^2 with one degree of freedom.

REPLICAS = 10_000
ONE_STEP = {
    "frozen": ({}, {}, 1),
    "joint": ({}, {"train_c": True}, 1),
    "free": ({}, {"orthogonal": False}, 1),
    "batch 4": ({}, {}, 4),
    "free, joint, batch 4": ({}, {"orthogonal": False, "train_c": True}, 4),
    "u partly inside": ({"parallel": 0.5}, {}, 1),
}


def one_step(name, **used):
    """Task at its smallest d and a training of one step from a fixed state."""
    changes, student, batch = ONE_STEP[name]
    make = lambda d: lrft.Task.sample(  # noqa: E731
        d=d,
        k=K,
        xi=2.0,
        activation="relu",
        features="orthonormal",
        c="quantized",
        seed=8,
        **changes,
    )
    training = lrft.Training(lr=0.5, steps=1, batch=batch, **used)
    task = make(Sizes.of(make(D), training).least_d)
    inside = 0.4 * task.Q[:, -1]  # the part of u outside span(W), which Pi leaves alone
    outside = np.linalg.svd(task.Q.T)[2][-1]  # orthogonal to S
    start = inside + np.sqrt(1 - inside @ inside) * outside
    training = training.model_copy(
        update={"student": lrft.RankOne(u_init=start, c_init=task.c[::-1].copy(), **student)}
    )
    return task, training


def after_one_step(task, training, engine, seed, replicas=REPLICAS):
    ds = lrft.simulate(task, training, replicas=replicas, seed=seed, engine=engine)
    return atoms_together(ds.overlap_u.values[:, -1])


def atoms_together(overlaps):
    """Overlaps to twelve digits: replicas that do not move are an atom at m₀, which the two
    spaces hold with different rounding.
    """
    return np.round(overlaps, 12)


def driven(task, training, rest):
    """The reduced step on coordinates of our own, with the Gram factor T (b, b) from `rest`."""
    rng = np.random.default_rng(77)
    described = spec([task], training)
    student = described.students[0]
    rows = np.concatenate([student.rows_S.ravel(), student.rows_rest.ravel()])
    b, s, lr = training.batch, task.R.shape[1], training.lr
    overlaps = np.empty(REPLICAS)
    for i in range(REPLICAS):
        space = drive(described, rows, student.own.reshape(-1, 1), 0)
        X_S, Z = rng.standard_normal((b, s)), rng.standard_normal((b, 1))
        space.step(X_S, Z, rest(rng, b), np.zeros(b), lr, lr)
        overlaps[i] = space.rows()[:s] @ task.a[0]
    return atoms_together(overlaps)


def exact_rest(rng, b):
    """A Gram factor of b vectors in one dimension."""
    return np.pad(rng.standard_normal((b, 1)), ((0, 0), (0, b - 1)))


def mean_rest(rng, b):
    """The same with the Gram matrix replaced by its mean, the identity."""
    return np.eye(b)


@pytest.mark.parametrize("name", ONE_STEP)
def test_one_step_at_the_smallest_dimension(name):
    task, training = one_step(name)
    first = after_one_step(task, training, "ambient", AMBIENT_SEED)
    assert first.std() > 0.1  # a large step
    assert_same(
        {
            "reduced": two_samples(first, after_one_step(task, training, "reduced", REDUCED_SEED)),
            "driven": two_samples(first, driven(task, training, exact_rest)),
        }
    )
    if training.student.orthogonal:
        # The control: with chi^2 replaced by its mean the same test rejects.  (Without Pi the
        # move inside span(W) is several times larger and hides it.)
        assert two_samples(first, driven(task, training, mean_rest)) < 1e-6


def test_law_at_the_smallest_dimension():
    """Many steps at the least d, for batches below and above the number of rows."""
    pvalues = {}
    for name in ("frozen", "free, joint, batch 4"):
        task, training = one_step(name)
        training = training.model_copy(update={"steps": 100, "lr": 0.02})
        first = after_one_step(task, training, "ambient", AMBIENT_SEED, 4000)
        second = after_one_step(task, training, "reduced", REDUCED_SEED, 4000)
        pvalues[name] = two_samples(first, second)
    assert_same(pvalues)


@pytest.mark.parametrize("used", [{"reuse": 2}, {"lookahead": 2.0}], ids=str)
def test_law_of_batches_used_again_at_the_smallest_dimension(used):
    """Of four samples beside one row, where the fourth has one direction of its own left."""
    task, training = one_step("free, joint, batch 4", **used)
    training = training.replace(steps=10, lr=0.1)
    first = after_one_step(task, training, "ambient", AMBIENT_SEED, 4000)
    second = after_one_step(task, training, "reduced", REDUCED_SEED, 4000)
    assert_same({"overlap": two_samples(first, second)})
    # The control: used once, at the rate that is the same to first order.
    uses = used.get("reuse", 1)
    once = training.replace(reuse=1, lookahead=None, lr=uses * training.lr)
    assert two_samples(first, after_one_step(task, once, "ambient", 303, 4000)) < 1e-6


def test_starts_have_the_law_of_the_ambient_space():
    """Overlaps at step 0, Pi on and off, at a small d where they are far from normal."""
    pvalues = {}
    for orthogonal in (True, False):
        task = lrft.Task.sample(d=9, k=K, features="sphere", parallel=0.6, seed=2)
        training = lrft.Training(student=lrft.RankOne(orthogonal=orthogonal), lr=0.1, steps=0)
        first, second = (
            after_one_step(task, training, engine, seed)
            for engine, seed in (("ambient", AMBIENT_SEED), ("reduced", REDUCED_SEED))
        )
        pvalues[f"orthogonal={orthogonal}"] = two_samples(first, second)
    assert_same(pvalues)


def test_ensembles_do_not_depend_on_who_runs_them():
    """The helper that runs chains and the public function give the same bits."""
    task, training = one_step("frozen")
    chains = final(spec([task], training, range(4), seed=9))
    ds = lrft.simulate(task, training, replicas=4, seed=9, engine="reduced")
    np.testing.assert_array_equal(ds.overlap_u[:, -1], [c.last_overlap for c in chains])
