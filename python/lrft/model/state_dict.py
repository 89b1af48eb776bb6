"""The layout of PyTorch: state dicts, modules and files of ``Sequential(Linear, σ, Linear)``.

PyTorch is imported only where a tensor is asked for or a ``.pt`` file is opened; tensors that
are given are taken by what they can do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft.base import arrays as array_files
from lrft.base import checks
from lrft.base import files as whole_files
from lrft.model.activation import Activation, savable

Floats = NDArray[np.float64]

#: Names of the two layers of Sequential(Linear, activation, Linear).
LAYERS = ("0", "2")
_TORCH_SUFFIXES = (".pt", ".pth")


class Layers(NamedTuple):
    """Both layers as they are there."""

    first: Floats  #: (k, d)
    second: Floats  #: (k,)
    b: Floats | None = None  #: (k,) of the first; None: neither has a bias
    output_bias: float = 0.0


def state_dict(layers: Layers, dtype: str = "float64", framework: str = "numpy") -> dict[str, Any]:
    """Make a state dict; see `lrft.Weights.state_dict`."""
    kind = checks.choice("dtype", dtype, ("float64", "float32"))
    framework = checks.choice("framework", framework, ("numpy", "torch"))
    exact = {f"{LAYERS[0]}.weight": layers.first, f"{LAYERS[1]}.weight": layers.second[None, :]}
    if layers.b is not None:
        exact[f"{LAYERS[0]}.bias"] = layers.b
        exact[f"{LAYERS[1]}.bias"] = np.array([layers.output_bias])
    arrays = {}
    for name, value in exact.items():
        with np.errstate(over="ignore"):
            arrays[name] = np.array(value, dtype=kind, order="C")
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} has weights beyond the range of {kind}")
    if framework == "numpy":
        return arrays
    torch = _torch("a state dict of tensors")
    return {name: torch.from_numpy(value) for name, value in arrays.items()}


def to_torch(layers: Layers, activation: Activation | None, dtype: str = "float64") -> Any:
    """Make a module; see `lrft.Weights.to_torch`."""
    checks.choice("dtype", dtype, ("float64", "float32"))
    if activation is None or not activation.facts.torch:
        raise ValueError(
            f"PyTorch has no module for the activation {activation or 'none'}: "
            "take state_dict() and your own"
        )
    torch = _torch("a module")
    k, d = layers.first.shape
    options = {"bias": layers.b is not None, "dtype": getattr(torch, dtype)}
    module = torch.nn.Sequential(
        torch.nn.Linear(d, k, **options),
        getattr(torch.nn, activation.facts.torch)(),
        torch.nn.Linear(k, 1, **options),
    )
    module.load_state_dict(state_dict(layers, dtype, "torch"))
    return module


def save(
    path: str | PathLike[str], layers: Layers, activation: Activation | None, dtype: str
) -> None:
    """Write a state dict; see `lrft.Weights.save`."""
    suffix = Path(path).suffix
    if suffix not in (".safetensors", *_TORCH_SUFFIXES):
        raise ValueError(f"path must end in .safetensors, .pt or .pth, got {str(path)!r}")
    if suffix == ".safetensors":
        text = {} if activation is None else {"activation": savable(activation)}
        array_files.write(path, state_dict(layers, dtype), text)
    else:
        _save_torch(Path(path), state_dict(layers, dtype, "torch"))


def parts(
    state: Mapping[str, Any] | str | PathLike[str] | Any, layers: Sequence[str]
) -> tuple[Layers, dict[str, str]]:
    """Read a state dict, and the texts of its file."""
    first, second = _layer_names(layers)
    biases = {"hidden": f"{layers[0]}.bias", "output": f"{layers[1]}.bias"}
    text: dict[str, str] = {}
    where = "state"
    if isinstance(state, (str, PathLike)):
        where = f"state {str(state)!r}"
        state, text = _read(Path(state))
    elif not isinstance(state, Mapping) and callable(getattr(state, "state_dict", None)):
        state = state.state_dict()
    if not isinstance(state, Mapping):
        raise TypeError(f"state must be a state dict, a module or a path, got {type(state)}")
    _check_entries(where, state, first, second, set(biases.values()))
    W = _array(first, state[first], ("k", "d"))
    head = _array(second, state[second], (1, len(W)))
    b, bias = None, 0.0
    if (name := biases["hidden"]) in state:
        b = _array(name, state[name], (len(W),))
    if (name := biases["output"]) in state:
        bias = float(_array(name, state[name], (1,))[0])
    return Layers(W, head[0], b, bias), text


def _layer_names(layers: Sequence[str]) -> tuple[str, str]:
    if isinstance(layers, str) or len(layers) != 2:
        raise ValueError(f"layers must be the names of two layers, got {layers!r}")
    return f"{layers[0]}.weight", f"{layers[1]}.weight"


def _check_entries(
    where: str, state: Mapping[str, Any], first: str, second: str, biases: set[str]
) -> None:
    for name in (first, second):
        if name not in state:
            raise ValueError(
                f"{where} has no entry {name!r}, only {sorted(map(str, state))}: expected the "
                "state dict of Sequential(Linear, activation, Linear), or other names in layers"
            )
    if extra := sorted(map(str, set(state) - {first, second} - biases)):
        raise ValueError(f"{where} has unexpected entries {extra}: expected two layers only")
    shape = tuple(state[second].shape)
    if len(shape) != 2 or shape[0] != 1:
        raise ValueError(f"{second} must have shape (1, k), one output, got {shape}")


def _array(name: str, value: Any, shape: tuple[int | str, ...]) -> NDArray[np.float64]:
    if callable(getattr(value, "detach", None)):  # a tensor
        if not value.is_floating_point():
            raise TypeError(f"{name} must be a tensor of real numbers, got {value.dtype}")
        value = value.detach().cpu().double().numpy()  # exact, of bfloat16 too
    return checks.array(name, value, shape)


def _read(path: Path) -> tuple[Any, dict[str, str]]:
    if path.suffix not in _TORCH_SUFFIXES:
        if path.suffix != ".safetensors":
            raise ValueError(f"state must end in .safetensors, .pt or .pth, got {str(path)!r}")
        return array_files.read(path)
    if not path.is_file():
        raise ValueError(f"cannot read {str(path)!r}: no such file")
    torch = _torch(f"reading {path.name}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True), {}
    except Exception as error:  # torch raises many kinds for files that are not its own
        reason = str(error).split("\n")[0]
        raise ValueError(
            f"cannot read {str(path)!r} as a state dict (write one with "
            f"torch.save(module.state_dict(), path)): {reason}"
        ) from None


def _save_torch(path: Path, tensors: dict[str, Any]) -> None:
    torch = _torch("a .pt file")
    try:
        # Given a path, PyTorch would write its name into the file.
        with whole_files.whole(path) as temporary, temporary.open("wb") as file:
            torch.save(tensors, file)
    except (OSError, RuntimeError) as error:
        raise ValueError(f"cannot write {str(path)!r}: {error}") from None


def _torch(what: str) -> Any:
    try:
        import torch
    except ImportError:
        raise ImportError(f"{what} needs PyTorch: pip install torch") from None
    return torch
