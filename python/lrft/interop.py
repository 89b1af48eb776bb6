"""Exchange with other libraries: state dicts of PyTorch, safetensors, pandas.

PyTorch is imported only where a tensor is asked for or a ``.pt`` file is opened; tensors that
are given are taken by what they can do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrft import _checks, _files
from lrft.activation import Activation
from lrft.endings import one_overlap
from lrft.network import Weights

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["from_state_dict", "to_pandas"]

_FINAL = ("final_overlap_u", "final_overlap_c", "final_loss")
#: Names of the two layers of Sequential(Linear, activation, Linear).
LAYERS = ("0", "2")
_TORCH_SUFFIXES = (".pt", ".pth")
_MODULES = {
    "relu": "ReLU", "tanh": "Tanh", "sigmoid": "Sigmoid", "gelu": "GELU", "silu": "SiLU",
    "softplus": "Softplus",
}  # fmt: skip


def from_state_dict(
    state: Mapping[str, Any] | str | PathLike[str] | Any,
    activation: str | Activation | None = None,
    *,
    neuron_scale: float = 1.0,
    output_scale: float = 1.0,
    layers: Sequence[str] = LAYERS,
) -> Weights:
    """Take a base network from PyTorch's ``Sequential(Linear, activation, Linear)``.

    Parameters
    ----------
    state : mapping, module or path
        A state dict, of tensors or arrays; a module, for its ``state_dict()``; or a file: ``.pt``
        or ``.pth`` (needs PyTorch) or ``.safetensors`` holding one. It must have
        ``"0.weight"`` of shape (k, d) and ``"2.weight"`` of shape (1, k), and nothing else:
        a bias is refused, since the model has none.
    activation : str or Activation, optional
        σ, which a state dict does not hold: a name, or what `Activation.parse` takes. A
        safetensors file may carry it in its metadata.
    neuron_scale, output_scale : float
        The scales of the model, positive; the weights are divided by them so that the function
        stays the same. 1 leaves every weight as it is.
    layers : pair of str
        Names of the two layers.

    Returns
    -------
    Weights
        W = first weight / neuron_scale, λ = second weight / output_scale, in float64. With both
        scales 1 the numbers are those of the tensors, exactly.

    Raises
    ------
    TypeError, ValueError
        For a bias, a missing or unexpected entry, a wrong shape, an output width other than 1, an
        entry that is not real and finite, or a file that cannot be read.
    ImportError
        If the file is ``.pt`` or ``.pth`` and PyTorch is missing.

    See Also
    --------
    lrft.Weights.state_dict

    Examples
    --------
    >>> import numpy as np, lrft
    >>> state = {"0.weight": np.eye(2, 3, dtype="float32"), "2.weight": np.array([[1.0, -1.0]])}
    >>> base = lrft.from_state_dict(state, activation="tanh")
    >>> base.W.shape, base.lam.tolist()
    ((2, 3), [1.0, -1.0])
    """
    first, second = _layer_names(layers)
    text: dict[str, str] = {}
    where = "state"
    if isinstance(state, (str, PathLike)):
        where = f"state {str(state)!r}"
        state, text = _read(Path(state))
    elif not isinstance(state, Mapping) and callable(getattr(state, "state_dict", None)):
        state = state.state_dict()
    if not isinstance(state, Mapping):
        raise TypeError(f"state must be a state dict, a module or a path, got {type(state)}")
    _check_entries(where, state, first, second)
    W = _array(first, state[first], ("k", "d"))
    head = _array(second, state[second], (1, len(W)))
    if activation is None:
        activation = text.get("activation")
    s = _checks.real("neuron_scale", neuron_scale, above=0.0)
    o = _checks.real("output_scale", output_scale, above=0.0)
    return Weights(
        _checks.array("W", W / s),
        _checks.array("lam", head[0] / o),
        None if activation is None else Activation.parse(activation),
        s,
        o,
    )


def state_dict(
    weights: Weights, dtype: str = "float64", framework: str = "numpy"
) -> dict[str, Any]:
    """Make a state dict; see `lrft.Weights.state_dict`."""
    kind = _checks.choice("dtype", dtype, ("float64", "float32"))
    framework = _checks.choice("framework", framework, ("numpy", "torch"))
    exact = {
        f"{LAYERS[0]}.weight": weights.neuron_scale * weights.W,
        f"{LAYERS[1]}.weight": weights.output_scale * weights.lam[None, :],
    }
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


def to_torch(weights: Weights, dtype: str = "float64") -> Any:
    """Make a module; see `lrft.Weights.to_torch`."""
    _checks.choice("dtype", dtype, ("float64", "float32"))
    kind = "none" if weights.activation is None else str(weights.activation)
    if kind not in _MODULES:
        raise ValueError(
            f"PyTorch has no module for the activation {kind}: take state_dict() and your own"
        )
    torch = _torch("a module")
    k, d = weights.W.shape
    options = {"bias": False, "dtype": getattr(torch, dtype)}
    module = torch.nn.Sequential(
        torch.nn.Linear(d, k, **options),
        getattr(torch.nn, _MODULES[kind])(),
        torch.nn.Linear(k, 1, **options),
    )
    module.load_state_dict(state_dict(weights, dtype, "torch"))
    return module


def save(weights: Weights, path: str | PathLike[str], layout: str, dtype: str) -> None:
    """Write a network; see `lrft.Weights.save`."""
    from lrft import weights as files

    layout = _checks.choice("layout", layout, ("lrft", "torch"))
    if layout == "lrft":
        files.save_weights(
            path, weights.W, weights.lam, weights.activation, weights.neuron_scale,
            weights.output_scale, weights.factors,
        )  # fmt: skip
        return
    suffix = Path(path).suffix
    if suffix not in (".safetensors", *_TORCH_SUFFIXES):
        raise ValueError(f"path must end in .safetensors, .pt or .pth, got {str(path)!r}")
    if suffix == ".safetensors":
        activation = weights.activation
        text = (
            {}
            if activation is None
            else {"activation": files.savable(Activation.parse(activation))}
        )
        files.write(path, state_dict(weights, dtype), text)
    else:
        _save_torch(Path(path), state_dict(weights, dtype, "torch"))


def to_pandas(ds: xr.Dataset, what: str = "paths") -> pd.DataFrame:
    """Lay a result out as one tidy table.

    A dataset holds variables over different dimensions, which no single table can hold without
    repeating itself; so there are three.

    Parameters
    ----------
    ds : xarray.Dataset
        As `lrft.simulate` returns it.
    what : {"paths", "hits", "ends"}
        ``"paths"``: overlaps and loss, a row for each task, replica and step (and component).
        ``"hits"``: first steps, a row for each task, replica and threshold.
        ``"ends"``: status, last step and final values (of several overlaps the smallest), a row
        for each task and replica.

    Returns
    -------
    pandas.DataFrame
        With plain columns, the tasks' d, k, ξ, activation and hash among them, and rows in the
        order of the dataset. No row is dropped: NaN stands for steps after a replica stopped.

    Raises
    ------
    ValueError
        If `what` is not one of these, or ``ds`` lacks the variables.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=50, k=2, seed=0)
    >>> ds = lrft.simulate(task, lrft.Training(lr=0.001, steps=10, record=3), replicas=2, seed=0)
    >>> lrft.to_pandas(ds)[["replica", "step"]].values.tolist()
    [[0, 0], [0, 5], [0, 10], [1, 0], [1, 5], [1, 10]]
    >>> lrft.to_pandas(ds, "ends").status.tolist()
    ['finished', 'finished']
    """
    tables = {
        "paths": ["overlap_u", "overlap_c", "loss"],
        "hits": ["hit_step"],
        "ends": ["status", "stop_step"],
    }
    names = tables[_checks.choice("what", what, tuple(tables))]
    if missing := [name for name in names if name not in ds]:
        raise ValueError(f"ds lacks {', '.join(missing)}: it is not a result of lrft.simulate")
    if what == "ends":  # files of layout 1 have no final values
        names += [name for name in _FINAL if name in ds]
        ds = one_overlap(ds)
    part = ds[names].drop_vars(
        [name for name in ("loss_threshold", "threshold", "step") if name not in ds[names].dims],
        errors="ignore",
    )
    if not part.dims:
        raise ValueError("ds must have a dimension: give the dataset itself, not one entry of it")
    return part.to_dataframe(dim_order=[str(dim) for dim in part.dims]).reset_index()


# ---- reading --------------------------------------------------------------------------------


def _layer_names(layers: Sequence[str]) -> tuple[str, str]:
    if isinstance(layers, str) or len(layers) != 2:
        raise ValueError(f"layers must be the names of two layers, got {layers!r}")
    return f"{layers[0]}.weight", f"{layers[1]}.weight"


def _check_entries(where: str, state: Mapping[str, Any], first: str, second: str) -> None:
    for name in state:
        if str(name).endswith(".bias"):
            raise ValueError(
                f"{where} has a bias, {name!r}: the model has none. Make the layers with "
                "bias=False, or drop the entry if it is zero"
            )
    for name in (first, second):
        if name not in state:
            raise ValueError(
                f"{where} has no entry {name!r}, only {sorted(map(str, state))}: expected the "
                "state dict of Sequential(Linear, activation, Linear), or other names in layers"
            )
    if extra := sorted(map(str, set(state) - {first, second})):
        raise ValueError(f"{where} has unexpected entries {extra}: expected two layers only")
    shape = tuple(state[second].shape)
    if len(shape) != 2 or shape[0] != 1:
        raise ValueError(f"{second} must have shape (1, k), one output, got {shape}")


def _array(name: str, value: Any, shape: tuple[int | str, ...]) -> NDArray[np.float64]:
    if callable(getattr(value, "detach", None)):  # a tensor
        if not value.is_floating_point():
            raise TypeError(f"{name} must be a tensor of real numbers, got {value.dtype}")
        value = value.detach().cpu().double().numpy()  # exact, of bfloat16 too
    return _checks.array(name, value, shape)


def _read(path: Path) -> tuple[Any, dict[str, str]]:
    from lrft import weights

    if path.suffix not in _TORCH_SUFFIXES:
        if path.suffix != ".safetensors":
            raise ValueError(f"state must end in .safetensors, .pt or .pth, got {str(path)!r}")
        return weights.read(path)
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
        with _files.whole(path) as temporary, temporary.open("wb") as file:
            torch.save(tensors, file)
    except (OSError, RuntimeError) as error:
        raise ValueError(f"cannot write {str(path)!r}: {error}") from None


def _torch(what: str) -> Any:
    try:
        import torch
    except ImportError:
        raise ImportError(f"{what} needs PyTorch: pip install torch") from None
    return torch
