"""The shipped base network is what its script says, and its perturbation can be learned."""

from __future__ import annotations

import importlib.util
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrft
from lrft.cli import main
from lrft.core.engine import compiled
from lrft.model.given import given_weights

SHIPPED = Path(str(resources.files("lrft.data") / "digits.safetensors"))
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "train_digits.py"


def script(name: str = "train_digits") -> Any:
    pytest.importorskip("sklearn", reason="scikit-learn, which has the digits, is not installed")
    spec = importlib.util.spec_from_file_location(name, SCRIPT.with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_accuracy_is_the_one_stated() -> None:
    found = script().evaluate(SHIPPED)
    assert f"{found['train']:.4f}" == found["stated"]["train_accuracy"]
    assert f"{found['test']:.4f}" == found["stated"]["test_accuracy"]
    assert found["test"] > 0.95


def test_training_again_gives_the_shipped_weights() -> None:
    module = script()
    x, labels, _, _ = module.digits()
    W, lam = module.train(x, labels)
    shipped = lrft.load_weights(SHIPPED)
    # Summation order differs between BLAS builds and the difference grows over 6,000 steps;
    # another seed, split or preprocessing gives weights that differ by their own size.
    assert np.linalg.norm(W - shipped.W) < 1e-3 * np.linalg.norm(shipped.W)
    assert np.linalg.norm(lam - shipped.lam) < 1e-3 * np.linalg.norm(shipped.lam)


def test_perturbed_digits_are_as_given() -> None:
    task = given_weights(weights="digits", seed=2)
    shipped = lrft.load_weights(SHIPPED)
    assert task.W.shape == (32, 64)
    np.testing.assert_array_equal(task.W, shipped.W)
    np.testing.assert_array_equal(task.lam, shipped.lam)
    assert task.xi == pytest.approx(np.linalg.norm(shipped.W))
    assert task.u_orthogonal
    assert str(task.activation) == "relu"
    assert not np.allclose(task.u, given_weights(weights="digits", seed=3).u)


@pytest.mark.parametrize("parallel", [0.25, 1.0])
def test_given_weights_take_a_parallel_part(parallel: float) -> None:
    task = given_weights(weights="digits", parallel=parallel)
    inside = np.linalg.norm(np.linalg.qr(task.W.T)[0].T @ task.u)
    assert inside == pytest.approx(parallel, abs=1e-12)


def seen(task: lrft.Task) -> float:
    """How much of the loss of the perturbation is left, relative to c in any other direction.

    At u-hat = u the loss is about (c - c-hat)^T M (c - c-hat), M_ij = lam_i lam_j E sigma' sigma':
    c^T M c against the mean of the eigenvalues of M.  It is also what moves u-hat off its start.
    """
    gram = np.ascontiguousarray(task.neuron_scale**2 * task.W @ task.W.T)
    M = np.outer(task.lam, task.lam) * compiled.moments(task.activation.core, gram, True)
    return float(task.c @ M @ task.c / (np.trace(M) / task.k))


def test_defaults_of_the_command_line_recover_the_perturbation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Eigenvalues of M reach from 1/7 of their mean to 15 times it: a c that avoids the
    # large ones is found too slowly for the default number of steps.
    tasks = (str(s) for s in range(100) if seen(given_weights(weights="digits", seed=s)) >= 1)
    drawn = ["--weights", "digits", "--task-seed", next(tasks)]
    with pytest.raises(SystemExit) as caught:
        main(["run", *drawn, "--replicas", "4", "--out", str(tmp_path)])
    assert caught.value.code == 0, capsys.readouterr().err
    ds = lrft.load(tmp_path / "lrft-run.nc")
    final = ds.isel(step=-1)
    # Noiseless: û goes on to the teacher's own, ĉ where M sees it, and the loss to zero. A replica
    # at the wrong sign of ĉ would stay at a loss of the order of the first one.
    assert (abs(final.overlap_u) > 0.99).all()
    assert (final.overlap_u * final.overlap_c > 0.9).all()
    assert (final.loss < 0.01 * ds.loss.isel(step=0)).all()


def test_fine_tuning_to_another_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """0-3 against 4-9 instead of 0-4 against 5-9: the error on images no choice has seen.

    Every student must halve that of the base, from 200 images, and beat both controls: the base
    with new output weights alone, and the same network from scratch with the same images.
    """
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    module = script("fine_tune_digits")
    for name, fewer in (("RATES", (1e-3, 4e-3)), ("LENGTHS", (1.5, 3.0)), ("REPLICAS", 3)):
        monkeypatch.setattr(module, name, fewer)
    x, digit = module.images()
    y = np.where(digit >= 4, 1.0, -1.0)
    base = lrft.load_weights("digits")
    train, choose, test = (
        (x[part], y[part]) for part in (slice(200), slice(1149, 1437), slice(1437, None))
    )
    before = module.errors(base, test)[0]
    found = {"new output weights": module.errors(module.refit(base, train, choose), test)[0]}
    for name, (student, xis) in module.students().items():
        networks = module.tuned(base, student, xis, train, choose)
        # A rank-one start can be on the wrong side; the choosing images tell, not the test's.
        best = min(networks, key=lambda network: module.errors(network, choose)[0])
        found[name] = module.errors(best, test)[0]
    controls = min(found.pop("new output weights"), found.pop("from scratch"))
    assert len(found) == 7
    for error in found.values():
        assert error < 0.5 * before
        assert error < 0.9 * controls


def test_biases_of_scikit_learn_go_there_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that scikit-learn trained, fitted and simulated, as scikit-learn evaluates it."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    module = script("biased_digits")
    monkeypatch.setattr(module, "STEPS", 2_000)
    found = module.compared()
    base, *students = found["networks"].values()
    assert abs(base.b).max() > 0.05
    assert abs(base.output_bias) > 0.05
    assert found["gap"] < 1e-12
    assert found["before"][1] > 0.95
    first, last = found["losses"]
    assert last < 0.5 * first
    lora, full = students
    assert (lora.b == base.b).all()
    assert abs(full.b - base.b).max() > 1e-3
    for error, _ in list(found["after"].values())[1:]:
        assert error < 0.7 * found["after"]["the base"][0]
