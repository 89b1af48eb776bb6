"""Checks of arguments, shared by every public function.

Each check returns the value in the one form the rest of the package uses and raises
``TypeError`` (wrong kind of object) or ``ValueError`` (wrong value or shape) with a message
that names the argument, what was given and what was expected.  Nothing is clipped, broadcast
or rounded: numbers and arrays are accepted when float64 holds them exactly.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Given unit vectors may be off by this much: room for float32 files normalised in float64.
UNIT_TOLERANCE = 1e-9
#: Largest step count: the step has 40 bits in the address of a random number.
MAX_STEPS = 2**40
#: Largest dimension: above it float64 no longer holds the degrees of freedom exactly.
MAX_DIMENSION = 2**53
#: Fewer bytes are not worth asking the system about.
_SMALL = 2**20


def describe(value: object) -> str:
    """Describe a value in an error message."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    text = repr(value)
    if len(text) > 60:
        text = text[:57] + "..."
    return f"{text} ({type(value).__name__})"


def integer(
    name: str, value: object, minimum: int | None = None, maximum: int | None = None
) -> int:
    """`value` as an int within the bounds; bools, fractions and strings are refused.

    A float is taken where it is a whole number, as in 1e6; beyond 2^53 it may not be the one
    typed.
    """
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be an integer, got {describe(value)}")
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value) if abs(float(value)) <= 2**53 else value
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {describe(value)}") from None
    if minimum is not None and number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {_digits(number)}")
    if maximum is not None and number > maximum:
        raise ValueError(f"{name} must be at most {maximum}, got {_digits(number)}")
    return number


def _digits(number: int) -> str:
    """Write an integer, of many digits their number."""
    return str(number) if number.bit_length() <= 128 else f"one of {number.bit_length()} bits"


def seed(name: str, value: object) -> int:
    """`value` as a seed, an integer in [0, 2^64)."""
    return integer(name, value, 0, 2**64 - 1)


def real(
    name: str,
    value: object,
    *,
    above: float | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
) -> float:
    """`value` as a finite float within the bounds; bools, strings and arrays are refused."""
    accepted = (int, float, np.integer, np.floating)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, accepted):
        raise TypeError(f"{name} must be a real number, got {describe(value)}")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{name} must fit into float64, got {describe(value)}") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    if above is not None and not number > above:
        raise ValueError(f"{name} must be greater than {_shown(above)}, got {_shown(number)}")
    if minimum is not None and number < minimum:
        raise ValueError(f"{name} must be at least {_shown(minimum)}, got {_shown(number)}")
    if maximum is not None and number > maximum:
        raise ValueError(f"{name} must be at most {_shown(maximum)}, got {_shown(number)}")
    return number


def _shown(number: float) -> str:
    """Write a number shortly, but never as another one."""
    short = f"{number:g}"
    return short if float(short) == number else repr(float(number))


def boolean(name: str, value: object) -> bool:
    """`value` as a bool; 0, 1 and strings are refused."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {describe(value)}")
    return bool(value)


def choice(name: str, value: object, options: Collection[str]) -> str:
    """`value` as one of the named options."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {listed(options)}, got {describe(value)}")
    if value not in options:
        raise ValueError(f"{name} must be one of {listed(options)}, got {value!r}")
    return value


def listed(options: Collection[str]) -> str:
    """Options as text: 'a', 'b'."""
    return ", ".join(repr(option) for option in options)


def array(name: str, value: object, shape: tuple[int | str, ...] | None = None) -> Floats:
    """Copy `value` into a read-only C-contiguous float64 array, all entries finite.

    `shape` gives the expected length of each axis; a string stands for any length ≥ 1 and
    names it in the message.  float16, float32 and float64 are taken as they are; integers and
    long doubles only where float64 holds them exactly; bool, complex, text, object and masked
    arrays are refused.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must be a plain array, got a masked array")
    if value is None or isinstance(value, (str, bytes, dict, set)):
        raise TypeError(f"{name} must be an array of real numbers, got {describe(value)}")
    try:
        given = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be rectangular, got rows of unequal length") from None
    if given.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be an array of real numbers, got dtype {given.dtype}")
    if shape is not None:
        check_shape(name, given.shape, shape)
    with np.errstate(over="ignore"):
        result = np.array(given, dtype=np.float64, order="C")
    if not np.isfinite(result).all():
        bad = np.argwhere(~np.isfinite(result))[0]
        raise ValueError(
            f"{name} must be finite, got {result[tuple(bad)]} at index {tuple(map(int, bad))}"
        )
    exact = given.dtype.kind == "f" and given.dtype.itemsize <= 8
    if not exact and not _same_numbers(given, result):
        raise ValueError(f"{name} has entries of dtype {given.dtype} that float64 cannot hold")
    result.flags.writeable = False
    return result


def _same_numbers(given: NDArray[Any], result: Floats) -> bool:
    if given.dtype.kind == "f":
        return bool((given == result).all())
    # From 2^53 on, where 2^53 + 1 ends too, a comparison would itself go through float64: compare
    # as Python integers.
    large = np.abs(result) >= 2**53
    return all(int(x) == int(y) for x, y in zip(given[large], result[large], strict=True))


def check_shape(name: str, got: tuple[int, ...], shape: tuple[int | str, ...]) -> None:
    """Refuse a shape that is not the expected one, given as for `array`."""
    expected = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    fits = len(got) == len(shape) and all(
        n >= 1 if isinstance(want, str) else n == want for n, want in zip(got, shape, strict=False)
    )
    if not fits:
        raise ValueError(f"{name} must have shape {expected}, got {got}")


def unit(name: str, vector: Floats) -> None:
    """Refuse a vector whose norm is not 1 within `UNIT_TOLERANCE`."""
    with np.errstate(over="ignore"):
        norm = float(np.linalg.norm(vector))
    if not abs(norm - 1.0) <= UNIT_TOLERANCE:
        raise ValueError(
            f"{name} must have norm 1 (tolerance {UNIT_TOLERANCE:g}), got norm {norm:.12g}"
        )


def available_memory() -> int:
    """Bytes this process may still use: the machine's free memory, or the control group's."""
    found = []
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(1024 * int(line.split()[1]))
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        if limit != "max":
            used = int(Path("/sys/fs/cgroup/memory.current").read_text())
            found.append(max(int(limit) - used, 0))
    except (OSError, ValueError, IndexError):
        pass
    if not found:
        try:
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        except (AttributeError, ValueError, OSError):
            return 2**62
    return min(found)


def memory(what: str, size: int, advice: str) -> None:
    """Refuse something that needs `size` bytes where less is available."""
    if size < _SMALL:  # asking the system takes longer than most tasks
        return
    limit = available_memory()
    if size > limit:
        raise ValueError(
            f"{what} needs {size / 2**30:.3g} GiB, but {limit / 2**30:.3g} GiB are available; "
            f"{advice}"
        )
