"""Files of tasks and base networks: ``.npz`` and ``.safetensors``.

Both hold named arrays and one JSON text.  Files are written beside their place and moved
there, so that a full disk or a crash never leaves half a file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft import _archive, _checks, _files, _foreign
from lrft.activation import Activation
from lrft.network import Weights

if TYPE_CHECKING:
    from lrft.task import Task

Floats = NDArray[np.float64]

__all__ = ["Weights", "load_weights", "save_weights"]

#: Version of the task file; other versions are refused.
TASK_VERSION = 1
_SHIPPED = ("digits",)
SUFFIXES = (".npz", ".safetensors")


def load_weights(path: str | PathLike[str]) -> Weights:
    """Read a base network.

    Parameters
    ----------
    path : path, or "digits"
        The base network that ships with lrft, trained on handwritten digits; or a file,
        ``.npz`` or ``.safetensors``, bfloat16 too, with the arrays W (k, d) and lam (k,), and
        optionally activation, neuron_scale and output_scale: metadata of a safetensors file, 0-d
        arrays of an npz file; and the factors u_hat (d,), c_hat (k,) or A (r, d), B (k, r).
        Other names are refused: `lrft.from_state_dict` reads those of PyTorch.

    Returns
    -------
    Weights

    Raises
    ------
    ValueError
        Naming the path and the reason.

    Examples
    --------
    >>> import tempfile, pathlib, lrft
    >>> from lrft.weights import save_weights
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "base.safetensors"
    ...     save_weights(path, W=[[1.0, 0.0]], lam=[2.0], activation="tanh")
    ...     lrft.load_weights(path).W.tolist()
    [[1.0, 0.0]]
    """
    if isinstance(path, str) and path in _SHIPPED:  # never a file's: those have a suffix
        path = Path(str(resources.files("lrft.data") / f"{path}.safetensors"))
    elif isinstance(path, str) and not os.path.splitext(path)[1] and not os.path.exists(path):
        raise ValueError(f"path={path!r}: neither a file nor one of {', '.join(_SHIPPED)}")
    arrays, text = read(path)
    with _foreign.explained(f"cannot read weights from {str(path)!r}"):
        names = set(arrays) - {"W", "lam"}
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
        W = _checks.array("W", arrays["W"], ("k", "d"))
        lam = _checks.array("lam", arrays["lam"], (len(W),))
        r = arrays["A"].shape[0] if "A" in arrays else 1
        shapes = {
            "u_hat": (W.shape[1],),
            "c_hat": (len(W),),
            "A": (r, W.shape[1]),
            "B": (len(W), r),
        }
        factors = {name: _checks.array(name, arrays[name], shapes[name]) for name in sorted(names)}
        activation = Activation.parse(text["activation"]) if "activation" in text else None
        scales = {}
        for name in ("neuron_scale", "output_scale"):
            scales[name] = _checks.real(name, float(text.get(name, "1")), above=0.0)
    return Weights(W, lam, activation, **scales, factors=factors)


def save_weights(
    path: str | PathLike[str],
    W: ArrayLike,
    lam: ArrayLike,
    activation: str | Activation | None = None,
    neuron_scale: float = 1.0,
    output_scale: float = 1.0,
    factors: Mapping[str, ArrayLike] | None = None,
) -> None:
    """Write a base network that :func:`load_weights` reads.

    Parameters
    ----------
    path : path
        Ends in ``.npz`` or ``.safetensors``.
    W, lam : array_like of shape (k, d) and (k,)
    activation : str or Activation, optional
    neuron_scale, output_scale : float
    factors : mapping, optional
        Of a trained network: those of `Weights`.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, or the path that cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lrft.weights import load_weights, save_weights
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "base.npz"
    ...     save_weights(path, W=[[1.0, 0.0]], lam=[2.0], neuron_scale=0.5)
    ...     load_weights(path).neuron_scale
    0.5
    """
    W = _checks.array("W", W, ("k", "d"))
    arrays = {"W": W, "lam": _checks.array("lam", lam, (len(W),))}
    arrays |= {name: _checks.array(name, value) for name, value in (factors or {}).items()}
    text = {
        "neuron_scale": repr(_checks.real("neuron_scale", neuron_scale, above=0.0)),
        "output_scale": repr(_checks.real("output_scale", output_scale, above=0.0)),
    }
    if activation is not None:
        text["activation"] = savable(Activation.parse(activation))
    write(path, arrays, text)


def save_task(task: Task, path: str | PathLike[str]) -> None:
    """Write a task; see :meth:`lrft.Task.save`."""
    arrays, about = task_parts(task)
    write(path, arrays, {"lrft": json.dumps(about, sort_keys=True)})


def task_parts(task: Task) -> tuple[dict[str, Floats], dict[str, Any]]:
    """Arrays and JSON that make the task again, for files that hold one."""
    about = {
        "format": "lrft task", "version": TASK_VERSION, "given": task.given, "d": task.d,
        "features_rank": task.features_rank, "xi": task.xi,
        "activation": savable(task.activation), "normalization": task.normalization,
        "neuron_scale": task.neuron_scale, "output_scale": task.output_scale,
        "noise": task.noise, "seed": task.embedding_seed, "labels": task.labels,
        "content_hash": task.content_hash, "recipe": task.recipe,
    }  # fmt: skip
    return task._arrays(), about


def load_task(path: str | PathLike[str]) -> Task:
    """Read a task; see :meth:`lrft.Task.load`."""
    arrays, text = read(path)
    with _foreign.explained(f"cannot read a task from {str(path)!r}"):
        about = _foreign.from_json(text["lrft"]) if "lrft" in text else {}
        return task_from_parts(arrays, about)


def task_from_parts(arrays: dict[str, NDArray[Any]], about: Any) -> Task:
    """Make the task of `task_parts` again, checking everything."""
    from lrft.task import Task

    if not isinstance(about, dict) or about.get("format") != "lrft task":
        raise ValueError("not a task file (a base network is read by lrft.load_weights)")
    if about["version"] != TASK_VERSION:
        raise ValueError(f"format version {about['version']!r}, but this is {TASK_VERSION}")
    # The saved neuron scale is what counts; a normalisation gives it anew, with the same bits.
    named = ("xi", "activation", "normalization", "output_scale", "noise")
    common = {name: about[name] for name in named}
    if common["normalization"] == "none":
        common["neuron_scale"] = about["neuron_scale"]
    common |= {"lam": arrays["lam"], "c": arrays["c"]}
    labels = {name: str(about["labels"][name]) for name in ("features", "c", "u")}
    if about["given"]:
        task = Task(W=arrays["W"], u=arrays["u"], **common)
        task.__dict__["labels"] = labels
    else:
        R = _checks.array("R", arrays["R"], ("k", "s"))
        a = _checks.array("a", arrays["a"], ("r", R.shape[1]))
        d = _checks.integer("d", about["d"], R.shape[1], _checks.MAX_DIMENSION)
        rho = _checks.integer("features_rank", about["features_rank"], 0, R.shape[1])
        seed = _checks.seed("seed", about["seed"])
        task = Task._in_coordinates(d, R, a, rho, seed, labels, common)
    if task.content_hash != about["content_hash"]:
        raise ValueError("its content does not match its content hash: the file was changed")
    task.__dict__["recipe"] = about.get("recipe")
    return task


def savable(activation: Activation) -> str:
    """Text of an activation in a file; ValueError if it is compiled code."""
    if activation.kind == "custom":
        raise ValueError(f"activation {activation} is compiled code and cannot be saved")
    return str(activation)


def _suffix(path: str | PathLike[str]) -> tuple[Path, str]:
    try:
        path = Path(path)
    except TypeError:
        raise TypeError(f"path must be a path, got {_checks.describe(path)}") from None
    if path.suffix not in SUFFIXES:
        raise ValueError(f"path must end in .npz or .safetensors, got {str(path)!r}")
    return path, path.suffix


def read(path: str | PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Arrays and texts of a file, or ValueError naming the path and the reason."""
    path, suffix = _suffix(path)
    try:
        if suffix == ".safetensors":
            return _read_safetensors(path)
        with path.open("rb") as file:
            return _archive.read(file)
    except FileNotFoundError:
        raise ValueError(f"cannot read {str(path)!r}: no such file") from None
    except Exception as error:  # many kinds, on files that are truncated, edited, of another kind
        reason = _foreign.shortened(str(error)) or type(error).__name__
        raise ValueError(f"cannot read {str(path)!r} as a {suffix} file: {reason}") from None


#: Types of a safetensors file that NumPy has; BF16 is the upper half of a float32.
_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4",
    "I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip


def _read_safetensors(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    from safetensors import SafetensorError, deserialize, safe_open

    with path.open("rb"):  # for the usual reasons of the operating system
        pass
    try:
        with safe_open(path, framework="numpy") as stored:
            text = dict(stored.metadata() or {})
        found = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    arrays = {}
    for name, about in found:
        kind = about["dtype"]
        if kind not in _TYPES:
            raise ValueError(
                f"{name!r} has numbers of type {kind}, which NumPy does not have: save it as "
                "float32, or as bfloat16"
            )
        value = np.frombuffer(about["data"], dtype=_TYPES[kind])
        if kind == "BF16":  # exact
            value = (value.astype("<u4") << 16).view("<f4")
        arrays[name] = value.reshape(about["shape"])
    return arrays, text


def write(path: str | PathLike[str], arrays: dict[str, NDArray[Any]], text: dict[str, str]) -> None:
    """Write arrays and texts whole or not at all; ValueError naming the path and the reason."""
    path, suffix = _suffix(path)
    try:
        with _files.whole(path) as temporary:
            if suffix == ".npz":
                entries = {name: np.array(value) for name, value in text.items()}
                with temporary.open("wb") as file:  # a path would get the suffix .npz
                    np.savez(file, **arrays, **entries)  # type: ignore[arg-type]
            else:
                from safetensors.numpy import save

                temporary.write_bytes(save(dict(arrays), metadata=text))
    except OSError as error:
        raise ValueError(f"cannot write {str(path)!r}: {error.strerror or error}") from None
