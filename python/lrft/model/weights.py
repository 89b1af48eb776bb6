"""A two-layer network as arrays: a base before training, a student after it.

One class for both, so that what a run hands back can be the base of the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.base import checks, html
from lrft.model import adapter, files
from lrft.model import state_dict as torch_dict
from lrft.model.activation import Activation
from lrft.model.files import save_weights

Floats = NDArray[np.float64]

__all__ = ["Weights", "from_state_dict", "load_adapter", "load_weights", "save_weights"]


@dataclass(frozen=True, eq=False)
class Weights:
    """A network output_scale · Σ_i λ_i σ(neuron_scale ⟨w_i, x⟩ + b_i), a base or a trained one.

    Attributes
    ----------
    W : ndarray of shape (k, d)
        Of a trained network: what was trained is merged into it.
    lam : ndarray of shape (k,)
    activation : Activation, str or None
        None where a file does not say.
    neuron_scale, output_scale : float
        1 where a file does not say.
    factors : mapping of str to ndarray
        The low-rank part of a trained network: ``u_hat`` (d,) and ``c_hat`` (k,), both of norm
        1, with W = W_base + ξ c_hat u_hatᵀ (Eq. 4); or ``A`` (r, d) and ``B`` (k, r), with
        W = W_base + scale B A. Empty otherwise.
    strength : float or None
        ξ or that scale; None without factors, or where a file of before 0.2 does not say.
    b : ndarray of shape (k,) or None
        Biases of the neurons; None: there are none.
    output_bias : float
        Added to the output. It stays as it is in a fit. A task has none: base and teacher would
        share it, and what is learned would be the same.

    See Also
    --------
    lrft.load_weights, lrft.from_state_dict, lrft.Simulation.trained

    Examples
    --------
    >>> import numpy as np, lrft
    >>> lrft.Weights(np.eye(2), np.ones(2)).output_scale
    1.0
    """

    W: Floats
    lam: Floats
    activation: Activation | str | None = None
    neuron_scale: float = 1.0
    output_scale: float = 1.0
    factors: Mapping[str, Floats] = field(default_factory=dict)
    strength: float | None = None
    b: Floats | None = None
    output_bias: float = 0.0

    def _repr_html_(self) -> str:
        k, d = np.shape(self.W)
        rows = {"k": k, "d": d, "activation": self.activation}
        usual = {"neuron_scale": 1.0, "output_scale": 1.0, "output_bias": 0.0}
        scales = {name: getattr(self, name) for name in usual}
        rows |= {name: value for name, value in scales.items() if value != usual[name]}
        if self.b is not None:
            rows["b"] = np.asarray(self.b)
        rows |= {name: np.asarray(value) for name, value in self.factors.items()}
        return html.table("Weights", rows, {n: v for n, v in scales.items() if n not in rows})

    def predict(self, X: ArrayLike) -> Floats:
        """Evaluate the network.

        Parameters
        ----------
        X : array_like of shape (n, d)

        Returns
        -------
        ndarray of shape (n,)

        Raises
        ------
        TypeError, ValueError
            For another shape, numbers that are not finite, and without an activation.

        Examples
        --------
        >>> import numpy as np, lrft
        >>> lrft.Weights(np.eye(2), np.ones(2), "relu").predict([[1.0, -3.0]]).tolist()
        [1.0]
        """
        if self.activation is None:
            raise ValueError("activation is not known: these weights were made without one")
        X = checks.array("X", X, ("n", np.shape(self.W)[1]))
        z = self.neuron_scale * (X @ np.transpose(self.W))
        hidden = Activation.parse(self.activation)(z if self.b is None else z + self.b)
        return np.asarray(self.output_scale * (hidden @ self.lam) + self.output_bias)

    def base(self) -> Weights:
        """Take what was trained out again: the network that `factors` were added to.

        Returns
        -------
        Weights
            Up to rounding.

        Raises
        ------
        ValueError
            If there are no factors, or their strength is not known.

        Examples
        --------
        >>> import lrft
        >>> base = lrft.load_weights("digits")
        >>> base.base()
        Traceback (most recent call last):
        ...
        ValueError: these weights have no low-rank factors
        """
        A, B, strength = self._adapter()
        W = self.W - strength * (B @ A)
        return replace(self, W=W, factors={}, strength=None)

    def _adapter(self) -> tuple[Floats, Floats, float]:
        """Return A (r, d), B (k, r) and what B A is multiplied by; of rank one û and ξ ĉ."""
        if not self.factors:
            raise ValueError("these weights have no low-rank factors")
        if self.strength is None:
            raise ValueError("the strength of these factors is not known: give strength")
        if "A" in self.factors:
            return self.factors["A"], self.factors["B"], self.strength
        u_hat, c_hat = self.factors["u_hat"], self.factors["c_hat"]
        return u_hat[None, :], self.strength * c_hat[:, None], 1.0

    def state_dict(self, dtype: str = "float64", framework: str = "numpy") -> dict[str, Any]:
        """Return the state dict of PyTorch's ``Sequential(Linear, activation, Linear)``.

        Both scales are multiplied into the weights. The layers have biases where `b` is given, or
        an output bias.

        Parameters
        ----------
        dtype : {"float64", "float32"}
        framework : {"numpy", "torch"}
            What the entries are: arrays, or tensors, for which PyTorch is imported.

        Returns
        -------
        dict
            ``"0.weight"`` of shape (k, d) and ``"2.weight"`` of shape (1, k); with biases
            ``"0.bias"`` (k,) and ``"2.bias"`` (1,) too.

        Raises
        ------
        ValueError
            For another dtype or framework, or a weight that float32 cannot hold.
        ImportError
            If PyTorch is asked for and missing.

        Notes
        -----
        Exact, and `lrft.from_state_dict` its inverse to the bit, for float64 and scales that are
        powers of two; another scale rounds every weight once.

        Examples
        --------
        >>> import numpy as np, lrft
        >>> state = lrft.Weights(np.eye(2), np.ones(2), neuron_scale=0.5).state_dict()
        >>> state["0.weight"].tolist(), state["2.weight"].shape
        ([[0.5, 0.0], [0.0, 0.5]], (1, 2))
        """
        return torch_dict.state_dict(self._layers(), dtype, framework)

    def to_torch(self, dtype: str = "float64") -> Any:
        """Make the PyTorch module ``Sequential(Linear, activation, Linear)``.

        Parameters
        ----------
        dtype : {"float64", "float32"}
            Of its parameters.

        Returns
        -------
        torch.nn.Sequential
            Both scales multiplied into the weights, biases in both layers or in none; maps (n, d)
            to (n, 1).

        Raises
        ------
        ValueError
            If the activation is not known or PyTorch has no module for it: where it has one,
            `lrft.Activation.facts` names it.
        ImportError
            If PyTorch is missing.

        Notes
        -----
        PyTorch's softplus is the identity above 20, off by up to 2e-9.

        Examples
        --------
        >>> import numpy as np, lrft
        >>> lrft.Weights(np.eye(2), np.ones(2), "erf").to_torch()
        Traceback (most recent call last):
        ...
        ValueError: PyTorch has no module for the activation erf: take state_dict() and your own
        """
        return torch_dict.to_torch(self._layers(), self._sigma(), dtype)

    def save(self, path: str | PathLike[str], layout: str = "lrft", dtype: str = "float64") -> None:
        """Write the network to a file.

        Parameters
        ----------
        path : path
            Ends in ``.npz`` or ``.safetensors``, or for ``layout="torch"`` in
            ``.safetensors``, ``.pt`` or ``.pth``; for ``layout="peft"`` a folder, made if missing.
        layout : {"lrft", "torch", "peft"}
            Arrays W, lam, b, the factors and all scales, for `lrft.load_weights`; or a state dict
            for PyTorch, which `lrft.from_state_dict` reads too; or the factors alone, as an adapter
            that ``peft.PeftModel.from_pretrained(network.base().to_torch(), folder)`` puts onto the
            base, of rank one with A = û and B = ξ ĉ. `lrft.load_adapter` reads it too.
        dtype : {"float64", "float32"}
            Of the state dict, and of the adapter.

        Raises
        ------
        ValueError
            For another suffix, layout or dtype, a folder that cannot be written, a custom
            activation, or an adapter of weights without factors.
        ImportError
            If PyTorch is missing and the file is ``.pt`` or ``.pth``.

        Examples
        --------
        >>> import tempfile, pathlib, lrft
        >>> import numpy as np
        >>> network = lrft.Weights(np.eye(2), np.ones(2), "tanh")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "trained.safetensors"
        ...     network.save(path, layout="torch")
        ...     str(lrft.from_state_dict(path).activation)
        'tanh'
        """
        if checks.choice("layout", layout, ("lrft", "torch", "peft")) == "torch":
            torch_dict.save(path, self._layers(), self._sigma(), dtype)
            return
        if layout == "peft":
            A, B, strength = self._adapter()
            adapter.save(path, A, B, self.neuron_scale * strength, dtype)
            return
        save_weights(path, **{one.name: getattr(self, one.name) for one in fields(self)})

    def _layers(self) -> torch_dict.Layers:
        """Both layers with their scales multiplied in; biases in both or in none."""
        biased = self.b is not None or self.output_bias != 0.0
        b = np.zeros(len(self.W)) if biased and self.b is None else self.b
        first, second = self.neuron_scale * self.W, self.output_scale * self.lam
        return torch_dict.Layers(first, second, b, self.output_bias)

    def _sigma(self) -> Activation | None:
        return None if self.activation is None else Activation.parse(self.activation)


def load_weights(path: str | PathLike[str]) -> Weights:
    """Read a base network.

    Parameters
    ----------
    path : path, or "digits"
        The base network that ships with lrft, trained on handwritten digits; or a file,
        ``.npz`` or ``.safetensors``, bfloat16 too, with the arrays W (k, d) and lam (k,), and
        optionally b (k,); activation, neuron_scale, output_scale and output_bias: metadata of a
        safetensors file, 0-d arrays of an npz file; and the factors u_hat (d,), c_hat (k,) or
        A (r, d), B (k, r).
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
    >>> from lrft import save_weights
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "base.safetensors"
    ...     save_weights(path, W=[[1.0, 0.0]], lam=[2.0], activation="tanh")
    ...     lrft.load_weights(path).W.tolist()
    [[1.0, 0.0]]
    """
    return Weights(**files.parts(path))


def load_adapter(base: Weights, folder: str | PathLike[str]) -> Weights:
    """Put a LoRA adapter in peft's layout onto a base network.

    Parameters
    ----------
    base : Weights
    folder : path
        With ``adapter_config.json`` and ``adapter_model.safetensors``, as `Weights.save` and peft
        write them; of the first layer of `Weights.to_torch` alone.

    Returns
    -------
    Weights
        W + strength · B A, with the factors ``A`` (r, d) and ``B`` (k, r).

    Raises
    ------
    TypeError, ValueError
        Naming the file and the reason; also for another shape, and for what is no plain LoRA.

    Examples
    --------
    >>> import pathlib, tempfile, numpy as np, lrft
    >>> base = lrft.Weights(np.eye(2), np.ones(2), "relu")
    >>> factors = {"A": np.array([[1.0, 2.0]]), "B": np.array([[0.5], [0.0]])}
    >>> tuned = lrft.Weights(np.array([[1.5, 1.0], [0.0, 1.0]]), np.ones(2), "relu",
    ...                      factors=factors, strength=1.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tuned.save(folder, layout="peft")
    ...     lrft.load_adapter(base, folder).W.tolist()
    [[1.5, 1.0], [0.0, 1.0]]
    """
    if not isinstance(base, Weights):
        raise TypeError(f"base must be Weights, got {checks.describe(base)}")
    k, d = np.shape(base.W)
    A, B, scale = adapter.load(folder, k, d)
    strength = scale / base.neuron_scale
    W = base.W + strength * (B @ A)
    return replace(base, W=W, factors={"A": A, "B": B}, strength=strength)


def from_state_dict(
    state: Mapping[str, Any] | str | PathLike[str] | Any,
    activation: str | Activation | None = None,
    *,
    neuron_scale: float = 1.0,
    output_scale: float = 1.0,
    layers: Sequence[str] = torch_dict.LAYERS,
) -> Weights:
    """Take a base network from PyTorch's ``Sequential(Linear, activation, Linear)``.

    Parameters
    ----------
    state : mapping, module or path
        A state dict, of tensors or arrays; a module, for its ``state_dict()``; or a file: ``.pt``
        or ``.pth`` (needs PyTorch) or ``.safetensors`` holding one. It must have
        ``"0.weight"`` of shape (k, d) and ``"2.weight"`` of shape (1, k); it may have
        ``"0.bias"`` (k,) and ``"2.bias"`` (1,), and nothing else.
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
        W = first weight / neuron_scale, λ = second weight / output_scale, in float64, and the
        biases as they are: ``b`` and ``output_bias``. With both scales 1 the numbers are those of
        the tensors, exactly.

    Raises
    ------
    TypeError, ValueError
        For a missing or unexpected entry, a wrong shape, an output width other than 1, an
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
    found, text = torch_dict.parts(state, layers)
    if activation is None:
        activation = text.get("activation")
    s = checks.real("neuron_scale", neuron_scale, above=0.0)
    o = checks.real("output_scale", output_scale, above=0.0)
    return Weights(
        checks.array("W", found.first / s),
        checks.array("lam", found.second / o),
        None if activation is None else Activation.parse(activation),
        s,
        o,
        b=None if found.b is None else checks.array("b", found.b),
        output_bias=found.output_bias,
    )
