"""Malformed tasks: each raises a clear error; beside each group a valid control runs."""

from __future__ import annotations

import numpy as np
from refusals import each

import lrft
from lrft.model.training import check_compatible

NAN, INF = float("nan"), float("inf")


# Given weights: W (3, 5), lam (3,), c (3,), u (5,).
WEIGHTS = {
    "W": np.eye(3, 5),
    "lam": np.ones(3),
    "c": np.array([0.6, 0.8, 0.0]),
    "u": np.eye(5)[4],
    "xi": 1.0,
}
W_NAN, W_INF = np.eye(3, 5), np.eye(3, 5)
W_NAN[1, 2], W_INF[2, 4] = NAN, -INF
GIVEN = [
    ({"W": np.ones(5)}, ValueError, r"W must have shape \(k, d\), got \(5,\)"),
    ({"W": np.ones((1, 3, 5))}, ValueError, "W must have shape"),
    ({"W": np.ones((0, 5))}, ValueError, "W must have shape"),
    ({"W": np.ones((3, 0))}, ValueError, "W must have shape"),
    ({"W": W_NAN}, ValueError, r"W must be finite, got nan at index \(1, 2\)"),
    ({"W": W_INF}, ValueError, r"W must be finite, got -inf at index \(2, 4\)"),
    ({"W": np.eye(3, 5) * 1j}, TypeError, "W must be an array of real numbers.*complex"),
    ({"W": np.eye(3, 5) > 0}, TypeError, "W must be.*bool"),
    ({"W": np.eye(3, 5).astype(object)}, TypeError, "W must be.*object"),
    ({"W": [[1.0, 2.0], [3.0]]}, ValueError, "W must be rectangular"),
    ({"W": "digits"}, TypeError, "W must be an array"),
    ({"W": None}, TypeError, "W must be an array"),
    ({"W": np.ma.masked_equal(np.eye(3, 5), 1.0)}, TypeError, "W must be a plain array"),
    ({"W": np.full((3, 5), 2**62 + 1)}, ValueError, "W has entries of dtype int64"),
    ({"W": np.full((3, 5), 1e308)}, ValueError, "W must have finite inner products"),
    ({"lam": np.ones(4)}, ValueError, r"lam must have shape \(3,\), got \(4,\)"),
    ({"lam": np.ones((3, 1))}, ValueError, "lam must have shape"),
    ({"lam": 1.0}, ValueError, "lam must have shape"),
    ({"lam": np.zeros(3)}, ValueError, "lam must have a nonzero entry"),
    ({"lam": [1.0, NAN, 1.0]}, ValueError, "lam must be finite"),
    ({"lam": ["1", "2", "3"]}, TypeError, "lam must be an array of real numbers"),
    ({"c": np.zeros(3)}, ValueError, "c must have norm 1.*got norm 0"),
    ({"c": np.array([0.6, 0.8001, 0.0])}, ValueError, "c must have norm 1"),
    ({"c": np.array([0.6, 0.8])}, ValueError, r"c must have shape \(3,\)"),
    ({"c": np.array([[0.6], [0.8], [0.0]])}, ValueError, "c must have shape"),
    ({"c": np.ones((2, 3))}, ValueError, "c must have shape"),
    ({"c": np.float64(1.0)}, ValueError, "c must have shape"),
    ({"c": np.eye(3, 2)}, ValueError, r"u must have shape \(2, 5\)"),
    ({"c": np.eye(3)[:, [0, 0, 2]] * [1, 0, 1], "u": np.eye(3, 5)}, ValueError, "c must not be"),
    ({"c": np.eye(3, 2), "u": np.eye(2, 5) * [[1], [0]]}, ValueError, "u must not be zero"),
    ({"u": np.zeros(5)}, ValueError, "u must have norm 1"),
    ({"u": np.ones(5)}, ValueError, "u must have norm 1.*got norm 2.236"),
    ({"u": np.eye(5)[[4]]}, ValueError, r"u must have shape \(5,\)"),
    ({"u": np.eye(4)[3]}, ValueError, "u must have shape"),
    ({"xi": 0.0}, ValueError, "xi must be greater than 0, got 0"),
    ({"xi": -1.0}, ValueError, "xi must be greater than 0"),
    ({"xi": NAN}, ValueError, "xi must be finite"),
    ({"xi": "1"}, TypeError, "xi must be a real number, got '1'"),
    ({"xi": True}, TypeError, "xi must be a real number"),
    ({"xi": 10**400}, ValueError, "xi must fit into float64"),
    ({"xi": np.ones(1)}, TypeError, "xi must be a real number"),
    ({"activation": "swish"}, ValueError, "activation must be one of.*'swish'"),
    ({"activation": 3}, TypeError, "activation must be a name"),
    ({"normalization": "batch"}, ValueError, "normalization must be one of 'none', 'unit'"),
    ({"normalization": "unit", "neuron_scale": 0.5}, ValueError, "give one of the two"),
    ({"neuron_scale": 0.0}, ValueError, "neuron_scale must be greater than 0"),
    ({"output_scale": -1.0}, ValueError, "output_scale must be greater than 0"),
    ({"noise": -0.1}, ValueError, "noise must be at least 0"),
    ({"noise": None}, TypeError, "noise must be a real number"),
]
if np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant:
    third = np.full(3, np.longdouble(1) / 3)
    GIVEN.append(({"lam": third}, ValueError, "lam has entries of dtype float128"))


@each(GIVEN)
def test_given_weights(refused, row):
    changes, error, message = row
    assert lrft.Task(**WEIGHTS).k == 3
    refused(lambda: lrft.Task(**(WEIGHTS | changes)), error, message)


SAMPLE = [
    ({"d": 0}, ValueError, "d must be at least 1, got 0"),
    ({"d": -5}, ValueError, "d must be at least 1"),
    ({"d": 100.5}, TypeError, "d must be an integer, got 100.5"),
    ({"d": "100"}, TypeError, "d must be an integer"),
    ({"d": True}, TypeError, "d must be an integer"),
    ({"d": 2**60}, ValueError, "d must be at most"),
    ({"k": 0}, ValueError, "k must be at least 1"),
    ({"k": None}, TypeError, "k must be an integer"),
    ({"k": 10**9, "d": 10**9}, ValueError, "features needs .* GiB"),
    ({"k": 30, "features": "orthonormal"}, ValueError, "needs d >= k, got d = 20, k = 30"),
    ({"k": 20}, ValueError, "u with a part orthogonal to W needs d >= 21"),
    ({"k": 19, "rank": 2}, ValueError, "needs d >= 21"),
    ({"xi": -1.0}, ValueError, "xi must be greater than 0"),
    ({"xi": INF}, ValueError, "xi must be finite"),
    ({"features": "cube"}, ValueError, "features must be one of .*'sphere'"),
    ({"features": np.eye(4, 20)}, TypeError, "features must be one of"),
    ({"c": "uniform"}, ValueError, "c must be one of 'quantized', 'sphere'"),
    ({"c": np.ones(4)}, ValueError, "c must have norm 1"),
    ({"c": [1e200, 0, 0, 0]}, ValueError, "c must have norm 1.*got norm inf"),
    ({"xi": 1e308, "normalization": "unit"}, ValueError, "neuron_scale must be greater than 0"),
    ({"c": np.eye(5)[0]}, ValueError, r"c must have shape \(4,\)"),
    ({"c": np.eye(4, 2)}, ValueError, r"c must have 1 columns"),
    ({"c": np.eye(4)[0], "rank": 2}, ValueError, r"c must have 2 columns"),
    ({"u": "random"}, ValueError, "u must be one of 'orthogonal'"),
    ({"u": np.ones(20)}, ValueError, "u must have norm 1"),
    ({"u": np.eye(20)[0], "parallel": 0.5}, ValueError, "not both"),
    ({"parallel": 1.5}, ValueError, "parallel must be at most 1"),
    ({"parallel": -0.1}, ValueError, "parallel must be at least 0"),
    ({"parallel": "half"}, TypeError, "parallel must be a real number"),
    ({"parallel": 0.5, "features": "zero"}, ValueError, "needs W of rank at least 1"),
    ({"parallel": 0.5, "rank": 5}, ValueError, "needs W of rank at least 5"),
    ({"lam": "uniform"}, ValueError, "lam must be one of"),
    ({"lam": 0.0}, ValueError, "lam must have a nonzero entry"),
    ({"lam": NAN}, ValueError, "lam must be finite"),
    ({"lam": np.ones(3)}, ValueError, r"lam must have shape \(4,\)"),
    ({"rank": 0}, ValueError, "rank must be at least 1"),
    ({"seed": -1}, ValueError, "seed must be at least 0"),
    ({"seed": 2**64}, ValueError, "seed must be at most"),
    ({"seed": 1.5}, TypeError, "seed must be an integer"),
    ({"normalisation": "unit"}, TypeError, "normalisation"),
]


@each(SAMPLE)
def test_sample(refused, row):
    changes, error, message = row
    valid = {"d": 20, "k": 4}
    assert lrft.Task.sample(**valid).d == 20
    refused(lambda: lrft.Task.sample(**(valid | changes)), error, message)


def coordinates(**changes):
    valid = {
        "d": 9,
        "R": np.eye(2, 3),
        "a": np.eye(3)[[2]],
        "lam": [1, 1],
        "c": [0.6, 0.8],
        "xi": 1.0,
    }
    return lrft.Task.from_coordinates(**(valid | changes))


def test_other_constructors(refused):
    task = coordinates()
    assert task.features_rank == 2
    for call, error, message in [
        (lambda: coordinates(d=2), ValueError, "d must be at least the 3 columns of R"),
        (lambda: coordinates(R=np.eye(3)[[2, 1]]), ValueError, "columns from 2 on must be zero"),
        (lambda: coordinates(a=np.ones((1, 3))), ValueError, "a must have norm 1"),
        (lambda: coordinates(a=np.ones(3)), ValueError, "a must have shape"),
        (lambda: coordinates(a=np.eye(2, 3)), ValueError, "u must have 1 rows"),
        (lambda: coordinates(scale=2.0), TypeError, "unknown argument 'scale'"),
        (lambda: lrft.Task.hard_from_scratch(4, 4), ValueError, "d must be at least 5"),
        (lambda: lrft.Task.hard_from_scratch(9, 4, 0), ValueError, "degree must be at least 1"),
        (lambda: lrft.Task.hard_from_scratch(9, 4, 65), ValueError, "degree must be at most 64"),
        (lambda: task.replace(W=np.eye(2, 9)), TypeError, "unknown argument 'W'"),
        (lambda: task.replace(d=2), ValueError, "d must be at least 3"),
        (lambda: task.replace(xi=-2.0), ValueError, "xi must be greater than 0"),
        (lambda: task.replace(neuron_scale=1.0, normalization="unit"), ValueError, "one of the"),
        (lambda: lrft.Task(**WEIGHTS).replace(d=7), TypeError, "unknown argument 'd'"),
    ]:
        refused(call, error, message)


TWO = np.eye(2, 12)
# How a task with another teacher is made, beside d = 12 where nothing else is said.
TAUGHT = [
    ("teacher", {"width": None}, TypeError, "width must be given"),
    ("teacher", {"width": 0}, ValueError, "width must be at least 1"),
    ("teacher", {"width": 13}, ValueError, "rows orthogonal to W need d >= 13"),
    ("teacher", {"rows": "cube"}, ValueError, "rows must be one of"),
    ("teacher", {"rows": TWO, "width": 3}, ValueError, "width must be the 2 rows that are given"),
    ("teacher", {"rows": np.eye(2, 11), "width": None}, ValueError, "d must be that of base and"),
    ("teacher", {"rows": 0 * TWO, "width": None}, ValueError, "rows must not be zero, but row 0"),
    ("teacher", {"d": None}, TypeError, "d must be given"),
    ("teacher", {"lam_star": [1.0]}, ValueError, r"lam_star must have shape \(2,\)"),
    ("teacher", {"lam_star": [0.0, 0.0]}, ValueError, "lam_star must have a nonzero entry"),
    ("teacher", {"lam_star": "one"}, ValueError, "lam_star must be one of"),
    ("teacher", {"sigma_star": "rel"}, ValueError, "rel"),
    ("teacher", {"noise": -1.0}, ValueError, "noise must be at least 0"),
    ("teacher", {"c": [1.0]}, TypeError, "'c' is unknown"),
    ("teacher", {"base": 3}, TypeError, "base must be a Task, Weights or None"),
    ("teacher", {"base": lrft.Task.sample(d=9, k=2)}, ValueError, "d must be that of base and"),
    ("teacher", {"base": lrft.Weights(TWO, np.ones(2))}, ValueError, "base must have an activ"),
    ("teacher", {"base": lrft.Task.sample(d=12, k=2), "k": 2}, TypeError, "'k' is of the base"),
    ("single_index", {"u": np.ones(12)}, ValueError, "u must have norm 1"),
    ("single_index", {"u": "parallel"}, ValueError, "u must be one of"),
    ("single_index", {"sigma_star": None}, TypeError, "None"),
    ("multi_index", {"terms": {}}, TypeError, "terms must be a dict"),
    ("multi_index", {"terms": [1.0]}, TypeError, "terms must be a dict"),
    ("multi_index", {"terms": {"x": 1.0}}, TypeError, "tuples of degrees as keys"),
    ("multi_index", {"terms": {(-1,): 1.0}}, ValueError, "terms: a degree in .* at least 0"),
    ("multi_index", {"terms": {(1.5,): 1.0}}, TypeError, "terms: a degree in"),
    ("multi_index", {"terms": {(40, 40): 1.0}}, ValueError, "total degrees of at most 64"),
    ("multi_index", {"terms": {(1,): NAN}}, ValueError, "must be finite"),
    ("multi_index", {"terms": {(1,): 0.0}}, ValueError, "terms must have a nonzero coefficient"),
    ("multi_index", {"terms": {(1,): 1.0, (1, 0): 2.0}}, ValueError, "terms must be different"),
    ("multi_index", {"terms": {(1, 0, 1): 1.0}}, ValueError, "none has direction 2"),
    ("multi_index", {"directions": TWO[:1]}, ValueError, r"directions must have shape \(2, d\)"),
    ("multi_index", {"directions": 2 * TWO}, ValueError, "orthonormal rows.*off by 3"),
]


@each(TAUGHT)
def test_other_teachers(refused, row):
    name, changes, error, message = row
    control = {
        "teacher": {"d": 12, "width": 2},
        "single_index": {"sigma_star": "he3", "d": 12},
        "multi_index": {"terms": {(1,): 1.0, (1, 1): 1.0}, "d": 12},
    }[name]
    make = getattr(lrft.Task, name)
    make(**control)
    refused(lambda: make(**(control | changes)), error, message)


def test_what_needs_a_perturbed_base(refused):
    task = lrft.Task.single_index("he3", base=lrft.Task.sample(d=12, k=3))
    check_compatible(task, lrft.Training(lr=0.1, steps=1))
    long = lrft.Task.teacher([2.0 * np.eye(12)[0]])
    wide = lrft.Task.teacher(d=12, width=2)
    for one, options, message in [
        (task, {"lr": "auto"}, "lr='auto' needs a teacher that is the base"),
        (task, {"student": lrft.RankOne(linearized=True)}, "linearized=True needs a teacher"),
        (task, {"student": lrft.LoRA(rank=1, linearized=True)}, "linearized=True needs a teacher"),
        (task, {"student": lrft.RankOne(c_init="teacher")}, "this one has no c"),
        (task, {"student": lrft.RankOne(u_init="favourable")}, "drift h"),
        (long, {"student": lrft.RankOne()}, "u of the teacher must have norm 1"),
        (wide, {"student": lrft.RankOne()}, "teacher of rank 1, got rank 2"),
    ]:
        training = lrft.Training(**({"lr": 0.1, "steps": 1} | options))
        refused(lambda t=one, s=training: check_compatible(t, s), ValueError, message)
    c = np.ones(3) / np.sqrt(3)
    for function in (
        lambda: lrft.theory.drift(task, c, 0.1),
        lambda: lrft.theory.gradient_noise(task, c, 0.1),
        lambda: lrft.theory.gradient_flow(task, c, 0.1, horizon=1.0),
        lambda: lrft.theory.population_gradient(task, task.u, c),
        lambda: lrft.theory.linearized_loss(task, c, 0.1),
        lambda: lrft.theory.stability_limit(task, lrft.RankOne()),
        lambda: lrft.recover_c(task, task.u, samples=10, seed=0),
    ):
        refused(function, ValueError, "needs a teacher that is the base")
    refused(lambda: task.replace(c=c), ValueError, "c is of a perturbed base")
