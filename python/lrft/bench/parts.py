"""The parts of a step on their own: Gaussian numbers and activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

import lrft
from lrft.bench.case import Case, Contest
from lrft.bench.interleave import Contender
from lrft.core.engine import compiled
from lrft.model.activation import NAMES

__all__ = ["ACTIVATION_CASES", "NORMALS_CASES", "check_normals", "numpy_normals"]

Array = npt.NDArray[np.float64]

_COUNT = 8192  # 64 KiB: what a block of samples is, and small enough for the cache


def numpy_normals() -> Contender:
    """NumPy's fastest way to the same: SFC64 into an array that is there."""
    generator = np.random.Generator(np.random.SFC64(1))
    out = np.empty(_COUNT)

    def fill(calls: int) -> None:
        for _ in range(calls):
            generator.standard_normal(out=out)

    return Contender("NumPy SFC64", fill, per_call=_COUNT)


def check_normals() -> None:
    """Hold four moments of the stream, and its not repeating itself, against the normal law."""
    purpose = compiled.purposes["inputs"]
    z = np.concatenate([compiled.normals(1, 0, purpose, step, _COUNT) for step in range(64)])
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        score = (np.mean(z**power) - moment) / math.sqrt(variance / z.size)
        if not abs(score) < 5:
            raise AssertionError(f"the mean of z**{power} is {score:.1f} standard errors off")
    if np.unique(z).size < z.size - 1:
        raise AssertionError("normals repeat")


def _normals(in_engine: bool) -> Contest:
    purpose = compiled.purposes["inputs"]

    def alone(calls: int) -> None:
        compiled.limits.normals(_COUNT * calls, 1)

    def arrays(calls: int) -> None:
        for step in range(calls):
            compiled.normals(1, 0, purpose, step, _COUNT)

    others = [(numpy_normals(), "loop")]
    fill = _numba_fill()
    if fill is not None:
        generator = np.random.Generator(np.random.SFC64(1))
        call = partial(fill, generator, np.empty(_COUNT))
        others.append((Contender("Numba SFC64", call, per_call=_COUNT), "compiled"))
    ours = Contender("lrft", alone if in_engine else arrays, per_call=_COUNT)
    return Contest(ours, others, check_normals)


def _numba_fill() -> Callable[..., None] | None:
    """Compile NumPy's ziggurat on SFC64 by Numba: the fastest normals a Python user has."""
    try:
        import numba  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        return None

    @numba.njit  # type: ignore[misc,untyped-decorator,unused-ignore]
    def fill(generator: Any, out: Array, calls: int) -> None:
        for _ in range(calls):
            for i in range(out.size):
                out[i] = generator.standard_normal()

    return fill  # type: ignore[no-any-return]


NORMALS_CASES = (
    Case(
        "Gaussian numbers, in the engine",
        "random",
        "normal",
        partial(_normals, True),
        goal=4.0,
        goal_kinds=("loop",),
        quick=True,
        note="As the ambient space draws them. Numba compiles NumPy's ziggurat in place.",
    ),
    Case(
        "Gaussian numbers, as an array",
        "random",
        "normal",
        partial(_normals, False),
        note=f"`lrft.normals`, {_COUNT} a call.",
    ),
)


def _relu(z: Array) -> tuple[Array, Array]:
    return np.maximum(z, 0.0), (z > 0).astype(np.float64)


def _tanh(z: Array) -> tuple[Array, Array]:
    t = np.tanh(z)
    return t, 1 - t * t


def _sigmoid(z: Array) -> tuple[Array, Array]:
    from scipy.special import expit

    s = expit(z)
    return s, s * (1 - s)


def _gelu(z: Array) -> tuple[Array, Array]:
    from scipy.special import ndtr

    phi = ndtr(z)
    return z * phi, phi + z * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


def _silu(z: Array) -> tuple[Array, Array]:
    from scipy.special import expit

    s = expit(z)
    return z * s, s * (1 + z * (1 - s))


def _softplus(z: Array) -> tuple[Array, Array]:
    from scipy.special import expit

    return np.logaddexp(0.0, z), expit(z)


def _he3(z: Array) -> tuple[Array, Array]:
    return (z * z - 3) * z / math.sqrt(6), (z * z - 1) * (3 / math.sqrt(6))


def _activation(name: str) -> Contest:
    core = lrft.Activation.parse(name).core
    value, slope = lrft.reference.resolve_activation(name)

    def plain(z: Array) -> tuple[Array, Array]:
        return value(z), slope(z)

    numpy_form = _FORMS.get(name, plain)
    z = 2 * np.random.default_rng(3).standard_normal(_COUNT)

    def ours(calls: int) -> None:
        for _ in range(calls):
            core.evaluate(z)

    def theirs(calls: int) -> None:
        for _ in range(calls):
            numpy_form(z)

    def check() -> None:
        for what, got, expected in zip(("σ", "σ'"), core.evaluate(z), numpy_form(z), strict=True):
            gap = float(np.max(np.abs(got - expected) / (1 + np.abs(expected))))
            if not gap < 1e-13:  # the NumPy forms cancel in places: 1 - tanh², for one
                raise AssertionError(f"{what} of {name} is off by {gap:.1e}")

    return Contest(
        Contender("lrft", ours, per_call=_COUNT),
        [(Contender("NumPy/SciPy", theirs, per_call=_COUNT), "loop")],
        check,
    )


#: Forms that share work or call what SciPy has; the readable twin does neither.
_FORMS: dict[str, Callable[[Array], tuple[Array, Array]]] = {
    "relu": _relu,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "gelu": _gelu,
    "silu": _silu,
    "softplus": _softplus,
    "he3": _he3,
}

ACTIVATION_CASES = tuple(
    Case(
        f"σ and σ' of {name}",
        "activation",
        "value",
        partial(_activation, name),
        quick=name in ("tanh", "gelu"),
        note="Both values, 8192 arguments a call.",
    )
    for name in (*NAMES, "he3")
)
