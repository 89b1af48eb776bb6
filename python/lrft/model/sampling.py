"""The random parts of a task, in coordinates.

A task needs only R (k, s) and a (r, s): the rows of W and u in an orthonormal basis of
S = span(rows of W, rows of u).  Each part is drawn from an addressed stream of its own, so that c
does not change with d, and row i of R depends only on (seed, i, d).
"""

from __future__ import annotations

from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from lrft.base import checks
from lrft.core.engine import compiled

Floats = NDArray[np.float64]

PERTURBATIONS = ("quantized", "sphere")
OUTPUT_WEIGHTS = ("ones", "signs", "gaussian")

#: Those that some task has, by shape.
_ORTHONORMAL: WeakValueDictionary[tuple[int, int], Floats] = WeakValueDictionary()


def _normals(seed: int, purpose: str, step: int, size: int) -> Floats:
    if size == 0:
        return np.zeros(0)
    values: Floats = compiled.normals(seed, 0, compiled.purposes[purpose], step, size)
    return values


def _signs(seed: int, purpose: str, step: int, size: int) -> Floats:
    return np.where(_normals(seed, purpose, step, size) < 0.0, -1.0, 1.0)


def features(kind: str, d: int, k: int, seed: int) -> Floats:
    """Draw coordinates (k, ρ) of the rows of W in an orthonormal basis of their span.

    ``"sphere"``: the lower-triangular factor of a k×d Gaussian matrix (Bartlett), rows
    normalised: row i has normals before the diagonal and χ_{d−i} on it.  For d < k the rows from
    d on have d normals.  The Gram matrix has exactly the law of k uniform points on the sphere.
    ``"orthonormal"``: `orthonormal`.  ``"zero"``: no columns, W = 0.
    """
    if kind == "zero":
        return np.zeros((k, 0))
    if kind == "orthonormal":
        if d < k:
            raise ValueError(f"features='orthonormal' needs d >= k, got d = {d}, k = {k}")
        return orthonormal(k, k)
    rho = min(d, k)
    rows = np.zeros((k, rho))
    dof = d - np.arange(rho, dtype=np.float64)
    diagonal = compiled.chi(seed, 0, compiled.purposes["features_chi"], 0, dof)
    rows[np.arange(rho), np.arange(rho)] = diagonal
    for i in range(k):
        before = min(i, rho)
        rows[i, :before] = _normals(seed, "features", i, before)
    rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return rows


def orthonormal(k: int, columns: int) -> Floats:
    """Coordinates (k, columns) of orthonormal rows, read-only: tasks of one shape share them."""
    found = _ORTHONORMAL.get((k, columns))
    if found is None:
        found = np.eye(k, columns)
        found.flags.writeable = False
        _ORTHONORMAL[k, columns] = found
    return found


def widened(rows: Floats, kind: str, columns: int) -> Floats:
    """Give rows of `features` of this kind columns of zeros behind their own."""
    k, own = rows.shape
    if kind == "orthonormal":
        return orthonormal(k, columns)
    return np.pad(rows, ((0, 0), (0, columns - own)))


def perturbation_c(kind: str, k: int, rank: int, seed: int) -> Floats:
    """Draw c, shape (k,) or (k, rank): columns on {±1/√k}^k or uniform on the unit sphere."""
    checks.choice("c", kind, PERTURBATIONS)
    columns = []
    for j in range(rank):
        if kind == "quantized":
            columns.append(_signs(seed, "c", j, k) / np.sqrt(k))
        else:
            z = _normals(seed, "c", j, k)
            columns.append(z / np.sqrt(np.einsum("i,i", z, z)))
    return columns[0] if rank == 1 else np.stack(columns, axis=1)


def output_weights(kind: str, k: int, seed: int, step: int = 0) -> Floats:
    """Draw λ, shape (k,): ones, independent signs or independent standard normals.

    step: 0 of a base, 1 of a teacher that is a network of its own.
    """
    checks.choice("lam_star" if step else "lam", kind, OUTPUT_WEIGHTS)
    if kind == "ones":
        return np.ones(k)
    if kind == "signs":
        return _signs(seed, "lam", step, k)
    return _normals(seed, "lam", step, k)


def directions(rho: int, d: int, rank: int, parallel: float, seed: int) -> Floats:
    """Draw orthonormal rows of u in coordinates, shape (rank, s), with ‖Π_W u_j‖ = `parallel`.

    The first ρ coordinates span the rows of W; the orthogonal parts lie along new basis
    vectors, which are uniformly distributed once the basis is.  The parallel parts are
    uniformly distributed orthonormal directions.
    """
    extra = rank if parallel < 1.0 else 0
    if parallel > 0.0 and rho < rank:
        raise ValueError(f"parallel = {parallel:g} needs W of rank at least {rank}, got {rho}")
    if d < rho + extra:
        raise ValueError(
            f"u with a part orthogonal to W needs d >= {rho + extra} "
            f"(rank of W {rho}, {rank} directions of u), got d = {d}"
        )
    a = np.zeros((rank, rho + extra))
    if parallel > 0.0:
        inside = np.stack([_normals(seed, "u", j, rho) for j in range(rank)])
        a[:, :rho] = parallel * orthonormal_rows(inside)
    a[:, rho:] = np.sqrt((1.0 - parallel) * (1.0 + parallel)) * np.eye(rank)[:, :extra]
    return a


def teacher_rows(kind: str, rho: int, d: int, count: int, seed: int) -> Floats:
    """Draw coordinates (count, ρ + extra) of a teacher's rows beside features of rank ρ.

    ``"orthonormal"``: new basis vectors.  ``"sphere"``: independent and uniform on the unit sphere
    of R^d: normals in the coordinates before, and χ of the dimensions that are left.
    """
    extra = min(count, d - rho) if kind == "sphere" else count
    if d < rho + extra:
        raise ValueError(
            f"rows orthogonal to W need d >= {rho + count} (rank of W {rho}, {count} rows), "
            f"got d = {d}"
        )
    a = np.zeros((count, rho + extra))
    if kind == "orthonormal":
        a[:, rho:] = np.eye(count)
        return a
    dof = d - rho - np.arange(extra, dtype=np.float64)
    diagonal = compiled.chi(seed, 0, compiled.purposes["features_chi"], 1, dof)
    a[np.arange(extra), rho + np.arange(extra)] = diagonal
    for i in range(count):
        before = rho + min(i, extra)
        a[i, :before] = _normals(seed, "u", i, before)
    a /= np.sqrt(np.einsum("ij,ij->i", a, a))[:, None]
    return a


def rows_beside(kind: str, W: Floats, count: int, seed: int) -> Floats:
    """Draw a teacher's rows (count, d) as `teacher_rows` says, beside given features (k, d)."""
    d = W.shape[1]
    rows = np.stack([_normals(seed, "u", j, d) for j in range(count)])
    if kind == "sphere":
        rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
        return rows
    _, _, basis, rho = span_basis(W, np.ones((1, d)))
    if d < rho + count:
        raise ValueError(
            f"rows orthogonal to W need d >= {rho + count} (rank of W {rho}, {count} rows), "
            f"got d = {d}"
        )
    return orthonormal_rows(np.concatenate([basis[:rho], rows]))[rho:]


def orthonormal_beside(rows: Floats, count: int) -> Floats:
    """Draw orthonormal directions (count, d) orthogonal to given rows (n, d)."""
    d = rows.shape[1]
    _, _, basis, rank = span_basis(rows, np.ones((1, d)))
    if d < rank + count:
        raise ValueError(f"{count} directions beside {rank} need d >= {rank + count}, got d = {d}")
    # Steps that no basis has.
    drawn = np.stack([_normals(0, "embedding", 2**31 + j, d) for j in range(count)])
    return orthonormal_rows(np.concatenate([basis[:rank], drawn]))[rank:]


def embedding(d: int, size: int, seed: int) -> Floats:
    """Draw the basis Q of S as orthonormal rows (size, d), uniformly distributed."""
    checks.memory(
        f"the basis of shape ({d}, {size})", 8 * d * size, "simulate with engine='reduced'"
    )
    rows = np.empty((size, d))
    for j in range(size):
        rows[j] = _normals(seed, "embedding", j, d)
    return orthonormal_rows(rows)


def orthonormal_rows(rows: Floats) -> Floats:
    """Apply Gram–Schmidt with one repetition, in place: QR with a positive diagonal.

    Written with einsum rather than LAPACK so that the bits do not depend on the number of
    threads of the linear-algebra library.
    """
    for j, row in enumerate(rows):
        for _ in range(2):
            if j:
                row -= np.einsum("id,i->d", rows[:j], np.einsum("id,d->i", rows[:j], row))
        row /= np.sqrt(np.einsum("d,d", row, row))
    return rows


def combine(coordinates: Floats, basis: Floats) -> Floats:
    """Return the vectors (n, d) with these coordinates (n, s) in the orthonormal rows (s, d)."""
    n, d = len(coordinates), basis.shape[1]
    checks.memory(f"W of shape ({n}, {d})", 8 * n * d, "simulate with engine='reduced'")
    result = np.zeros((n, d))
    for j, direction in enumerate(basis):
        used = np.flatnonzero(coordinates[:, j])
        for i in used:
            result[i] += coordinates[i, j] * direction
    return result


def span_basis(W: Floats, u: Floats) -> tuple[Floats, Floats, Floats, int]:
    """Find the coordinates of given weights: R (k, s), a (r, s), basis rows (s, d) and ρ.

    By QR with pivoting. A direction of W below max(k, d)·2^-52 times its longest row counts as
    zero; so does a part of u orthogonal to W shorter than 1e-12 times its longest row. Rows
    orthonormal within 1e-14 are their own basis, so that R is the identity and a step costs less.
    ValueError where inner products of rows overflow.
    """
    R, a, basis, rho = compiled.span_basis(W, u)
    return R, a, basis, rho
