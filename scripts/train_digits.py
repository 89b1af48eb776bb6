"""Train the base network that ships with lrft, on scikit-learn's handwritten digits.

    python scripts/train_digits.py            # train, report, write the package's data file
    python scripts/train_digits.py --check    # evaluate the shipped file only

The network is f(x) = Σ_i lam_i relu(<w_i, x>): 64 inputs, 32 hidden units, no biases, one output
fitted by squared loss to +1 where the digit is 5 or more and to -1 elsewhere.

Inputs. lrft's model draws x ~ N(0, I). So that the trained weights live in coordinates where this
is the Gaussian with the data's own first two moments, images are centred and whitened,
x = Σ^{-1/2} (image - mean), with mean and covariance of the training images. A little ridge is
added to Σ: without it pixels that are always blank would have infinite gain, and nearly blank ones
would be noise blown up.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

Array = NDArray[np.float64]

TARGET = Path(__file__).resolve().parents[1] / "python" / "lrft" / "data" / "digits.safetensors"
SEED = 0
HIDDEN = 32
TRAIN = 1437  # four fifths of the 1797 images
RIDGE = 0.05  # share of the mean pixel variance
WEIGHT_DECAY = 3e-3
STEPS = 6000
BATCH = 128


def digits() -> tuple[Array, Array, Array, Array]:
    """Whitened training and test images and their labels.

    Returns
    -------
    x_train, y_train, x_test, y_test
        float64 (1437, 64), (1437,), (360, 64), (360,); labels are +1 for digits 5 to 9, else -1.
    """
    from sklearn.datasets import load_digits

    images, digit = load_digits(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(images))
    images, labels = images[order] / 16.0, np.where(digit[order] >= 5, 1.0, -1.0)
    mean = images[:TRAIN].mean(axis=0)
    covariance = np.cov(images[:TRAIN], rowvar=False)
    covariance += RIDGE * np.trace(covariance) / 64 * np.eye(64)
    values, vectors = np.linalg.eigh(covariance)
    x = (images - mean) @ (vectors / np.sqrt(values)) @ vectors.T
    return x[:TRAIN], labels[:TRAIN], x[TRAIN:], labels[TRAIN:]


def network(W: Array, lam: Array, x: Array) -> Array:
    """f(x) for each row of x: (n, 64) -> (n,)."""
    return np.asarray(np.maximum(x @ W.T, 0.0) @ lam)


def accuracy(W: Array, lam: Array, x: Array, labels: Array) -> float:
    """Share of the rows of x on which sign f(x) is the label."""
    return float(np.mean(np.sign(network(W, lam, x)) == labels))


def train(x: Array, labels: Array) -> tuple[Array, Array]:
    """Adam on the squared loss with weight decay; the rate falls to zero along a cosine.

    Returns
    -------
    W : (32, 64)
    lam : (32,)
    """
    rng = np.random.default_rng(SEED + 1)
    parameters = [
        rng.standard_normal((HIDDEN, 64)) / 8.0,
        rng.standard_normal(HIDDEN) / np.sqrt(HIDDEN),
    ]
    first = [np.zeros_like(p) for p in parameters]
    second = [np.zeros_like(p) for p in parameters]
    for step in range(1, STEPS + 1):
        rate = 5e-3 * 0.5 * (1.0 + np.cos(np.pi * step / STEPS))
        rows = rng.integers(0, len(x), BATCH)
        W, lam = parameters
        z = x[rows] @ W.T
        hidden = np.maximum(z, 0.0)
        residual = 2.0 * (hidden @ lam - labels[rows]) / BATCH
        gradients = [
            ((residual[:, None] * lam) * (z > 0.0)).T @ x[rows],
            hidden.T @ residual,
        ]
        for p, g, m, v in zip(parameters, gradients, first, second, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            update = (m / (1.0 - 0.9**step)) / (np.sqrt(v / (1.0 - 0.999**step)) + 1e-8)
            p -= rate * (update + WEIGHT_DECAY * p)
    return parameters[0], parameters[1]


def evaluate(path: Path = TARGET) -> dict[str, Any]:
    """Accuracy of a weights file on the same split, beside the one its metadata states.

    Returns
    -------
    dict
        ``train``, ``test``: measured; ``stated``: the file's metadata.
    """
    with safe_open(path, framework="numpy") as file:
        W, lam, stated = file.get_tensor("W"), file.get_tensor("lam"), file.metadata()
    x_train, y_train, x_test, y_test = digits()
    return {
        "train": accuracy(W, lam, x_train, y_train),
        "test": accuracy(W, lam, x_test, y_test),
        "stated": stated,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="evaluate the file, train nothing")
    parser.add_argument("--out", type=Path, default=TARGET)
    options = parser.parse_args()
    if not options.check:
        x_train, y_train, x_test, y_test = digits()
        W, lam = train(x_train, y_train)
        metadata = {
            "activation": "relu",
            "task": "f(x) > 0: the digit is 5, 6, 7, 8 or 9",
            "train_accuracy": f"{accuracy(W, lam, x_train, y_train):.4f}",
            "test_accuracy": f"{accuracy(W, lam, x_test, y_test):.4f}",
            "data": "scikit-learn load_digits, 1437 training and 360 test images, split by seed 0",
            "inputs": f"pixels / 16, centred, whitened with ridge {RIDGE} of the mean variance",
            "made_by": "scripts/train_digits.py",
        }
        save_file({"W": W, "lam": lam}, options.out, metadata=metadata)
    print(json.dumps(evaluate(options.out), indent=2))


if __name__ == "__main__":
    main()
