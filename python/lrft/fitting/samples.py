"""Given samples: checks of arrays without copying them, and streams cut into windows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrft.base import checks
from lrft.core.engine import compiled

Floats = NDArray[np.float64]

SCAN = 2**22  # bytes looked at at a time
WINDOW = 2**22  # bytes of a stream held at a time
MAX_SHUFFLED = 2**32 - 1


class Samples:
    """Inputs X (rows, d), as they lie in memory, and labels y (rows,).

    X is looked at once, block by block, for numbers that are not finite and for its digest; it
    is not copied, so a memory map stays on disk.  `signs`: labels must be +1 and -1.  `offset`:
    what the output is ahead of the student's, and labels are reckoned from.
    """

    def __init__(
        self,
        name: tuple[str, str],
        X: Any,
        y: Any,
        d: int,
        *,
        signs: bool = False,
        offset: float = 0.0,
    ) -> None:
        self.X = inputs(name[0], X, d)
        self.y = labels(name[1], y, len(self.X), signs)
        self._reckoned = self.y - offset
        digest = hashlib.sha256(f"{self.X.shape} {self.X.dtype}\n".encode())
        rows = max(1, SCAN // (d * self.X.itemsize))
        for first in range(0, len(self.X), rows):
            block = np.ascontiguousarray(self.X[first : first + rows])
            _finite(name[0], block, first)
            digest.update(block.data)
        digest.update(self.y.data)
        self.digest = digest.hexdigest()

    def __len__(self) -> int:
        return len(self.X)

    def core(self) -> compiled.Samples:
        """Describe them to the core."""
        return compiled.Samples(self.X, self._reckoned)


def inputs(name: str, X: Any, d: int) -> NDArray[Any]:
    """X as an array (samples, d) of float64 or float32, not copied if it is one."""
    if isinstance(X, np.ma.MaskedArray):
        raise TypeError(f"{name} must be a plain array, got a masked array")
    try:
        found = np.asarray(X)
    except ValueError:
        raise ValueError(f"{name} must be rectangular, got rows of unequal length") from None
    native = found.dtype in (np.dtype(np.float64), np.dtype(np.float32))
    if not (native and found.dtype.isnative):
        raise TypeError(
            f"{name} must be an array of float64 or float32 in the machine's byte order, got "
            f"{checks.describe(found)}"
        )
    checks.check_shape(name, found.shape, ("samples", d))
    return found


def labels(name: str, y: Any, count: int, signs: bool) -> Floats:
    """Labels (count,), which are +1 and -1 where the loss asks for signs."""
    found = checks.array(name, y, (count,))
    others = np.flatnonzero(np.abs(found) != 1.0)
    if signs and len(others):
        first = int(others[0])
        raise ValueError(
            f"{name} must be +1 and -1 for the logistic loss, got {found[first]:g} at index {first}"
        )
    return found


def _finite(name: str, block: NDArray[Any], first: int) -> None:
    finite = np.isfinite(block)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise ValueError(
            f"{name} must be finite, got {block[row, column]} at index "
            f"({first + int(row)}, {int(column)})"
        )


class Stream:
    """Batches of an iterator, in windows of `rows` samples; the last window may be shorter.

    Batches may have any sizes. One window is read ahead, so that the last is known as such.
    `signs`: labels must be +1 and -1.  `offset` as of `Samples`: windows come without it.
    """

    def __init__(
        self, batches: Any, d: int, rows: int, *, signs: bool = False, offset: float = 0.0
    ) -> None:
        if isinstance(batches, str | bytes | dict) or not isinstance(batches, Iterable):
            raise TypeError(
                f"X without y must be an iterable of (X, y) batches, got {checks.describe(batches)}"
            )
        checks.memory(f"two windows of {rows} samples", 32 * rows * d, "use a smaller batch")
        self._d, self._rows, self._signs, self._offset = d, rows, signs, offset
        self._left: tuple[Floats, Floats] | None = None
        self._batches: Iterator[Any] = iter(batches)
        self._count = 0
        self._digest = hashlib.sha256()
        self._broken = False
        self._ahead = self._read()
        if not len(self._ahead[1]):
            raise ValueError("X must give at least one sample, got an iterator without any")

    @property
    def digest(self) -> str:
        """Of all windows taken."""
        return self._digest.hexdigest()

    def take(self) -> tuple[Floats, Floats, bool]:
        """Return the next window, X (rows, d) and y (rows,), and whether it is the last."""
        if self._broken:
            raise ValueError("X was interrupted while it gave a batch: the stream cannot go on")
        window, digest = self._ahead, self._digest.copy()
        for part in window:
            digest.update(part.data)
        ahead = self._read() if len(window[1]) == self._rows else _none(self._d)
        is_last = not ahead[1].size
        self._ahead, self._digest = ahead, digest  # together: Ctrl-C loses no window
        X, y = window
        return X, y - self._offset, is_last

    def _read(self) -> tuple[Floats, Floats]:
        X, y = np.empty((self._rows, self._d)), np.empty(self._rows)
        have = 0
        self._broken = True  # until it is done
        while have < self._rows:
            if self._left is None:
                self._left = self._next()
                if self._left is None:
                    break
            more = min(self._rows - have, len(self._left[1]))
            X[have : have + more], y[have : have + more] = (part[:more] for part in self._left)
            have += more
            rest = (self._left[0][more:], self._left[1][more:])
            self._left = rest if len(rest[1]) else None
        self._broken = False
        return X[:have], y[:have]

    def _next(self) -> tuple[Floats, Floats] | None:
        for batch in self._batches:
            place = f"batch {self._count} of X"
            self._count += 1
            if not isinstance(batch, tuple | list) or len(batch) != 2:
                raise TypeError(f"{place} must be a pair (X, y), got {checks.describe(batch)}")
            X = inputs(f"X of {place}", batch[0], self._d)
            _finite(f"X of {place}", X, 0)
            y = labels(f"y of {place}", batch[1], len(X), self._signs)
            return np.array(X, dtype=np.float64), y  # a generator may use its arrays again
        return None


def _none(d: int) -> tuple[Floats, Floats]:
    return np.empty((0, d)), np.empty(0)
