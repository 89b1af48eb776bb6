"""Exchange with PyTorch, safetensors and pandas; students handed back as networks.

PyTorch is no requirement of the tests: what needs it is skipped where it is missing, and a
forward pass written here in NumPy stands in its place.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from activations import DEFINITIONS
from scipy import special

import lrft
from lrft.model.activation import FACTS
from lrft.model.weights import Weights
from lrft.reference import students as twin

#: Those that PyTorch has a module for.
MODULES = [name for name in DEFINITIONS if FACTS[name].torch]


def module_output(state: dict[str, Any], activation: str, X: np.ndarray) -> np.ndarray:
    """What Sequential(Linear, activation, Linear) computes from its state dict."""
    z = X @ np.asarray(state["0.weight"]).T + np.asarray(state.get("0.bias", 0.0))
    hidden = DEFINITIONS[activation].formula(np, special.erf, z)
    return hidden @ np.asarray(state["2.weight"])[0] + np.asarray(state.get("2.bias", 0.0))


def base(activation: str = "tanh", *, biased: bool = False, **scales: float) -> Weights:
    rng = np.random.default_rng(7)
    W = rng.standard_normal((6, 20)) / 20**0.5
    network = Weights(W, rng.standard_normal(6), lrft.Activation.named(activation), **scales)
    return replace(network, b=rng.standard_normal(6), output_bias=0.3) if biased else network


INPUTS = np.random.default_rng(8).standard_normal((1000, 20))
SCALES = [{}, {"neuron_scale": 0.7, "output_scale": 1.9}, {"neuron_scale": 0.7, "biased": True}]


# ---- state dicts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("activation", MODULES)
def test_outputs_agree(activation: str, scales: dict[str, Any]) -> None:
    network = base(activation, **scales)
    output = network.predict(INPUTS)
    assert np.std(output) > 0.1
    # Sums of 20 and 6 terms of order one in another order, each scale rounding once.
    assert abs(module_output(network.state_dict(), activation, INPUTS) - output).max() < 1e-13
    single = network.state_dict(dtype="float32")
    assert single["0.weight"].dtype == np.float32
    # Weights rounded by 6e-8 of themselves; the bar of the whole exchange.
    assert abs(module_output(single, activation, INPUTS) - output).max() < 1e-6


@pytest.mark.parametrize("biased", [False, True])
def test_round_trip_is_exact(biased: bool) -> None:
    network = base(biased=biased)
    again = lrft.from_state_dict(network.state_dict(), activation="tanh")
    assert (again.W == network.W).all()
    assert (again.lam == network.lam).all()
    assert again.b is None if network.b is None else (again.b == network.b).all()
    assert again.output_bias == network.output_bias
    for dtype in ("float32", "float64"):
        state = network.state_dict(dtype)
        back = lrft.from_state_dict(state).state_dict(dtype)
        for name, value in state.items():
            assert back[name].dtype == value.dtype
            assert (back[name] == value).all()


def test_scales_leave_the_function() -> None:
    state = base(biased=True).state_dict()
    scaled = lrft.from_state_dict(state, "tanh", neuron_scale=0.3, output_scale=2.5)
    assert scaled.neuron_scale == 0.3
    assert abs(scaled.predict(INPUTS) - base(biased=True).predict(INPUTS)).max() < 1e-13


@pytest.mark.parametrize("layout", ["lrft", "torch"])
@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_files(layout: str, suffix: str, tmp_path: Path) -> None:
    network, path = base(biased=True), tmp_path / f"network{suffix}"
    if (layout, suffix) == ("torch", ".npz"):
        with pytest.raises(ValueError, match=r"\.safetensors, \.pt or \.pth"):
            network.save(path, layout)
        return
    network.save(path, layout)
    again = lrft.load_weights(path) if layout == "lrft" else lrft.from_state_dict(path)
    assert (again.W == network.W).all()
    assert (again.lam == network.lam).all()
    assert (again.b == network.b).all()
    assert again.output_bias == network.output_bias
    assert again.activation == network.activation
    if layout == "torch":
        with pytest.raises(ValueError, match=r"lrft\.from_state_dict reads a state dict"):
            lrft.load_weights(path)


GOOD = {"0.weight": np.ones((2, 3)), "2.weight": np.ones((1, 2))}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"0.bias": np.zeros(3)}, r"0\.bias must have shape \(2,\)"),
        ({"2.bias": np.zeros(2)}, r"2\.bias must have shape \(1,\)"),
        ({"2.bias": np.full(1, np.inf)}, r"2\.bias must be finite"),
        ({"4.weight": np.ones((1, 1))}, "unexpected entries"),
        ({"2.weight": np.ones((3, 2))}, "one output"),
        ({"2.weight": np.ones(2)}, "one output"),
        ({"2.weight": np.ones((1, 3))}, r"2\.weight must have shape \(1, 2\)"),
        ({"0.weight": np.ones(3)}, r"0\.weight must have shape"),
        ({"0.weight": np.full((2, 3), np.nan)}, "finite"),
        ({"0.weight": np.full((2, 3), 1j)}, "real numbers"),
    ],
)
def test_wrong_state_dicts(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        lrft.from_state_dict(GOOD | changes)


def test_wrong_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no entry '0\.weight'"):
        lrft.from_state_dict({"fc1.weight": np.ones((2, 3)), "fc2.weight": np.ones((1, 2))})
    assert lrft.from_state_dict(
        {"fc1.weight": np.ones((2, 3)), "fc2.weight": np.ones((1, 2))}, layers=("fc1", "fc2")
    ).W.shape == (2, 3)
    with pytest.raises(TypeError, match="a state dict, a module or a path"):
        lrft.from_state_dict(3)
    with pytest.raises(ValueError, match="no such file"):
        lrft.from_state_dict(tmp_path / "missing.safetensors")
    with pytest.raises(ValueError, match=r"must end in \.safetensors"):
        lrft.from_state_dict("weights.bin")
    with pytest.raises(ValueError, match="activation is not known"):
        lrft.from_state_dict(GOOD).predict(np.ones((1, 3)))
    with pytest.raises(ValueError, match="beyond the range of float32"):
        Weights(np.full((1, 1), 1e300), np.ones(1)).state_dict("float32")


def test_pytorch_is_not_imported() -> None:
    code = (
        "import sys, numpy as np, lrft; "
        "lrft.from_state_dict({'0.weight': np.ones((2, 3)), '2.weight': np.ones((1, 2))}, 'relu')"
        ".state_dict(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- PyTorch itself ------------------------------------------------------------------------------


@pytest.fixture(name="torch")
def _torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("activation", MODULES)
def test_module_outputs(torch: Any, activation: str, scales: dict[str, Any]) -> None:
    network = base(activation, **scales)
    output = network.predict(INPUTS)
    for dtype in ("float64", "float32"):
        module = network.to_torch(dtype)
        with torch.no_grad():
            found = module(torch.from_numpy(INPUTS).to(getattr(torch, dtype)))[:, 0]
        # Single precision: sums of six terms, each rounded by 6e-8 of its size.
        assert abs(found.double().numpy() - output).max() < (1e-12 if dtype == "float64" else 1e-5)
        back = lrft.from_state_dict(module, activation)
        assert abs(back.predict(INPUTS) - output).max() < (1e-12 if dtype == "float64" else 1e-6)


def test_module_made_by_pytorch(torch: Any, tmp_path: Path) -> None:
    generator = torch.manual_seed(3)
    module = torch.nn.Sequential(
        torch.nn.Linear(20, 6, bias=False), torch.nn.GELU(), torch.nn.Linear(6, 1, bias=False)
    )
    assert generator is not None
    path = tmp_path / "module.pt"
    torch.save(module.state_dict(), path)
    for source in (module, module.state_dict(), path):
        network = lrft.from_state_dict(source, activation="gelu")
        with torch.no_grad():
            output = module.double()(torch.from_numpy(INPUTS))[:, 0].numpy()
        assert abs(network.predict(INPUTS) - output).max() < 1e-12
        module.float()
        for name, value in network.state_dict("float32", "torch").items():
            assert torch.equal(value, module.state_dict()[name])
    for name in ("again.pt", "other.pt"):
        network.save(tmp_path / name, layout="torch", dtype="float32")
    assert (tmp_path / "again.pt").read_bytes() == (tmp_path / "other.pt").read_bytes()
    module.load_state_dict(torch.load(tmp_path / "again.pt", weights_only=True))


def test_wrong_files_of_pytorch(torch: Any, tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(ValueError, match="as a state dict"):
        lrft.from_state_dict(tmp_path / "text.pt")
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1))
    torch.save(module, tmp_path / "module.pt")
    with pytest.raises(ValueError, match="as a state dict"):
        lrft.from_state_dict(tmp_path / "module.pt")
    with pytest.raises(TypeError, match="real numbers"):
        lrft.from_state_dict(
            {"0.weight": torch.ones(2, 3, dtype=torch.int64), "2.weight": torch.ones(1, 2)}
        )
    half = {"0.weight": torch.ones(2, 3, dtype=torch.bfloat16) / 3, "2.weight": torch.ones(1, 2)}
    assert lrft.from_state_dict(half).W[0, 0] == float(half["0.weight"][0, 0])


# ---- trained students ----------------------------------------------------------------------------

STUDENTS = {
    "rank one": lrft.RankOne(train_c=True),
    "lora": lrft.LoRA(rank=2, alpha=3.0),
    "full": lrft.FullNetwork(train_lam=True),
}


def trained(name: str, engine: str) -> tuple[lrft.Task, lrft.Simulation]:
    task = lrft.Task.sample(d=40, k=5, xi=2.0, activation="tanh", normalization="unit", seed=2)
    training = lrft.Training(student=STUDENTS[name], lr=0.004, steps=3000, record=2, batch=2)
    simulation = lrft.Simulation(
        task, training, replicas=[3, 1], seed=4, engine=engine, threads=1, keep_students=True
    )
    simulation.run()
    return task, simulation


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
@pytest.mark.parametrize("name", STUDENTS)
def test_students_are_those_of_the_run(name: str, engine: str) -> None:
    """Overlap and loss of the weights in R^d are those the run recorded."""
    task, simulation = trained(name, engine)
    ds = simulation.dataset()
    V = task.W + task.xi * np.outer(task.c, task.u)
    for replica in (1, 3):
        network = simulation.trained(replica)
        last = ds.sel(replica=replica, step=3000)
        loss = float(last.loss)
        assert loss < 0.7 * float(ds.loss.sel(replica=replica, step=0))
        exact = pair_loss(task, network, V)
        assert abs(exact - loss) < 1e-10
        if name == "rank one":
            assert abs(network.factors["u_hat"] @ task.u - last.overlap_u) < 1e-12
            assert abs(network.factors["c_hat"] @ task.c - last.overlap_c) < 1e-12
            merged = task.W + task.xi * np.outer(network.factors["c_hat"], network.factors["u_hat"])
            assert abs(network.W - merged).max() < 1e-15
        elif name == "lora":
            cosines = twin.subspace_cosines(network.factors["A"], task.u[None])
            assert abs(cosines - last.overlap_u.values).max() < 1e-12
            assert (
                abs(network.W - task.W - 1.5 * network.factors["B"] @ network.factors["A"]).max()
                < 1e-15
            )
        else:
            cosines = twin.neuron_cosines(network.W, V)
            assert abs(cosines - last.overlap_u.values).max() < 1e-12
            assert network.factors == {}
        X = np.random.default_rng(0).standard_normal((1000, 40))
        assert (
            abs(module_output(network.state_dict(), "tanh", X) - network.predict(X)).max() < 1e-12
        )


def pair_loss(task: lrft.Task, network: Weights, V: np.ndarray) -> float:
    """E (f̂ − f*)² for any two networks, by the exact expectation of the core."""
    from lrft.core.engine import compiled

    rows = task.neuron_scale * np.concatenate([network.W, V])
    lam = task.output_scale * np.concatenate([network.lam, -task.lam])
    value, _ = compiled.expected_square(
        task.activation.core, lam, np.ascontiguousarray(rows @ rows.T)
    )
    return float(value)


def test_outside_directions_are_uniform() -> None:
    """In the reduced space û outside S is a uniform direction: its law in R^d."""
    task = lrft.Task.sample(d=12, k=2, xi=1.0, seed=0)
    training = lrft.Training(lr=0.01, steps=1, record=2)
    simulation = lrft.Simulation(task, training, replicas=400, seed=9, keep_students=True)
    simulation.run()
    v = np.random.default_rng(1).standard_normal(12)
    v -= task.Q @ (task.Q.T @ v)
    v /= np.linalg.norm(v)
    cosines = []
    for replica in range(400):
        u_hat = simulation.trained(replica).factors["u_hat"]
        outside = u_hat - task.Q @ (task.Q.T @ u_hat)
        cosines.append(outside @ v / np.linalg.norm(outside))
    # Uniform on the sphere of 12 − 3 dimensions: mean 0, mean square 1/9. Four standard errors.
    square = np.square(cosines)
    assert abs(np.mean(cosines)) < 4 / 3 / 20
    assert abs(square.mean() - 1 / 9) < 4 * square.std() / 20


def test_students_survive_a_saved_state(tmp_path: Path) -> None:
    _, simulation = trained("lora", "reduced")
    simulation.save_state(tmp_path / "state.npz")
    again = lrft.Simulation.resume(tmp_path / "state.npz")
    assert (again.trained(1).W == simulation.trained(1).W).all()
    network = again.trained(1)
    network.save(tmp_path / "trained.safetensors")
    loaded = lrft.load_weights(tmp_path / "trained.safetensors")
    assert (loaded.factors["A"] == network.factors["A"]).all()
    assert loaded.neuron_scale == network.neuron_scale


def test_students_refused() -> None:
    task = lrft.Task.sample(d=40, k=5, seed=2)
    training = lrft.Training(lr=0.001, steps=10)
    simulation = lrft.Simulation(task, training, replicas=2)
    simulation.run()
    with pytest.raises(ValueError, match="keep_students is False"):
        simulation.trained()
    simulation = lrft.Simulation(task, training, replicas=2, keep_students=True)
    with pytest.raises(ValueError, match="waiting"):
        simulation.trained()
    simulation.run()
    with pytest.raises(ValueError, match="one of this run's"):
        simulation.trained(replica=2)
    with pytest.raises(ValueError, match="task must be at most 0"):
        simulation.trained(task=1)
    linearized = lrft.Training(student=lrft.RankOne(linearized=True), lr=0.001, steps=10)
    simulation = lrft.Simulation(task, linearized, replicas=1, keep_students=True)
    simulation.run()
    with pytest.raises(ValueError, match="no merged weights"):
        simulation.trained()


@pytest.mark.parametrize(("engine", "replicas"), [("reduced", 10_000), ("ambient", 200)])
def test_students_beyond_memory(
    engine: str, replicas: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = lrft.Task.sample(d=4000, k=50, seed=2)
    training = lrft.Training(student=lrft.LoRA(rank=50), lr=1e-4, steps=1, record=2)
    options: dict[str, Any] = {"replicas": replicas, "engine": engine, "threads": 1}
    monkeypatch.setattr("lrft.base.checks.available_memory", lambda: 3 * 10**8)
    lrft.Simulation(task, training, **options)
    with pytest.raises(ValueError, match=f"keep_students=True for 1 tasks x {replicas} replicas"):
        lrft.Simulation(task, training, keep_students=True, **options)


# ---- pandas --------------------------------------------------------------------------------------


def test_tables() -> None:
    tasks = [lrft.Task.sample(d=50, k=2, xi=xi, seed=0) for xi in (0.5, 1.0)]
    training = lrft.Training(lr=0.01, steps=20, record=3)
    ds = lrft.simulate(tasks, training, replicas=[4, 2], seed=0)
    paths = lrft.to_pandas(ds)
    assert len(paths) == 2 * 2 * 3
    for row in paths.itertuples():
        found = ds.isel(task=row.task).sel(replica=row.replica, step=row.step)
        assert (row.overlap_u, row.overlap_c, row.loss) == (
            found.overlap_u,
            found.overlap_c,
            found.loss,
        )
        assert row.xi == found.xi
    hits = lrft.to_pandas(ds, "hits")
    assert len(hits) == 2 * 2 * 10
    assert hits.hit_step.tolist() == ds.hit_step.values.ravel().tolist()
    ends = lrft.to_pandas(ds, "ends")
    assert ends.stop_step.tolist() == [20] * 4
    assert ends.final_overlap_u.tolist() == ds.final_overlap_u.values.ravel().tolist()
    single = lrft.to_pandas(ds.isel(task=0))
    assert single.overlap_u.tolist() == ds.overlap_u[0].values.ravel().tolist()
    with pytest.raises(ValueError, match="what must be one of"):
        lrft.to_pandas(ds, "loss")
    with pytest.raises(ValueError, match="ds lacks overlap_c"):
        lrft.to_pandas(ds.drop_vars(["overlap_c"]))
