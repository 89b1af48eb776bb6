"""Weights in files of our own layout, ``.npz`` and ``.safetensors``: arrays by name, and texts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.base import checks, foreign
from lrft.base.arrays import read, write
from lrft.model.activation import Activation, savable

Floats = NDArray[np.float64]

__all__ = ["parts", "save_weights"]

_SHIPPED = ("digits",)


def save_weights(
    path: str | PathLike[str],
    W: ArrayLike,
    lam: ArrayLike,
    activation: str | Activation | None = None,
    neuron_scale: float = 1.0,
    output_scale: float = 1.0,
    factors: Mapping[str, ArrayLike] | None = None,
    strength: float | None = None,
    b: ArrayLike | None = None,
    output_bias: float = 0.0,
) -> None:
    """Write a base network that :func:`lrft.load_weights` reads.

    Parameters
    ----------
    path : path
        Ends in ``.npz`` or ``.safetensors``.
    W, lam : array_like of shape (k, d) and (k,)
    activation : str or Activation, optional
    neuron_scale, output_scale : float
    factors : mapping, optional
        Of a trained network: those of `Weights`.
    strength : float, optional
        ξ or α/r, that of the factors.
    b : array_like of shape (k,), optional
        Biases of the neurons.
    output_bias : float

    Raises
    ------
    TypeError, ValueError
        Naming the argument, or the path that cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lrft import load_weights, save_weights
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "base.npz"
    ...     save_weights(path, W=[[1.0, 0.0]], lam=[2.0], neuron_scale=0.5)
    ...     load_weights(path).neuron_scale
    0.5
    """
    W = checks.array("W", W, ("k", "d"))
    arrays = {"W": W, "lam": checks.array("lam", lam, (len(W),))}
    arrays |= {name: checks.array(name, value) for name, value in (factors or {}).items()}
    if b is not None:
        arrays["b"] = checks.array("b", b, (len(W),))
    text = {
        "neuron_scale": repr(checks.real("neuron_scale", neuron_scale, above=0.0)),
        "output_scale": repr(checks.real("output_scale", output_scale, above=0.0)),
    }
    if output_bias != 0.0:
        text["output_bias"] = repr(checks.real("output_bias", output_bias))
    if strength is not None:
        text["strength"] = repr(checks.real("strength", strength, above=0.0))
    if activation is not None:
        text["activation"] = savable(Activation.parse(activation))
    write(path, arrays, text)


def parts(path: str | PathLike[str]) -> dict[str, Any]:
    """Read what a file says of a network, checked: the arguments of `lrft.Weights`."""
    if isinstance(path, str) and path in _SHIPPED:  # never a file's: those have a suffix
        path = Path(str(resources.files("lrft.data") / f"{path}.safetensors"))
    elif isinstance(path, str) and not os.path.splitext(path)[1] and not os.path.exists(path):
        raise ValueError(f"path={path!r}: neither a file nor one of {', '.join(_SHIPPED)}")
    arrays, text = read(path)
    with foreign.explained(f"cannot read weights from {str(path)!r}"):
        names = set(arrays) - {"W", "lam", "b"}
        if names and names not in ({"u_hat", "c_hat"}, {"A", "B"}):
            hint = ""
            if any(name.endswith(".weight") for name in names):
                hint = "; lrft.from_state_dict reads a state dict of PyTorch"
            raise ValueError(
                f"unexpected arrays {sorted(names)}: a base network has W and lam{hint}"
            )
        for name in ("W", "lam"):
            if name not in arrays:
                raise ValueError(f"no array {name!r}: a base network has W (k, d) and lam (k,)")
        W = checks.array("W", arrays["W"], ("k", "d"))
        lam = checks.array("lam", arrays["lam"], (len(W),))
        r = arrays["A"].shape[0] if "A" in arrays else 1
        shapes = {
            "u_hat": (W.shape[1],),
            "c_hat": (len(W),),
            "A": (r, W.shape[1]),
            "B": (len(W), r),
        }
        b = checks.array("b", arrays["b"], (len(W),)) if "b" in arrays else None
        factors = {name: checks.array(name, arrays[name], shapes[name]) for name in sorted(names)}
        activation = Activation.parse(text["activation"]) if "activation" in text else None
        scales = {}
        for name in ("neuron_scale", "output_scale"):
            scales[name] = checks.real(name, float(text.get(name, "1")), above=0.0)
        if "strength" in text:
            scales["strength"] = checks.real("strength", float(text["strength"]), above=0.0)
        scales["output_bias"] = checks.real("output_bias", float(text.get("output_bias", "0")))
    return {"W": W, "lam": lam, "b": b, "activation": activation, "factors": factors} | scales
