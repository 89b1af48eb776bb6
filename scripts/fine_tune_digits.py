"""Fine-tune the shipped digits network to other questions, and compare students.

    python scripts/fine_tune_digits.py        # prints the tables of docs/howto.md; two minutes

The base was trained to tell digits 0-4 from 5-9. Here it learns to tell 0-3 from 4-9, which differs
from that in one digit, and even from odd, which has nothing to do with it. Inputs are
those of `train_digits.py`. The 360 images that the base never saw are the test. Of the others, n
train, 288 choose learning rate, length of the rank-one perturbation and stopping step of each
student, and neither they nor the test are trained on.

Controls: the base as it is; the base with new output weights alone, by ridge regression; the same
network from scratch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from train_digits import HIDDEN, SEED, TRAIN, digits

import lrft

Array = NDArray[np.float64]
Pair = tuple[Array, Array]

SIZES = (50, 200, 1149)
CHOOSE = 288
STEPS, BATCH = 20_000, 4
RATES = (5e-4, 1e-3, 2e-3, 4e-3)
LENGTHS = (1.5, 3.0, 6.0)  # of the rank-one perturbation
REPLICAS = 5  # other orders of the samples, and other starts


def images() -> tuple[Array, NDArray[np.int64]]:
    """All images, the base's test images last, and which digits they show."""
    from sklearn.datasets import load_digits

    x_train, _, x_test, _ = digits()
    _, digit = load_digits(return_X_y=True)
    digit = digit[np.random.default_rng(SEED).permutation(len(digit))]
    return np.concatenate([x_train, x_test]), digit


def students() -> dict[str, tuple[Any, tuple[float | None, ...]]]:
    """Every student, with the lengths xi to choose from."""
    rng = np.random.default_rng(SEED)
    found: dict[str, tuple[Any, tuple[float | None, ...]]] = {
        "rank-one, on spheres": (
            lrft.RankOne(train_c=True, orthogonal=False, c_init="sphere"),
            LENGTHS,
        )
    }
    for rank in (1, 2, 4, 8):
        found[f"LoRA, r = {rank}"] = (lrft.LoRA(rank=rank), (None,))
    found["all of W"] = (lrft.FullNetwork(), (None,))
    found["W and λ"] = (lrft.FullNetwork(train_lam=True), (None,))
    scratch = lrft.FullNetwork(
        width=HIDDEN,
        init="gaussian",
        lam_init=rng.standard_normal(HIDDEN) / np.sqrt(HIDDEN),
        train_lam=True,
    )
    found["from scratch"] = (scratch, (None,))
    return found


def errors(weights: lrft.Weights, test: Pair) -> tuple[float, float]:
    """Mean squared error and accuracy."""
    f = weights.predict(test[0])
    return float(np.mean((f - test[1]) ** 2)), float(np.mean(np.sign(f) == test[1]))


def tuned(
    base: lrft.Weights, student: Any, xis: tuple[float | None, ...], train: Pair, choose: Pair
) -> list[lrft.Weights]:
    """Fit at every rate and length; the networks of the choice with the least error on `choose`."""
    best, found = np.inf, []
    for lr in RATES:
        for xi in xis:
            ds = lrft.fit(
                base,
                student,
                *train,
                lr=lrft.schedule.InverseTime(lr, t0=STEPS / 4),
                batch=BATCH,
                epochs=STEPS * BATCH // len(train[1]),
                validation=choose,
                record=51,
                keep="best",
                xi=xi,
                replicas=REPLICAS,
                seed=SEED,
            )
            if (ds.status == "diverged").any():
                continue
            error = float(ds.validation_loss.min("step").mean())
            if error < best:
                best = error
                found = [lrft.merge_weights(base, ds, replica) for replica in range(REPLICAS)]
    return found


def refit(base: lrft.Weights, train: Pair, choose: Pair) -> lrft.Weights:
    """Fit new output weights on the base's features, the ridge chosen on `choose`."""
    H = np.maximum(train[0] @ base.W.T, 0.0)
    found = []
    for ridge in np.geomspace(1e-4, 1.0, 9):
        gram = H.T @ H + ridge * len(H) * np.eye(len(base.lam))
        lam = np.linalg.solve(gram, H.T @ train[1])
        found.append(lrft.Weights(base.W, lam, base.activation))
    return min(found, key=lambda weights: errors(weights, choose)[0])


def table(x: Array, y: Array) -> None:
    """Print test errors of all students at all sizes for labels y."""
    base = lrft.load_weights("digits")
    test = (x[TRAIN:], y[TRAIN:])
    choose = (x[TRAIN - CHOOSE : TRAIN], y[TRAIN - CHOOSE : TRAIN])
    print("| student | " + " | ".join(f"n = {n}" for n in SIZES) + " |")
    print("| --- |" + " --- |" * len(SIZES))
    rows: dict[str, list[list[lrft.Weights]]] = {
        "the base": [[base]] * len(SIZES),
        "new λ only": [[refit(base, (x[:n], y[:n]), choose)] for n in SIZES],
    }
    for name, (student, xis) in students().items():
        rows[name] = [tuned(base, student, xis, (x[:n], y[:n]), choose) for n in SIZES]
    for name, sizes in rows.items():
        cells = []
        for networks in sizes:
            found = np.array([errors(weights, test) for weights in networks])
            spread = f" ± {found[:, 0].std(ddof=1):.3f}" if len(found) > 1 else ""
            cells.append(f"{found[:, 0].mean():.3f}{spread} ({found[:, 1].mean():.1%})")
        print(f"| {name} | " + " | ".join(cells) + " |")


def main() -> None:
    x, digit = images()
    for question, yes in (("0-3 or 4-9", digit >= 4), ("even or odd", digit % 2 == 1)):
        print(f"\n{question}\n")
        table(x, np.where(yes, 1.0, -1.0))


if __name__ == "__main__":
    main()
