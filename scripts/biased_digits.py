"""Train a network with biases in scikit-learn, fine-tune it with lrft, and hand it back.

    python scripts/biased_digits.py     # prints the table of docs/biases.md; half a minute

scikit-learn's `MLPRegressor` has biases in both layers. Its 32 relu neurons learn to tell the
digits 0-4 from 5-9 on the inputs of `train_digits.py`. lrft takes its weights, fine-tunes them to
0-3 against 4-9 by LoRA and in all parameters, and simulates how a perturbation of them is learned;
what comes out is put into a regressor again. Outputs are compared on the images no one trained on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from fine_tune_digits import Array, Pair, errors, images
from train_digits import HIDDEN, SEED, TRAIN

import lrft

STEPS = 10_000
SIMULATED = 20_000


def trained(train: Pair) -> Any:
    """A regressor that scikit-learn has trained."""
    from sklearn.neural_network import MLPRegressor

    regressor = MLPRegressor(
        hidden_layer_sizes=(HIDDEN,), alpha=1.0, max_iter=2_000, random_state=SEED
    )
    return regressor.fit(*train)


def taken(regressor: Any) -> lrft.Weights:
    """Its network for lrft: scikit-learn has the transposes of PyTorch's matrices."""
    (first, second), (b, bias) = regressor.coefs_, regressor.intercepts_
    state = {"0.weight": first.T, "0.bias": b, "2.weight": second.T, "2.bias": bias}
    return lrft.from_state_dict(state, activation=regressor.activation)


def handed_back(network: lrft.Weights, like: Any) -> Any:
    """Make a regressor of a network of the same shape."""
    from copy import deepcopy

    state, regressor = network.state_dict(), deepcopy(like)
    regressor.coefs_ = [state["0.weight"].T, state["2.weight"].T]
    regressor.intercepts_ = [state["0.bias"], state["2.bias"]]
    return regressor


def fine_tuned(base: lrft.Weights, student: Any, train: Pair, choose: Pair) -> lrft.Weights:
    """Fit a student, kept where its error on `choose` is least."""
    ds = lrft.fit(
        base,
        student,
        *train,
        lr=lrft.schedule.InverseTime(2e-3, t0=STEPS / 4),
        batch=4,
        epochs=4 * STEPS // len(train[1]),
        validation=choose,
        record=51,
        keep="best",
        seed=SEED,
    )
    return lrft.merge_weights(base, ds)


def simulated(base: lrft.Weights) -> tuple[float, float, lrft.Weights]:
    """Loss at the start and the end of learning a perturbation, and the network at the end."""
    rng = np.random.default_rng(SEED)
    c, u = rng.standard_normal(len(base.W)), rng.standard_normal(base.W.shape[1])
    task = lrft.Task(
        W=base.W,
        lam=base.lam,
        biases=base.b,
        c=c / np.linalg.norm(c),
        u=u / np.linalg.norm(u),
        xi=float(np.linalg.norm(base.W)),
        activation=base.activation,
    )
    training = lrft.Training(student=lrft.LoRA(2), lr=2e-4, steps=SIMULATED, record=2)
    run = lrft.Simulation(task, training, replicas=1, seed=SEED, keep_students=True)
    run.run()
    first, last = run.dataset().loss.values[0]
    return float(first), float(last), run.trained()


def compared() -> dict[str, Any]:
    """Everything the table has, and the largest difference of outputs on the way there and back."""
    x, digit = images()
    old, new = (np.where(digit >= least, 1.0, -1.0) for least in (5, 4))
    test, choose, train = slice(TRAIN, None), slice(TRAIN - 288, TRAIN), slice(TRAIN - 288)
    regressor = trained((x[: TRAIN - 288], old[: TRAIN - 288]))
    base = taken(regressor)
    students = {
        "LoRA, r = 4": lrft.LoRA(4),
        "all of W, b and λ": lrft.FullNetwork(train_lam=True, train_biases=True),
    }
    networks = {"the base": base}
    for name, student in students.items():
        networks[name] = fine_tuned(base, student, (x[train], new[train]), (x[choose], new[choose]))
    first, last, learned = simulated(base)
    gaps: list[Array] = []
    for network in (*networks.values(), learned):
        gaps.append(handed_back(network, regressor).predict(x[test]) - network.predict(x[test]))
    gaps.append(regressor.predict(x[test]) - base.predict(x[test]))
    return {
        "before": errors(base, (x[test], old[test])),
        "after": {name: errors(one, (x[test], new[test])) for name, one in networks.items()},
        "losses": (first, last),
        "gap": float(max(abs(gap).max() for gap in gaps)),
        "networks": networks,
    }


def main() -> None:
    """Run the script."""
    found = compared()
    print(f"on its own question: {found['before'][0]:.3f} ({found['before'][1]:.1%})")
    print("\n| | mean squared error | right |\n| --- | --- | --- |")
    for name, (error, share) in found["after"].items():
        print(f"| {name} | {error:.3f} | {share:.1%} |")
    print(f"\na perturbation, simulated: loss {found['losses'][0]:.3f} to {found['losses'][1]:.3f}")
    print(f"largest difference of outputs: {found['gap']:.1e}")


if __name__ == "__main__":
    main()
