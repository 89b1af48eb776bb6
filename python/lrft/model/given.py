"""Tasks around given weights: a perturbation drawn for a base network read from a file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrft.base import checks
from lrft.core.engine import compiled
from lrft.model import sampling
from lrft.model.task import Task
from lrft.model.weights import load_weights


def given_weights(
    *,
    weights: str,
    seed: int = 0,
    xi: float | None = None,
    c: Any = "sphere",
    u: Any = "orthogonal",
    parallel: float | None = None,
    activation: str | None = None,
    **options: Any,
) -> Task:
    """Make a task that perturbs a base network from a file.

    Parameters
    ----------
    weights : str
        ``"digits"`` or the path of a .npz or .safetensors file.
    seed : int
        Of c and u, drawn as `Task.sample` draws them.
    xi : float, optional
        The Frobenius norm of W by default: the perturbation is as large as the base, which is
        the paper's ξ = √k for unit rows.
    c, u, parallel
        As for `Task.sample`.
    activation : str, optional
        That of the file by default, relu where the file does not say.
    **options
        biases, normalization, neuron_scale, output_scale, noise, as for `Task`.

    Returns
    -------
    Task

    Raises
    ------
    ValueError
        If the file cannot be read, or leaves no room for u outside span(W).

    Examples
    --------
    >>> from lrft.model.given import given_weights
    >>> task = given_weights(weights="digits")
    >>> task.d, task.k, task.u_orthogonal
    (64, 32, True)
    """
    base = load_weights(weights)
    if isinstance(c, str):
        checks.choice("c", c, ("quantized", "sphere"))
        c = sampling.perturbation_c(c, len(base.W), 1, seed)
    if isinstance(u, str):
        checks.choice("u", u, ("orthogonal",))
        u = _direction(base.W, 0.0 if parallel is None else parallel, seed)
    elif parallel is not None:
        raise ValueError("parallel is for u='orthogonal': give u or parallel, not both")
    if options.get("neuron_scale") is None and options.get("normalization", "none") == "none":
        options["neuron_scale"] = base.neuron_scale
    options.setdefault("output_scale", base.output_scale)
    if options.get("biases") is None:
        options["biases"] = base.b
    return Task(
        W=base.W,
        lam=base.lam,
        c=c,
        u=u,
        xi=float(np.linalg.norm(base.W)) if xi is None else xi,
        activation=activation or base.activation or "relu",
        **options,
    )


def _direction(W: NDArray[np.float64], parallel: float, seed: int) -> NDArray[np.float64]:
    """Return u uniform on the sphere of span(W)^⊥, tilted so that ‖Π_W u‖ = parallel."""
    level = checks.real("parallel", parallel, minimum=0.0, maximum=1.0)
    d = W.shape[1]
    # Step 1: `sampling.directions` draws the parallel part at step 0.
    random = compiled.normals(seed, 0, compiled.purposes["u"], 1, d)
    _, coordinates, basis, rho = sampling.span_basis(W, random[None])
    a = sampling.directions(rho, d, 1, level, seed)[0]
    if a.size > rho:  # the sign that a singular vector leaves open
        a[rho] = np.copysign(a[rho], coordinates[0, rho])
    u = a @ basis[: a.size]
    return np.asarray(u / np.linalg.norm(u))
