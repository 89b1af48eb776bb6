"""Activations: names, Hermite series and compiled callbacks.

The functions themselves live in the compiled core; here is the small description that tasks
carry, hash and save.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.base import checks
from lrft.core import callbacks
from lrft.core.engine import compiled

if TYPE_CHECKING:
    pass

#: What is known of each kind of activation, from its record in the core.
FACTS = {facts.name: facts for facts in compiled.activations()}
#: Activations that need nothing but their name.
NAMES = tuple(name for name, facts in FACTS.items() if not facts.parameters)
#: Highest Hermite degree accepted.
MAX_DEGREE = 64

_FUNCTION: Any = callbacks.DOUBLE.__mro__[1]  # what all ctypes functions derive from

_HERMITE = re.compile(r"he(\d+)")
_SERIES = re.compile(r"hermite\((.*)\)")


@dataclass(frozen=True)
class Activation:
    r"""An activation σ with its derivative σ′.

    Make one with :meth:`named`, :meth:`hermite`, :meth:`custom` or :meth:`parse`.

    Attributes
    ----------
    kind : str
        One of the keys of ``lrft.model.activation.FACTS``: a name, ``"hermite"`` or ``"custom"``.
    coefficients : tuple of float
        Only for ``"hermite"``: entry p multiplies he_p = He_p/√p!, the normalised
        probabilists' Hermite polynomial, as in the expansions of the paper's Assumption 6.
    functions : tuple
        Only for ``"custom"``: the compiled callbacks of σ and σ′.
    label : str
        Only for ``"custom"``: the name it is shown by.

    Examples
    --------
    >>> import lrft
    >>> str(lrft.Activation.parse("he3"))
    'he3'
    >>> lrft.Activation.named("relu")([-1.0, 2.0]).tolist()
    [0.0, 2.0]
    """

    kind: str
    coefficients: tuple[float, ...] = ()
    functions: tuple[Any, ...] = field(default=(), repr=False)
    label: str = ""

    def __post_init__(self) -> None:
        checks.choice("activation", self.kind, tuple(FACTS))
        if self.kind == "hermite":
            object.__setattr__(self, "coefficients", _trimmed(self.coefficients))
        elif len(self.coefficients):
            raise ValueError(f"coefficients are for 'hermite' only, got activation {self.kind!r}")
        if self.kind == "custom":
            if not isinstance(self.functions, tuple) or len(self.functions) != 2:
                raise ValueError("a custom activation needs two functions: use Activation.custom")
            for name, function in zip(("value", "derivative"), self.functions, strict=True):
                _address(name, function)
        elif self.functions or self.label:
            raise ValueError(f"functions and label are for 'custom' only, got {self.kind!r}")

    @classmethod
    def named(cls, name: str) -> Activation:
        """Take one of the named activations.

        Parameters
        ----------
        name : str
            One of ``lrft.model.activation.NAMES``: relu, erf, tanh and others, in any case.

        Returns
        -------
        Activation

        Raises
        ------
        ValueError
            If there is no activation of this name.

        Examples
        --------
        >>> import lrft
        >>> lrft.Activation.named("tanh").kind
        'tanh'
        """
        name = name.lower() if isinstance(name, str) else name
        return cls(checks.choice("activation", name, NAMES))

    @classmethod
    def hermite(cls, coefficients: Sequence[float] | ArrayLike) -> Activation:
        """Make the series σ = Σ_p a_p he_p on normalised probabilists' Hermite polynomials.

        Parameters
        ----------
        coefficients : array_like of shape (n,)
            a_0, a_1, …; at most degree 64, not all zero.  Trailing zeros are dropped.

        Returns
        -------
        Activation

        Raises
        ------
        ValueError
            If there are none, too many, only zeros, or some are not finite.

        Examples
        --------
        >>> import lrft
        >>> str(lrft.Activation.hermite([0, 0, 1, 0.5]))
        'hermite(0.0, 0.0, 1.0, 0.5)'
        """
        return cls("hermite", tuple(checks.array("coefficients", coefficients, ("n",)).tolist()))

    @classmethod
    def custom(cls, value: Any, derivative: Any, label: str = "custom") -> Activation:
        """Make an activation from two compiled callbacks ``double(double)``.

        Parameters
        ----------
        value, derivative : numba cfunc, scipy.LowLevelCallable or ctypes function
            σ and σ′.  They are called from several threads at once, without the interpreter.
        label : str
            The name it is shown by.

        Returns
        -------
        Activation

        Raises
        ------
        TypeError
            If one is not such a callback, or has another signature.
        ValueError
            If one is not finite at 0, ½, ±1 or ±2.
        Exception
            Whatever one raises there, if it is a Python function.

        Notes
        -----
        Two custom activations count as the same in a task's content hash when their values
        agree on a fixed grid.  They cannot be saved or sent to another process.  What a Python
        function behind a ctypes callback raises ends its replica as ``"failed"``, and comes
        out of other calls that used it; a compiled function must not raise.

        Examples
        --------
        >>> import ctypes, math, lrft
        >>> double = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
        >>> sine = lrft.Activation.custom(double(math.sin), double(math.cos), "sine")
        >>> str(sine)
        'custom(sine)'
        """
        if not isinstance(label, str):
            raise TypeError(f"label must be a string, got {checks.describe(label)}")
        activation = cls("custom", (), (value, derivative), label)
        probe = np.array([0.0, 0.5, -1.0, 1.0, -2.0, 2.0])
        for name, values in zip(("value", "derivative"), activation._on(probe), strict=True):
            if not np.isfinite(values).all():
                bad = probe[~np.isfinite(values)][0]
                raise ValueError(f"{name} must be finite, but it is not at z = {bad:g}")
        return activation

    @classmethod
    def parse(cls, text: str | Activation) -> Activation:
        """Make an activation from what a user types: a name, ``he3``, ``hermite(0, 1)`` or itself.

        Parameters
        ----------
        text : str or Activation
            A name, ``he`` and a degree from 1 to 64 for a single normalised Hermite
            polynomial, or the text that ``str`` gives for a series; in any case, so ``ReLU``
            and ``He3`` too.

        Returns
        -------
        Activation

        Raises
        ------
        TypeError, ValueError
            If it is neither.

        Examples
        --------
        >>> import lrft
        >>> lrft.Activation.parse("he2") == lrft.Activation.hermite([0, 0, 1])
        True
        """
        if isinstance(text, Activation):
            return text
        if not isinstance(text, str):
            raise TypeError(
                f"activation must be a name or an Activation, got {checks.describe(text)}"
            )
        text, typed = text.lower(), text
        if match := _HERMITE.fullmatch(text):
            degree = checks.integer("activation: Hermite degree", int(match[1]), 1, MAX_DEGREE)
            return cls("hermite", (0.0,) * degree + (1.0,))
        if match := _SERIES.fullmatch(text):
            try:
                return cls.hermite([float(part) for part in match[1].split(",")])
            except ValueError as error:
                raise ValueError(f"activation {typed!r}: {error}") from None
        if text not in NAMES:
            raise ValueError(
                f"activation must be one of {checks.listed(NAMES)}, 'he1' to 'he{MAX_DEGREE}' "
                f"or 'hermite(a0, a1, ...)', got {typed!r}"
            )
        return cls(text)

    @property
    def facts(self) -> compiled.ActivationFacts:
        """What is known of its kind: formula, errors, route of the exact loss, PyTorch's name.

        Examples
        --------
        >>> import lrft
        >>> facts = lrft.Activation.named("quadratic").facts
        >>> facts.formula, facts.route, facts.law, facts.linearized
        ('z²', 'closed form', "Isserlis' formula", True)
        """
        return FACTS[self.kind]

    @cached_property
    def core(self) -> compiled.Activation:
        """The compiled activation."""
        addresses = self._addresses if self.kind == "custom" else [0, 0]
        return compiled.activation(self.kind, self.coefficients, *addresses)

    @cached_property
    def guards(self) -> tuple[callbacks.Guard, ...]:
        """Guards of callbacks that are Python functions; calls of the core are `raising` them."""
        functions = zip(("value", "derivative"), self.functions, strict=False)
        found = [(name, callbacks.python_function(f)) for name, f in functions]
        return tuple(callbacks.Guard(name, f) for name, f in found if f is not None)

    @cached_property
    def _addresses(self) -> list[int]:
        """The addresses of a custom σ and σ′, of their guards where they have one."""
        guards = {guard.name: guard.native for guard in self.guards}
        named = zip(("value", "derivative"), self.functions, strict=True)
        return [_address(name, guards.get(name, f)) for name, f in named]

    def evaluate(self, z: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return σ(z) and σ′(z).

        Parameters
        ----------
        z : array_like of any shape

        Returns
        -------
        value, derivative : ndarray of float64, of the shape of z

        Examples
        --------
        >>> import lrft
        >>> value, slope = lrft.Activation.named("quadratic").evaluate([3.0])
        >>> value.tolist(), slope.tolist()
        ([9.0], [6.0])
        """
        points = np.ascontiguousarray(np.asarray(z, dtype=np.float64))
        shape = np.shape(z)
        with callbacks.raising(self.guards):
            value, slope = self.core.evaluate(points)
        return np.reshape(value, shape), np.reshape(slope, shape)

    def __call__(self, z: ArrayLike) -> NDArray[np.float64]:
        """Return σ(z).

        Parameters
        ----------
        z : array_like of any shape

        Returns
        -------
        ndarray of float64, of the shape of z

        Examples
        --------
        >>> import lrft
        >>> lrft.Activation.named("quadratic")([3.0]).tolist()
        [9.0]
        """
        return self.evaluate(z)[0]

    def derivative(self, z: ArrayLike) -> NDArray[np.float64]:
        """Return σ′(z).

        Parameters
        ----------
        z : array_like of any shape

        Returns
        -------
        ndarray of float64, of the shape of z

        Examples
        --------
        >>> import lrft
        >>> lrft.Activation.named("relu").derivative([-1.0, 0.0, 2.0]).tolist()
        [0.0, 0.0, 1.0]
        """
        return self.evaluate(z)[1]

    def __str__(self) -> str:
        if self.kind == "custom":
            return f"custom({self.label})"
        if self.kind != "hermite":
            return self.kind
        degree = len(self.coefficients) - 1
        if degree >= 1 and self.coefficients == (0.0,) * degree + (1.0,):
            return f"he{degree}"
        return "hermite(" + ", ".join(map(repr, self.coefficients)) + ")"

    @property
    def identity(self) -> str:
        """Text that is the same for the same function in any process, for content hashes."""
        if self.kind != "custom":
            return str(self)
        values = np.concatenate(self._on(np.linspace(-8.0, 8.0, 257))) + 0.0
        return "custom:" + hashlib.sha256(values.astype("<f8").tobytes()).hexdigest()

    def _on(self, points: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Evaluate a custom σ and σ′ one by one, without the core."""
        with callbacks.raising(self.guards):
            functions = [callbacks.DOUBLE(address) for address in self._addresses]
            return [np.array([f(float(z)) for z in points]) for f in functions]

    def __reduce__(self) -> tuple[Any, ...]:
        if self.kind == "custom":
            raise TypeError("a custom activation cannot be pickled: its callbacks are addresses")
        return Activation, (self.kind, self.coefficients)


def _trimmed(coefficients: Sequence[float]) -> tuple[float, ...]:
    values = [checks.real("coefficients", a) + 0.0 for a in coefficients]
    while values and values[-1] == 0.0:
        values.pop()
    if not values:
        raise ValueError("coefficients must not be empty or all zero")
    if len(values) > MAX_DEGREE + 1:
        raise ValueError(f"coefficients must end at degree {MAX_DEGREE}, got {len(values) - 1}")
    return tuple(values)


def _address(name: str, function: Any) -> int:
    """Return the address of a compiled ``double(double)``, or TypeError."""
    wanted = "a compiled double(double): numba cfunc, scipy.LowLevelCallable or ctypes function"
    if type(function).__name__ == "LowLevelCallable" and isinstance(function, tuple):
        return _low_level_address(name, function)
    native = getattr(function, "ctypes", function)  # numba keeps a typed ctypes function
    if not isinstance(native, _FUNCTION):
        raise TypeError(f"{name} must be {wanted}, got {checks.describe(function)}")
    arguments = tuple(native.argtypes or ())
    if native.restype is not ctypes.c_double or arguments != (ctypes.c_double,):
        raise TypeError(f"{name} must take one double and return one, got {function!r}")
    address = ctypes.cast(native, ctypes.c_void_p).value
    if not address:
        raise TypeError(f"{name} must be {wanted}, got a null pointer")
    return address


def _low_level_address(name: str, function: Any) -> int:
    signature = str(function.signature)
    if re.sub(r"\s", "", signature) not in ("double(double)", "float64(float64)"):
        raise TypeError(f"{name} must have signature 'double (double)', got {signature!r}")
    if function.user_data is not None:
        raise TypeError(f"{name} must not carry user_data")
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype = ctypes.c_void_p
    get_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address = get_pointer(tuple.__getitem__(function, 0), signature.encode())
    if not address:
        raise TypeError(f"{name} must be a compiled double(double), got a null pointer")
    return int(address)


def savable(activation: Activation) -> str:
    """Text of an activation in a file; ValueError if it is compiled code."""
    if activation.kind == "custom":
        raise ValueError(f"activation {activation} is compiled code and cannot be saved")
    return str(activation)
