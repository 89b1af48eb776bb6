"""Inputs whose covariance has a few eigenvalues, each of a block of coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lrft.base import checks
from lrft.core.engine import compiled
from lrft.model import sampling
from lrft.model.input_law import Blocks, Floats, Inputs, Law, Spanned, number

#: Steps of the random streams that no other part of a task has: of block j's rows, of the basis of
#: their parts in it, and of diagonals.  Row i depends on (seed, j, i, size of the block) alone.
FRAME, BASIS, MORE, CHI, BLOCK = 2**32, 2**33, 2**34, 2, 2**20


class EigenBlocks(Inputs):
    """Inputs with a covariance of few eigenvalues, each of a block of coordinates of R^d.

    x ~ N(0, Σ_j λ_j P_j), P_j the projector onto block j: consecutive coordinates, in order.  W
    and u have any parts in the blocks.  S holds the part of every row of W and u in every block,
    and the rest of each block is isotropic with a variance of its own, so that the reduced space
    is exact at a cost free of d.

    Parameters
    ----------
    variances : array_like of shape (J,)
        λ_j > 0.
    parts : array_like of shape (J,), optional
        How much of d each block has, with the sum 1; its ends are rounded to whole coordinates.
        All alike by default.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, its value and what was expected.

    See Also
    --------
    lrft.Spiked, lrft.Mixture

    Notes
    -----
    A task in coordinates, as `lrft.Task.sample` draws them, has a basis that is uniformly
    distributed in R^d: the parts of its rows in the blocks are drawn with it, from ``seed``.

    Examples
    --------
    >>> import lrft
    >>> law = lrft.EigenBlocks([1.0, 0.25], parts=[0.3, 0.7])
    >>> task = lrft.Task.sample(d=10**6, k=4, inputs=law)
    >>> law.sizes(task.d), task.R.shape
    ((300000, 700000), (4, 10))
    >>> lrft.theory.population_loss(task, c_hat=task.c, m=1.0) < 1e-12
    True
    """

    def __init__(self, variances: ArrayLike, parts: ArrayLike | None = None) -> None:
        self.variances = checks.array("variances", variances, ("J",))
        if not len(self.variances) or not (self.variances > 0.0).all():
            raise ValueError(
                f"variances must be positive, one a block, got {self.variances.tolist()}"
            )
        J = len(self.variances)
        parts = np.full(J, 1.0 / J) if parts is None else parts
        self.parts = checks.array("parts", parts, (J,))
        if not (self.parts > 0.0).all() or abs(float(self.parts.sum()) - 1.0) > 1e-9:
            raise ValueError(
                f"parts must be positive with the sum 1, one a block, got {self.parts.tolist()}"
            )

    def sizes(self, d: int) -> tuple[int, ...]:
        """Count the coordinates of each block in R^d.

        Parameters
        ----------
        d : int

        Returns
        -------
        tuple of int

        Raises
        ------
        TypeError, ValueError
            If a block has none, or for what is no dimension.

        Examples
        --------
        >>> import lrft
        >>> lrft.EigenBlocks([1.0, 2.0, 3.0]).sizes(10)
        (3, 4, 3)
        """
        d = checks.integer("d", d, 1)
        ends = [round(d * float(end)) for end in np.cumsum(self.parts)[:-1]]
        sizes = tuple(np.diff([0, *ends, d]).tolist())
        if min(sizes) < 1:
            raise ValueError(f"inputs: d = {d} leaves a block without coordinates, got {self!r}")
        return sizes

    def vectors(self, W: Floats, u: Floats) -> Floats:
        """Orthonormal bases (n, d) of the parts of given rows in the blocks."""
        rows, d = np.concatenate([W, u]), W.shape[1]
        bases = []
        for here in Blocks(self.sizes(d), (), ()).slices:
            parts = np.ascontiguousarray(rows[:, here])
            _, _, basis, rank = sampling.span_basis(parts, np.ones((1, parts.shape[1])))
            wide = np.zeros((rank, d))
            wide[:, here] = basis[:rank]
            bases.append(wide)
        return np.concatenate(bases)

    def widened(self, R: Floats, a: Floats, d: int) -> tuple[Floats, Floats]:
        """Coordinates of W and u with room for their parts in every block."""
        s, J = R.shape[1], len(self.variances)
        used = np.flatnonzero(R.any(axis=0) | a.any(axis=0))
        if s % J == 0 and (int(used[-1]) + 1 if len(used) else 0) <= s // J:
            self._check_room(s // J, d)
            return R, a  # of a file
        self._check_room(s, d)
        more = (J - 1) * s
        return np.pad(R, ((0, 0), (0, more))), np.pad(a, ((0, 0), (0, more)))

    def narrow(self, s: int) -> int:
        """Count the columns of R without those that the law has added, of s."""
        return s // len(self.variances)

    def _check_room(self, rows: int, d: int) -> None:
        if min(self.sizes(d)) < rows:
            raise ValueError(
                f"inputs: every block must have at least the {rows} dimensions of span(W, u), "
                f"got blocks of {self.sizes(d)} coordinates of d = {d}"
            )

    def law(self, task: Spanned, given: tuple[Floats, Floats] | None) -> Law:
        """Find the law in the coordinates of a task."""
        sizes, J, s = self.sizes(task.d), len(self.variances), task.R.shape[1]
        if given is None:
            inside = (s // J,) * J
            V = _drawn_frame(sizes, s // J, task.embedding_seed).T
        else:
            # A basis of the parts in every block, which must be one of S.
            in_space, coordinates = given
            places = Blocks(sizes, (), ()).slices
            inside = tuple(int(in_space[:, here].any(axis=1).sum()) for here in places)
            if len(coordinates) != s:
                raise ValueError(
                    "inputs: the parts of W and u in the blocks have "
                    f"{len(coordinates)} dimensions and span {s}: some are nearly dependent"
                )
            V = sampling.orthonormal_rows(coordinates.copy())
        stretch = np.repeat(np.sqrt(self.variances) - 1.0, inside)
        blocks = Blocks(sizes, inside, tuple(self.variances.tolist()))
        return Law(V, stretch, np.ones(1), np.zeros((1, s)), np.zeros(1), blocks)

    def basis(self, task: Spanned) -> Floats:
        """Basis (s, d) of S, of a task in coordinates: uniform given its parts in the blocks."""
        law = self.law(task, None)
        assert law.blocks is not None
        s = task.R.shape[1]
        checks.memory(
            f"the basis of shape ({task.d}, {s})", 8 * task.d * s, "simulate with engine='reduced'"
        )
        of_blocks = np.zeros((s, task.d))
        places = zip(law.blocks.slices, law.blocks.directions, strict=True)
        for j, (here, there) in enumerate(places):
            size, count = here.stop - here.start, there.stop - there.start
            steps = (BASIS + j * BLOCK + i for i in range(count))
            rows = [_normals(task.embedding_seed, step, size) for step in steps]
            of_blocks[there, here] = sampling.orthonormal_rows(np.array(rows))
        return sampling.combine(np.ascontiguousarray(law.V.T), of_blocks)

    def scalars(self) -> dict[str, Any]:
        """Collect what defines it beside its arrays, ready for canonical JSON."""
        numbers = {"variances": self.variances.tolist(), "parts": self.parts.tolist()}
        return super().scalars() | numbers

    def __str__(self) -> str:
        words = ["blocks", *map(number, self.variances)]
        if (self.parts != 1.0 / len(self.parts)).any():
            words += ["parts", *map(number, self.parts)]
        return " ".join(words)

    def _shown(self) -> dict[str, Any]:
        alike = not (self.parts != 1.0 / len(self.parts)).any()
        return {"variances": self.variances} | ({} if alike else {"parts": self.parts})


def _normals(seed: int, step: int, size: int) -> Floats:
    if size == 0:
        return np.zeros(0)
    values: Floats = compiled.normals(seed, 0, compiled.purposes["embedding"], step, size)
    return values


def _drawn_frame(sizes: tuple[int, ...], rows: int, seed: int) -> Floats:
    """Draw an orthogonal matrix (s, s), s = J rows: its first rows are a uniform frame of R^d.

    Columns are coordinates in bases of its parts in the blocks, in each of which a Gaussian matrix
    has a lower-triangular factor (Bartlett); the other rows complete it.
    """
    s = len(sizes) * rows
    frame = np.zeros((s, s))
    for j, size in enumerate(sizes):
        dof = size - np.arange(rows, dtype=np.float64)
        chi = compiled.chi(seed, 0, compiled.purposes["features_chi"], CHI + j, dof)
        for i in range(rows):
            before = _normals(seed, FRAME + j * BLOCK + i, i)
            frame[i, j * rows : j * rows + i] = before
            frame[i, j * rows + i] = chi[i]
    for i in range(rows, s):
        frame[i] = _normals(seed, MORE + i, s)
    return sampling.orthonormal_rows(frame)
