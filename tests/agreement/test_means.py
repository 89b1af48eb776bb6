"""The exact loss where fields have means: moments against quadrature, losses against samples."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from activations import DEFINITIONS
from cases import ACTIVATIONS, task_of
from numpy.polynomial.legendre import leggauss
from scipy.special import ndtr

import lrft
from lrft.core.engine import compiled
from lrft.model import links

# (means, variances, correlation): both signs, near and at 1, no variance, kinks in the tail
PAIRS = [
    (0.3, -0.5, 1.0, 2.0, 0.3),
    (0.7, 0.2, 1.0, 1.0, -0.95),
    (1.0, 1.001, 1.0, 1.0, 0.999999),
    (0.7, 0.2, 1.0, 1.3, 1.0),
    (0.7, 0.2, 1.3, 1.0, -1.0),
    (1.5, -0.5, 0.0, 1.0, 0.0),
    (-4.0, 3.0, 0.5, 4.0, -0.8),
]


def panels(breaks: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights against the normal density, with panels that shrink towards breaks."""
    edges = set(np.linspace(-10.0, 10.0, 33))
    for at in breaks:
        if abs(at) < 10.0:
            near = at + np.outer([-1, 1], 2.0 ** -np.arange(2, 30)).ravel()
            edges |= {at, *near[np.abs(near) < 10.0]}
    e = np.array(sorted(edges))
    x, w = leggauss(16)
    half = np.diff(e)[:, None] / 2
    nodes = (e[:-1, None] + half * (1 + x)).ravel()
    return nodes, (half * w).ravel() * np.exp(-(nodes**2) / 2) / np.sqrt(2 * np.pi)


def by_quadrature(f: Any, a: float, b: float, v: float, w: float, rho: float) -> float:
    """E f(a + z) f(b + t) for smooth f, one variable after the other."""
    s, along, across = np.sqrt(v), np.sqrt(w) * rho, np.sqrt(w * (1 - rho) * (1 + rho))
    x, weights = panels([])
    inner = f((b + along * x[:, None] + across * x).ravel()).reshape(len(x), -1) @ weights
    return float((weights * f(a + s * x)) @ inner)


def of_relu(a: float, b: float, v: float, w: float, rho: float) -> float:
    """The same of relu, whose mean over one variable is a closed form."""
    s, along, across = np.sqrt(v), np.sqrt(w) * rho, np.sqrt(w * (1 - rho) * (1 + rho))
    x, weights = panels([-mean / slope for mean, slope in ((a, s), (b, along)) if slope])
    middle = b + along * x
    inner = np.maximum(middle, 0.0)
    if across:
        at = middle / across
        inner = middle * ndtr(at) + across * np.exp(-(at**2) / 2) / np.sqrt(2 * np.pi)
    return float((weights * np.maximum(a + s * x, 0.0)) @ inner)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_moments(name):
    """Within their bounds, which are rounding."""
    f = lrft.Activation.parse(ACTIVATIONS[name])
    for a, b, v, w, rho in PAIRS:
        c = rho * np.sqrt(v * w)
        K, bound, single, error = compiled.shifted_moments(
            f.core, np.array([a, b]), np.array([[v, c], [c, w]])
        )
        size = np.sqrt(K[0, 0] * K[1, 1])
        rule = 4e-14 * size + 1e-16  # of the rule here
        case = (name, a, b, v, w, rho)
        at = a, b, v, w, rho
        expected = of_relu(*at) if name == "relu" else by_quadrature(f, *at)
        assert abs(K[0, 1] - expected) <= bound[0, 1] + rule, case
        assert bound[0, 1] < 2e-13 * size + 1e-14, case
        x, weights = panels([-a / np.sqrt(v)] if v else [])
        values = f(a + np.sqrt(v) * x)
        assert abs(single[0] - values @ weights) <= error[0] + 1e-14 * (np.abs(values) @ weights)
        assert abs(K[0, 0] - values**2 @ weights) <= bound[0, 0] + 1e-14 * K[0, 0], case


def test_moments_of_a_function_known_by_values():
    """A kink at 0: leaky relu is relu and a line, in pairs that the series settles and others."""
    double = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    value, slope = (
        double(lambda z: z if z > 0 else 0.2 * z),
        double(lambda z: 1.0 if z > 0 else 0.2),
    )
    leaky = lrft.Activation.custom(value, slope)
    for a, b, v, w, rho in (PAIRS[0], PAIRS[1]):
        c = rho * np.sqrt(v * w)
        K, bound, *_ = compiled.shifted_moments(
            leaky.core, np.array([a, b]), np.array([[v, c], [c, w]])
        )
        # z = relu(z) - relu(-z)
        signs = [(1, 1, 1.0), (-1, -1, 0.04), (1, -1, -0.2), (-1, 1, -0.2)]
        expected = sum(x * of_relu(i * a, j * b, v, w, i * j * rho) for i, j, x in signs)
        assert abs(K[0, 1] - expected) <= bound[0, 1] + 1e-13
        assert bound[0, 1] < 1e-9


@pytest.mark.parametrize("name", DEFINITIONS)
def test_moments_without_means(name):
    """Those of another route."""
    f = lrft.Activation.parse(name)
    G = np.random.default_rng(3).standard_normal((6, 8)) / 2
    C = np.concatenate([G, G[:2], 1.001 * G[2:4]]) @ np.concatenate([G, G[:2], 1.001 * G[2:4]]).T
    K, bound, *_ = compiled.shifted_moments(f.core, np.zeros(len(C)), C)
    expected = np.asarray(compiled.moments(f.core, C, False))
    roots = np.sqrt(np.diag(expected))
    assert (np.abs(K - expected) <= bound + 1e-13 * np.outer(roots, roots)).all()


# ---- losses ------------------------------------------------------------------------------------

LAWS: dict[str, Any] = {
    "spike": lrft.Spiked("u", 1.5),
    "features": lrft.Spiked("features", -0.4),
    "mixture": lrft.Mixture([[0.8, 0.3], [-0.6, 0.0]], [0.4, 0.6]),
    "labels": lrft.Mixture([1.0, -1.0], labels=[0.4, -0.9], directions="u"),
}
STAIRCASE = {(1,): 0.7, (1, 1): 0.5, (0, 2, 1): -0.4}


def tasks(name: str) -> dict[str, lrft.Task]:
    """Teachers of every kind, with biases or without, whose inputs have this law."""
    law, base = LAWS[name], task_of("tanh")
    biases = [0.3, -0.4, 0.0, 1.0]
    found = {
        "perturbed": task_of("tanh", inputs=law),
        "relu, biases": task_of("relu", inputs=law, biases=biases),
        "series, biases": task_of("series", inputs=law, biases=0.4),
    }
    if name == "labels":  # three directions u need three numbers a mean
        law = lrft.Mixture([[1.0, 0.0, 0.3], [-1.0, 0.5, 0.0]], None, [0.4, -0.9], "u")
    found["polynomial"] = lrft.Task.multi_index(STAIRCASE, base=base, inputs=law)
    options = {"base": base, "inputs": law, "seed": 6}
    found["network"] = lrft.Task.teacher("sphere", width=3, biases_star=[0.8, -0.5, 0], **options)
    found["tanh network"] = lrft.Task.teacher("sphere", width=3, sigma_star="tanh", **options)
    return found


def samples(task: lrft.Task, count: int, rng: Any) -> tuple[np.ndarray, np.ndarray]:
    """Inputs in the coordinates of S, and their labels without noise."""
    z = rng.standard_normal((count, task.R.shape[1]))
    shift = np.zeros(count)
    if (law := task.law) is not None:
        c = rng.choice(len(law.probabilities), count, p=law.probabilities)
        z = z + (law.stretch * (z @ law.V.T) + law.means[c]) @ law.V
        shift = law.shifts[c]
    b = 0.0 if task.biases is None else task.biases
    if task.link is None:
        rows = task.R + task.xi * np.outer(task.c, task.a[0])
        hidden = task.activation(task.neuron_scale * z @ rows.T + b)
        return z, task.output_scale * hidden @ task.lam + shift
    return z, task.link(z @ task.a.T) + shift


@pytest.mark.parametrize("name", LAWS)
def test_loss_against_samples(name):
    """Of a network of its own in S: within 4.5 standard errors, off by chance once in 10⁵."""
    rng = np.random.default_rng(5)
    for kind, task in tasks(name).items():
        z, y = samples(task, 60_000, rng)
        P = rng.standard_normal((3, task.R.shape[1])) / 2
        lam, b = np.array([0.7, -0.4, 0.5]), np.array([0.2, 0.0, -0.6])
        f = task.output_scale * task.activation(task.neuron_scale * z @ P.T + b) @ lam
        square = (f - y) ** 2
        exact = lrft.theory.population_loss(task, rows=P @ task.Q.T, lam=lam, biases=b)
        gap = abs(exact - square.mean()) / (square.std() / len(y) ** 0.5)
        assert gap < 4.5, (name, kind, gap)


STUDENTS: dict[str, Any] = {
    "rank one": lrft.RankOne(orthogonal=False, c_init="sphere"),
    "LoRA": lrft.LoRA(rank=2, b_init="gaussian"),
    "full": lrft.FullNetwork(train_lam=True),
}


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
@pytest.mark.parametrize("name", LAWS)
def test_recorded_loss(name, engine):
    """That of the theory at the student a run ended with."""
    for kind, task in tasks(name).items():
        for which, student in STUDENTS.items():
            if which == "rank one" and task.rank > 1:
                continue
            training = lrft.Training(student=student, lr=0.002, steps=30, record=[0, 30])
            run = lrft.Simulation(
                task, training, replicas=1, seed=3, engine=engine, keep_students=True
            )
            run.run()
            network, found = run.trained(), float(run.dataset().loss.squeeze()[-1])
            own = {} if network.b is None else {"biases": network.b}
            exact = lrft.theory.population_loss(task, rows=network.W, lam=network.lam, **own)
            assert abs(found - exact) < 1e-11 * max(exact, 1.0), (kind, which)


def test_biases_alone():
    """Of networks with biases, on standard normal inputs: against samples and a run's record."""
    rng = np.random.default_rng(7)
    for star in (None, "erf", "tanh"):
        task = task_of("tanh", biases=[0.3, -0.4, 0.0, 1.0])
        if star is not None:
            task = lrft.Task.teacher(
                "sphere", width=2, sigma_star=star, biases_star=[0.8, -0.5], base=task, seed=6
            )
        z, y = samples(task, 60_000, rng)
        P, b = rng.standard_normal((3, task.R.shape[1])) / 2, np.array([0.2, 0.0, -0.6])
        lam = np.array([0.7, -0.4, 0.5])
        f = task.output_scale * task.activation(task.neuron_scale * z @ P.T + b) @ lam
        square = (f - y) ** 2
        exact = lrft.theory.population_loss(task, rows=P @ task.Q.T, lam=lam, biases=b)
        assert abs(exact - square.mean()) < 4.5 * square.std() / len(y) ** 0.5
        student = lrft.FullNetwork(train_biases=True)
        training = lrft.Training(student=student, lr=0.002, steps=30, record=[0, 30])
        run = lrft.Simulation(task, training, replicas=1, engine="reduced", keep_students=True)
        run.run()
        network = run.trained()
        exact = lrft.theory.population_loss(task, rows=network.W, lam=network.lam, biases=network.b)
        assert abs(float(run.dataset().loss.squeeze()[-1]) - exact) < 1e-11


def test_a_mixture_of_one_is_a_shift():
    """Inputs with one mean are those of biases."""
    task = task_of("tanh")
    mean = 0.7
    shifted = task.replace(inputs=lrft.Mixture([mean], directions="u"))
    rows = task.W + 0.3 * np.outer(task.c, task.u)
    biases = task.neuron_scale * mean * (rows @ task.u)
    teacher = task.neuron_scale * mean * ((task.W + task.xi * np.outer(task.c, task.u)) @ task.u)
    moved = lrft.Weights(task.W + task.xi * np.outer(task.c, task.u), task.lam, "tanh", b=teacher)
    exact = lrft.theory.population_loss(shifted, rows=rows)
    given = lrft.Task(
        W=moved.W, lam=task.lam, c=task.c, u=task.u, xi=1e-9, activation="tanh", biases=teacher,
        neuron_scale=task.neuron_scale, output_scale=task.output_scale,
    )  # fmt: skip
    again = lrft.theory.population_loss(given, rows=rows, biases=biases)
    assert abs(exact - again) < 1e-7  # xi = 1e-9 stands for 0, which a task refuses


def test_a_spike_is_a_longer_row():
    """Along u: rows whose part along u is longer, for every kind of neuron."""
    for name in ACTIVATIONS:
        task = task_of(name)
        spiked = task.replace(inputs=lrft.Spiked("u", 1.25))

        def longer(rows, u=task.u):
            return rows + (1.5 - 1) * np.outer(rows @ u, u)

        rows = task.W + 0.4 * np.outer(task.c, task.u)
        teacher = longer(task.W + task.xi * np.outer(task.c, task.u))
        W = np.concatenate([teacher, longer(rows)])
        C = task.neuron_scale**2 * W @ W.T
        w = task.output_scale * np.concatenate([task.lam, -task.lam])
        value, _ = compiled.expected_square(task.activation.core, w, np.ascontiguousarray(C))
        exact = lrft.theory.population_loss(spiked, rows=rows)
        assert abs(exact - value) < 1e-12 * max(1.0, value), name


def test_shifts_of_links():
    """A label that is larger by δ, for both kinds of links."""
    rng = np.random.default_rng(2)
    G = rng.standard_normal((5, 7)) / 2
    C = G @ G.T
    w, means = rng.standard_normal(3), (rng.standard_normal(3), np.zeros(2))
    f = lrft.Activation.parse("erf")
    for link in (
        links.NetworkLink(np.array([0.5, -1.0]), lrft.Activation.parse("tanh")),
        links.MultiIndexLink.parse({(1, 2): 1.0, (0, 1): 0.5}),
    ):
        blocks = C[:3, :3], C[:3, 3:], C[3:, 3:]
        at = [links.moments(link, f, w, *blocks, means, d)[0] for d in (-1.0, 0.0, 1.0)]
        assert abs(at[0] + at[2] - 2 * at[1] - 2.0) < 1e-12
