"""Tasks: laws of the sampled parts, coordinates, immutability, hashing and files."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import lrft
from lrft.model import sampling
from lrft.model.files import save_weights

ROUNDING = 1e-13  # a few hundred ulp: sums of at most a few hundred terms of order one


def given_task(d=12, k=5, seed=0, **options):
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((k, d))
    u, c = rng.standard_normal(d), rng.standard_normal(k)
    arguments = {
        "W": W,
        "lam": rng.standard_normal(k),
        "c": c / np.linalg.norm(c),
        "u": u / np.linalg.norm(u),
        "xi": 1.5,
        "activation": "tanh",
    }
    return lrft.Task(**(arguments | options))


SAMPLED = {
    "sphere": {"d": 40, "k": 6},
    "sphere, c on the sphere": {"d": 40, "k": 6, "c": "sphere"},
    "more neurons than dimensions": {"d": 4, "k": 9, "parallel": 1.0},
    "orthonormal": {"d": 40, "k": 6, "features": "orthonormal"},
    "GLM": {"d": 40, "k": 6, "features": "zero"},
    "half parallel": {"d": 40, "k": 6, "parallel": 0.5},
    "wholly parallel": {"d": 6, "k": 6, "parallel": 1.0},
    "rank 3": {"d": 40, "k": 6, "rank": 3},
    "rank 3, half parallel": {"d": 40, "k": 6, "rank": 3, "parallel": 0.5},
    "one neuron": {"d": 2, "k": 1},
    "smallest d": {"d": 7, "k": 6, "features": "orthonormal"},
}


@pytest.mark.parametrize("name", SAMPLED)
def test_weights_have_the_coordinates(name):
    task = lrft.Task.sample(**SAMPLED[name], seed=3)
    rho, size = task.features_rank, task.R.shape[1]
    Q = task.Q
    assert Q.shape == (task.d, size)
    np.testing.assert_allclose(Q.T @ Q, np.eye(size), atol=ROUNDING)
    np.testing.assert_allclose(task.W, task.R @ Q.T, atol=ROUNDING)
    np.testing.assert_allclose(np.atleast_2d(task.u), task.a @ Q.T, atol=ROUNDING)
    assert task.W.shape == (task.k, task.d)
    assert task.u.shape == ((task.d,) if task.rank == 1 else (task.rank, task.d))
    assert not task.R[:, rho:].any()
    assert np.linalg.matrix_rank(task.R) == rho
    # u is orthonormal, with the parallel part that was asked for.
    np.testing.assert_allclose(task.a @ task.a.T, np.eye(task.rank), atol=ROUNDING)
    parallel = SAMPLED[name].get("parallel", 0.0)
    inside = np.linalg.norm(task.a[:, :rho], axis=1)
    np.testing.assert_allclose(inside, parallel, atol=ROUNDING)
    assert task.u_orthogonal == (parallel == 0.0)


def test_features():
    sphere = lrft.Task.sample(d=30, k=8)
    np.testing.assert_allclose(np.diag(sphere.gram), 1.0, atol=ROUNDING)
    assert np.abs(sphere.gram - np.eye(8)).max() > 0.05
    orthonormal = lrft.Task.sample(d=30, k=8, features="orthonormal")
    assert np.array_equal(orthonormal.gram, np.eye(8))
    glm = lrft.Task.sample(d=30, k=4, features="zero")
    assert not glm.W.any()
    assert glm.xi == 2.0
    assert np.array_equal(glm.c, np.full(4, 0.5))
    assert np.array_equal(glm.lam, np.full(4, 0.25))


def test_cosine_on_the_sphere_in_three_dimensions_is_uniform():
    """Archimedes: for d = 3 the cosine is uniform on [−1, 1]; Kolmogorov–Smirnov at 0.001."""
    # Two rows: the triangular factor.  Many rows: those after the first d, pairs of their own.
    pairs = [sampling.features("sphere", 3, 2, seed) for seed in range(1000)]
    triangular = np.array([np.pad(R, ((0, 0), (0, 3 - R.shape[1]))) for R in pairs])
    full = sampling.features("sphere", 3, 2003, seed=5)[3:].reshape(1000, 2, 3)
    for rows in (triangular, full):
        cosine = np.sort(np.einsum("nj,nj->n", rows[:, 0], rows[:, 1]))
        uniform = (cosine + 1.0) / 2.0
        grid = np.arange(1000) / 1000
        distance = max(np.max(uniform - grid), np.max(grid + 1 / 1000 - uniform))
        assert distance < 1.95 / np.sqrt(1000)
    # Control: cosines in four dimensions are not uniform, and the test sees it.
    other = np.sort([np.prod(sampling.features("sphere", 4, 2, s)[:, 0]) for s in range(1000)])
    assert np.max(np.abs((other + 1) / 2 - grid)) > 1.95 / np.sqrt(1000)


@pytest.mark.parametrize(("d", "k"), [(300, 120), (50, 120), (10**7, 120)])
def test_mean_square_cosine_is_one_over_d(d, k):
    """Cosines of different pairs are pairwise independent with known second and fourth moments."""
    gram = lrft.Task.sample(d=d, k=k, parallel=1.0, seed=11).gram
    squares = gram[np.triu_indices(k, 1)] ** 2
    error = np.sqrt((3.0 / (d * (d + 2)) - 1.0 / d**2) / len(squares))
    assert abs(squares.mean() - 1.0 / d) < 4.0 * error


def test_c_and_lam():
    quantized = lrft.Task.sample(d=500, k=400).c
    assert np.array_equal(np.abs(quantized), np.full(400, 0.05))
    assert abs(np.sign(quantized).sum()) < 4.0 * 20.0  # four standard errors
    sphere = lrft.Task.sample(d=500, k=400, c="sphere").c
    np.testing.assert_allclose(np.linalg.norm(sphere), 1.0, atol=ROUNDING)
    assert len(np.unique(np.abs(sphere))) == 400
    signs = lrft.Task.sample(d=500, k=400, lam="signs").lam
    assert np.array_equal(np.abs(signs), np.ones(400))
    assert abs(signs.sum()) < 80.0
    gaussian = lrft.Task.sample(d=500, k=400, lam="gaussian").lam
    assert abs(gaussian.mean()) < 0.2
    assert abs(gaussian.var() - 1.0) < 4.0 * np.sqrt(2.0 / 400)
    assert np.array_equal(lrft.Task.sample(d=500, k=4, lam=0.5).lam, np.full(4, 0.5))
    assert np.array_equal(lrft.Task.sample(d=500, k=2, lam=[1, -3]).lam, [1.0, -3.0])


def test_parts_have_streams_of_their_own():
    small, large = (lrft.Task.sample(d=d, k=6, c="sphere", lam="gaussian") for d in (50, 10**6))
    assert np.array_equal(small.c, large.c)
    assert np.array_equal(small.lam, large.lam)
    wide = lrft.Task.sample(d=50, k=9)
    np.testing.assert_array_equal(wide.R[:6, :6], small.R[:, :6])
    assert not np.array_equal(small.R, lrft.Task.sample(d=50, k=6, seed=1).R)
    # Signs of c and λ are not copies of each other.
    both = lrft.Task.sample(d=500, k=400, lam="signs")
    assert abs(np.sum(both.lam * np.sign(both.c))) < 80.0


def test_huge_dimension_costs_no_memory():
    task = lrft.Task.sample(d=10**9, k=32, features="sphere", normalization="unit")
    assert task.R.shape == (32, 33)
    assert np.abs(task.gram - np.eye(32)).max() < 1e-3  # cosines are of order d^{-1/2} = 3e-5
    with pytest.raises(ValueError, match="GiB"):
        _ = task.replace(d=10**12).W


def test_given_u_makes_the_weights():
    u = np.eye(20)[3]
    task = lrft.Task.sample(d=20, k=4, u=u, seed=2)
    assert np.array_equal(task.u, u)
    assert not task.u_orthogonal
    np.testing.assert_allclose(task.gram, lrft.Task.sample(d=20, k=4, seed=2).gram, atol=ROUNDING)


@pytest.mark.parametrize(
    ("k", "d", "rank_of_W", "inside"),
    [(5, 12, 5, False), (5, 12, 3, False), (12, 5, 5, True), (5, 12, 5, True), (5, 12, 0, False)],
)
def test_basis_of_given_weights(k, d, rank_of_W, inside):
    rng = np.random.default_rng(1)
    W = rng.standard_normal((k, rank_of_W)) @ rng.standard_normal((rank_of_W, d))
    u = W[0] + W[1] if inside else rng.standard_normal(d)
    task = given_task(d, k, W=W, u=u / np.linalg.norm(u))
    assert task.features_rank == rank_of_W
    assert task.R.shape == (k, rank_of_W + (not inside))
    np.testing.assert_allclose(task.R @ task.Q.T, W, atol=1e-13 * max(1.0, np.abs(W).max()))
    np.testing.assert_allclose(task.a @ task.Q.T, task.u[None], atol=ROUNDING)
    np.testing.assert_allclose(task.gram, W @ W.T, atol=1e-12)


def test_basis_of_given_weights_of_higher_rank():
    rng = np.random.default_rng(1)
    u, c = rng.standard_normal((2, 12)), rng.standard_normal((5, 2))
    task = given_task(u=u, c=c)
    assert (task.rank, task.R.shape, task.a.shape) == (2, (5, 7), (2, 7))
    np.testing.assert_allclose(task.a @ task.Q.T, u, atol=1e-12)
    twice = given_task(u=np.stack([u[0], 2.0 * u[0]]), c=c)
    assert twice.R.shape == (5, 6)


def test_orthogonality_of_given_weights_has_a_tolerance():
    W = np.eye(3, 10)
    for part, orthogonal in ((0.0, True), (1e-13, True), (1e-11, False)):
        u = np.zeros(10)
        u[[0, 5]] = part, 1.0
        assert given_task(10, 3, W=W, u=u).u_orthogonal is orthogonal


def test_from_coordinates_agrees_with_given_weights():
    sampled = lrft.Task.sample(d=30, k=4, parallel=0.3)
    again = lrft.Task.from_coordinates(
        30, sampled.R, sampled.a, lam=sampled.lam, c=sampled.c, xi=sampled.xi, seed=0
    )
    assert again == sampled
    assert again.features_rank == 4


@pytest.mark.parametrize(("k", "degree"), [(1, 2), (4, 3), (9, 4), (64, 3)])
def test_hard_from_scratch_has_orthonormal_neurons(k, degree):
    """Claim 2: unit features with inner products −c_i c_j, orthonormal perturbed neurons."""
    task = lrft.Task.hard_from_scratch(d=k + 1, k=k, degree=degree, seed=5)
    expected = (1.0 + 1.0 / k) * np.eye(k) - np.outer(task.c, task.c)
    np.testing.assert_allclose(task.gram, expected, atol=1e-12)
    np.testing.assert_allclose(np.diag(task.gram), 1.0, atol=1e-12)
    V = task.neuron_scale * (task.W + task.xi * np.outer(task.c, task.u))
    np.testing.assert_allclose(V @ V.T, np.eye(k), atol=1e-12)
    assert task.u_orthogonal
    assert str(task.activation) == f"he{degree}"
    assert np.array_equal(task.lam, np.ones(k))


def test_unit_normalization_gives_unit_neurons():
    task = lrft.Task.sample(d=100, k=9, xi=2.0, normalization="unit")
    V = task.neuron_scale * (task.W + task.xi * np.outer(task.c, task.u))
    np.testing.assert_allclose(np.linalg.norm(V, axis=1), 1.0, atol=ROUNDING)
    assert lrft.Task.sample(d=100, k=9).neuron_scale == 1.0


@pytest.mark.parametrize("make", [given_task, lambda: lrft.Task.sample(d=20, k=3)])
class TestImmutable:
    def test_attributes(self, make):
        task = make()
        with pytest.raises(AttributeError, match="replace"):
            task.xi = 2.0
        with pytest.raises(AttributeError):
            del task.xi
        with pytest.raises(AttributeError):
            task.something = 1

    def test_arrays(self, make):
        task = make()
        for name in ("R", "a", "lam", "c", "W", "u"):
            with pytest.raises(ValueError, match="read-only"):
                getattr(task, name)[...] = 0.0

    def test_pickle(self, make):
        task = make()
        again = pickle.loads(pickle.dumps(task))
        assert again == task
        assert np.array_equal(again.W, task.W)
        assert repr(again) == repr(task)
        assert not again.R.flags.writeable
        assert not again.W.flags.writeable


def test_callers_arrays_are_copied():
    W, lam, c, u = np.eye(2, 4), np.ones(2), np.array([1.0, 0.0]), np.eye(4)[3]
    task = lrft.Task(W=W, lam=lam, c=c, u=u, xi=1.0)
    before = task.content_hash
    for array in (W, lam, c, u):
        assert array.flags.writeable
        array += 1.0
    assert np.array_equal(task.W, np.eye(2, 4))
    assert lrft.Task(W=task.W, lam=task.lam, c=task.c, u=task.u, xi=1.0).content_hash == before


def test_exact_conversions():
    W = np.eye(2, 4)
    task = lrft.Task(W=W.astype(np.float32), lam=[1, 2], c=[1, 0], u=[0, 0, 0, 1], xi=1)
    assert task.W.dtype == task.lam.dtype == task.c.dtype == np.float64
    assert task == lrft.Task(W=W, lam=[1.0, 2.0], c=[1.0, 0.0], u=np.eye(4)[3], xi=1.0)


CHANGES = {
    "xi": 2.0,
    "activation": "he3",
    "neuron_scale": 0.5,
    "output_scale": 0.5,
    "noise": 0.1,
    "lam": np.arange(1.0, 6.0),
    "c": np.eye(5)[0],
}


@pytest.mark.parametrize("name", [*CHANGES, "W", "u", "d", "seed"])
def test_everything_counts_in_the_hash(name):
    if name in ("d", "seed"):
        task, value = lrft.Task.sample(d=12, k=5), 13
    else:
        task = given_task()
        value = (CHANGES | {"W": task.W + 1.0, "u": np.eye(12)[0]})[name]
    changed = task.replace(**{name: value})
    assert changed != task
    assert hash(changed) != hash(task)
    if name != "seed":
        assert np.array_equal(
            np.asarray(getattr(changed, name), dtype=object),
            np.asarray(
                lrft.Activation.parse(value) if name == "activation" else value, dtype=object
            ),
        )
    kept = {"R", "a", "lam", "c"} - {name} - ({"R", "a"} if name in "Wu" else set())
    for other in kept:
        assert np.array_equal(getattr(changed, other), getattr(task, other))


def test_hash_does_not_depend_on_labels_sign_of_zero_or_process():
    task = lrft.Task.sample(d=12, k=5, c="quantized")
    assert task == lrft.Task.sample(d=12, k=5, c=task.c)
    assert given_task(lam=[1, 0, 0, 0, 0]) == given_task(lam=[1.0, -0.0, 0, 0, 0])
    fixed = lrft.Task(W=np.eye(2, 3), lam=[1, 1], c=[0.6, 0.8], u=[0, 0, 1], xi=1.0)
    assert fixed.content_hash == (
        "e89e0fd05130ed45481fe9f62c96d4d8b78eb911634b4f68becf0a72666cfa9a"
    )


def test_replace_under_unit_normalization_follows_xi():
    task = lrft.Task.sample(d=12, k=4, xi=1.0, normalization="unit")
    assert task.replace(xi=2.0).neuron_scale == 1.0 / np.sqrt(2.0)
    assert task.replace(neuron_scale=0.5).normalization == "none"
    assert task.replace(neuron_scale=0.5).replace(normalization="unit") == task
    assert task.replace(normalization="none").neuron_scale == 1.0
    assert task.replace() == task


def test_replace_keeps_the_instance_when_d_changes():
    task = lrft.Task.sample(d=50, k=4, features="orthonormal")
    larger = task.replace(d=10**8)
    assert larger.d == 10**8
    assert np.array_equal(larger.R, task.R)
    assert np.array_equal(larger.c, task.c)


def test_repr():
    task = lrft.Task.sample(d=2000, k=50, xi=50**0.5, c="sphere", normalization="unit")
    assert repr(task) == (
        "Task(d=2000, k=50, xi=7.071, activation='relu', features='sphere', c='sphere', "
        f"u='orthogonal', neuron_scale=0.7071, hash={task.content_hash[:8]})"
    )
    assert "rank=2" in repr(lrft.Task.sample(d=20, k=4, rank=2))
    assert "u='parallel 0.5'" in repr(lrft.Task.sample(d=20, k=4, parallel=0.5))


FILED = {
    "sampled": lambda: lrft.Task.sample(d=10**9, k=7, parallel=0.25, xi=0.1, noise=0.1, seed=7),
    "rank 2": lambda: lrft.Task.sample(d=20, k=3, rank=2, activation="hermite(0.1, 0.2)"),
    "given": given_task,
    "hard": lambda: lrft.Task.hard_from_scratch(d=30, k=5),
    "unit": lambda: lrft.Task.sample(d=20, k=3, normalization="unit", output_scale=1 / 3),
    "GLM": lambda: lrft.Task.sample(d=20, k=3, features="zero", seed=2**64 - 1),
}


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("name", FILED)
def test_file_round_trip_is_exact(name, suffix, tmp_path):
    task = FILED[name]()
    path = tmp_path / f"task{suffix}"
    task.save(path)
    again = lrft.Task.load(path)
    assert again == task
    assert repr(again) == repr(task)
    assert again.normalization == task.normalization
    assert again.features_rank == task.features_rank
    for array in ("R", "a", "lam", "c"):
        assert getattr(again, array).tobytes() == getattr(task, array).tobytes()
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    again.save(path)  # over itself
    assert lrft.Task.load(str(path)) == task


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_base_network_round_trip(suffix, tmp_path):
    path = tmp_path / f"base{suffix}"
    W, lam = np.random.default_rng(0).standard_normal((3, 5)), [1.0, 2.0, -3.0]
    save_weights(path, W, lam, activation="tanh", neuron_scale=0.1, output_scale=1 / 3)
    base = lrft.load_weights(path)
    assert base.W.tobytes() == W.tobytes()
    assert base.lam.tolist() == lam
    assert str(base.activation) == "tanh"
    assert (base.neuron_scale, base.output_scale) == (0.1, 1 / 3)


def test_base_network_from_plain_files(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    W, lam = np.eye(2, 3, dtype=np.float32), np.ones(2, dtype=np.float32)
    safetensors.save_file({"W": W, "lam": lam}, tmp_path / "a.safetensors")
    np.savez(tmp_path / "b.npz", W=W, lam=lam)
    for name in ("a.safetensors", "b.npz"):
        base = lrft.load_weights(tmp_path / name)
        assert base.W.dtype == np.float64
        assert base.activation is None
        assert np.array_equal(base.W, W)
