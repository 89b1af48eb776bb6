"""Trained factors as adapters of peft; the package itself is used where it is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrft

pytestmark = pytest.mark.any_set

STUDENTS = {
    "rank one": lrft.RankOne(train_c=True),
    "LoRA": lrft.LoRA(3, alpha=6.0, b_init="gaussian"),
}
INPUTS = np.random.default_rng(8).standard_normal((500, 30))


def trained(student: Any) -> tuple[lrft.Task, lrft.Weights]:
    task = lrft.Task.sample(d=30, k=4, activation="tanh", neuron_scale=0.7, output_scale=1.5)
    training = lrft.Training(student=student, lr=1e-3, steps=500)
    simulation = lrft.Simulation(task, training, replicas=1, keep_students=True)
    simulation.run()
    return task, simulation.trained()


def base_of(task: lrft.Task) -> lrft.Weights:
    return lrft.Weights(task.W, task.lam, task.activation, task.neuron_scale, task.output_scale)


@pytest.mark.parametrize("name", STUDENTS)
def test_an_adapter_goes_out_and_comes_back(name: str, tmp_path: Path) -> None:
    task, network = trained(STUDENTS[name])
    base = base_of(task)
    np.testing.assert_allclose(network.base().W, task.W, atol=1e-14)
    network.save(tmp_path / "new" / "adapter", layout="peft")
    files = {path.name for path in (tmp_path / "new" / "adapter").iterdir()}
    assert files == {"adapter_config.json", "adapter_model.safetensors"}
    again = lrft.load_adapter(base, tmp_path / "new" / "adapter")
    np.testing.assert_allclose(again.W, network.W, rtol=0, atol=1e-14)
    assert abs(again.predict(INPUTS) - network.predict(INPUTS)).max() < 1e-12
    if name == "rank one":
        np.testing.assert_array_equal(again.factors["A"][0], network.factors["u_hat"])
        scaled = task.xi * network.factors["c_hat"]
        np.testing.assert_array_equal(again.factors["B"][:, 0], scaled)
    # Again from what was read, and as a file of our own.
    again.save(tmp_path / "again", layout="peft", dtype="float32")
    third = lrft.load_adapter(base, tmp_path / "again")
    assert abs(third.predict(INPUTS) - network.predict(INPUTS)).max() < 1e-6
    network.save(tmp_path / "own.npz")
    assert lrft.load_weights(tmp_path / "own.npz").strength == network.strength


def test_what_has_no_factors_is_refused(tmp_path: Path) -> None:
    base = lrft.Weights(np.eye(2), np.ones(2), "relu")
    with pytest.raises(ValueError, match="no low-rank factors"):
        base.save(tmp_path / "adapter", layout="peft")
    factors = {"u_hat": np.array([1.0, 0.0]), "c_hat": np.array([0.0, 1.0])}
    with pytest.raises(ValueError, match="strength of these factors is not known"):
        lrft.Weights(np.eye(2), np.ones(2), factors=factors).save(tmp_path, layout="peft")
    with pytest.raises(ValueError, match="No such file"):
        lrft.load_adapter(base, tmp_path / "nowhere")
    with pytest.raises(TypeError, match="base must be Weights"):
        lrft.load_adapter("digits", tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"peft_type": "LOHA"}, "peft_type must be 'LORA'"),
        ({"use_dora": True}, "use_dora must be False"),
        ({"bias": "all"}, "bias must be 'none'"),
        ({"r": 0}, "r must be at least 1"),
        ({"r": 2}, "lora_A must have shape"),
        ({"lora_alpha": "1"}, "lora_alpha must be a real number"),
    ],
)
def test_another_adapter_is_refused(change: dict, message: str, tmp_path: Path) -> None:
    task, network = trained(STUDENTS["LoRA"])
    network.save(tmp_path, layout="peft")
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        lrft.load_adapter(base_of(task), tmp_path)


def test_rank_stabilised_scaling(tmp_path: Path) -> None:
    task, network = trained(STUDENTS["LoRA"])
    network.save(tmp_path, layout="peft")
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"use_rslora": True}))
    strength = lrft.load_adapter(base_of(task), tmp_path).strength
    assert strength == pytest.approx(network.strength * 3**0.5)


@pytest.mark.filterwarnings("ignore")  # of the packages themselves
@pytest.mark.parametrize("name", STUDENTS)
def test_peft_loads_it_and_writes_one(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    peft = pytest.importorskip("peft", reason="peft is not installed")
    task, network = trained(STUDENTS[name])
    network.save(tmp_path / "ours", layout="peft")
    module = network.base().to_torch()
    X = torch.from_numpy(INPUTS)
    with torch.no_grad():
        before = module(X)[:, 0].numpy()
        model = peft.PeftModel.from_pretrained(module, str(tmp_path / "ours"))
        after = model(X)[:, 0].numpy()
    assert abs(before - network.predict(INPUTS)).max() > 1e-3
    assert abs(after - network.predict(INPUTS)).max() < 1e-6
    model.save_pretrained(str(tmp_path / "theirs"))
    again = lrft.load_adapter(base_of(task), tmp_path / "theirs")
    assert abs(again.predict(INPUTS) - network.predict(INPUTS)).max() < 1e-6
