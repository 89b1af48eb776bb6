"""What a task is: attributes, lazy weights, content hash; how to make one is in task.py."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.base import checks
from lrft.model import sampling
from lrft.model.activation import Activation
from lrft.model.inputs import Inputs, Law, parse_inputs
from lrft.model.links import Link, NetworkLink
from lrft.model.task_arguments import check_biases, check_c, check_nonzero, frozen

Floats = NDArray[np.float64]

NORMALIZATIONS = ("none", "unit")
#: Below this length of Π_W u the perturbation counts as orthogonal to the features.
ORTHOGONAL_TOLERANCE = 1e-12


class TaskBase:
    """The immutable state behind :class:`lrft.Task`, described there."""

    d: int
    k: int
    rank: int
    R: Floats
    a: Floats
    features_rank: int
    lam: Floats
    c: Floats
    xi: float
    activation: Activation
    #: b (k,) of the base's neurons, which a teacher that is a perturbed base shares; or None.
    biases: Floats | None = None
    #: The law of the inputs inside S; None where it is the standard normal.
    inputs: Inputs | None = None
    normalization: str
    neuron_scale: float
    output_scale: float
    noise: float
    #: True for given weights, False for a task in coordinates with a random basis.
    given: bool
    embedding_seed: int
    #: What the teacher makes of the fields of u; None where it is the base with ξ Σ c_j u_jᵀ.
    link: Link | None = None
    #: Vectors that S has beside given W and u, for the law of the inputs: (n, d), and in S (n, s).
    _vectors: Floats
    _vectors_S: Floats
    #: How the parts were made, for the repr: features, c, u.
    labels: dict[str, str]
    #: Vectors (n, d) that S holds beside W, where they are more than this task's own.
    span: Floats | None = None
    #: Function and arguments that draw this very task again; None for given arrays.
    recipe: dict[str, Any] | None = None

    @classmethod
    def _in_coordinates(
        cls,
        d: int,
        R: Floats,
        a: Floats,
        rho: int,
        seed: int,
        labels: dict[str, str],
        common: dict[str, Any],
    ) -> Self:
        task = cls.__new__(cls)
        arguments: dict[str, Any] = {
            "activation": "relu",
            "normalization": "none",
            "neuron_scale": None,
            "output_scale": 1.0,
            "noise": 0.0,
            "biases": None,
            "inputs": None,
        }
        arguments |= common
        arguments["inputs"] = inputs = parse_inputs(arguments["inputs"])
        if inputs is not None:
            R, a = inputs.widened(R, a, d)
        task._fill(
            d=d, R=R, a=a, rho=rho, embedding_seed=seed, given=False, labels=labels, **arguments
        )
        return task

    def _fill_given(
        self,
        *,
        W: ArrayLike,
        lam: ArrayLike,
        u: ArrayLike,
        c: ArrayLike | None = None,
        neuron_scale: float | None = None,
        link: Link | None = None,
        inputs: object = None,
        **others: Any,
    ) -> None:
        rows = checks.array("W", W, ("k", "d"))
        d = rows.shape[1]
        if link is None:
            c, rank = check_c(c, len(rows))
            directions = checks.array("u", u, (d,) if rank == 1 else (rank, d))
            if rank == 1:
                checks.unit("u", directions)
        else:
            directions = checks.array("u", u, (d,) if np.ndim(u) == 1 else ("r", d))
        check_nonzero("u", np.atleast_2d(directions), "row")
        law, spanned = parse_inputs(inputs), np.atleast_2d(directions)
        r = len(spanned)
        if law is not None:
            self.__dict__["_vectors"] = frozen(law.vectors(rows, spanned))
            spanned = np.concatenate([spanned, self._vectors])
        R, a, _, rho = sampling.span_basis(rows, spanned)
        if law is not None:
            self.__dict__["_vectors_S"] = frozen(a[r:])
        self._fill(
            d=rows.shape[1],
            R=R,
            a=a[:r],
            inputs=law,
            rho=rho,
            lam=lam,
            c=c,
            neuron_scale=neuron_scale,
            embedding_seed=0,
            given=True,
            labels={"features": "given", "c": "given", "u": "given"},
            link=link,
            **others,
        )
        self.__dict__["_ambient"] = rows, directions

    def _in_span(
        self, span: Floats, R: Floats, a: Floats, rho: int, vectors: Floats | None = None
    ) -> Self:
        """Make this task of given weights in coordinates of a basis of span(W, more directions).

        `vectors` are those of its law, in these coordinates.
        """
        task = type(self).__new__(type(self))
        task.__dict__.update({n: value for n, value in self.__dict__.items() if n != "law"})
        own = {"R": frozen(R), "a": frozen(a), "features_rank": rho, "span": frozen(span)}
        if vectors is not None:
            own["_vectors_S"] = frozen(vectors)
        task.__dict__.update(own)
        return task

    def _fill(
        self,
        *,
        d: int,
        R: Floats,
        a: Floats,
        rho: int,
        lam: object,
        xi: object,
        activation: str | Activation,
        normalization: object,
        neuron_scale: object,
        output_scale: object,
        noise: object,
        embedding_seed: int,
        given: bool,
        labels: dict[str, str],
        c: object = None,
        biases: object = None,
        inputs: Inputs | None = None,
        link: Link | None = None,
    ) -> None:
        """Check what all constructors share and set the attributes."""
        k = len(R)
        xi = checks.real("xi", xi, above=0.0)
        normalization = checks.choice("normalization", normalization, NORMALIZATIONS)
        if neuron_scale is None:
            unit = float(1.0 / np.sqrt(1.0 + xi * xi / k))
            neuron_scale = 1.0 if normalization == "none" else unit
        elif normalization == "unit":
            raise ValueError("normalization='unit' sets neuron_scale: give one of the two")
        lam = checks.array("lam", lam, (k,))
        if not lam.any():
            raise ValueError("lam must have a nonzero entry: the network would be zero")
        if biases is not None:
            self.__dict__["biases"] = check_biases("biases", biases, k)
        if inputs is not None:
            self.__dict__["inputs"] = inputs
        rank = len(a)
        if link is not None:  # c is of perturbed bases alone
            c, labels = frozen(np.zeros(k if rank == 1 else (k, rank))), labels | {"c": "none"}
            self.__dict__["link"] = link
            self._check_link(a)
        else:
            c, columns = check_c(c, k)
            if rank != columns:
                raise ValueError(f"u must have {columns} rows like the columns of c, got {rank}")
        self.__dict__.update(
            d=d,
            k=k,
            rank=rank,
            R=frozen(R),
            a=frozen(a),
            features_rank=rho,
            lam=lam,
            c=c,
            xi=xi,
            activation=Activation.parse(activation),
            normalization=normalization,
            neuron_scale=checks.real("neuron_scale", neuron_scale, above=0.0),
            output_scale=checks.real("output_scale", output_scale, above=0.0),
            noise=checks.real("noise", noise, minimum=0.0),
            given=given,
            embedding_seed=embedding_seed,
            labels=labels,
        )
        _ = self.law  # checks its directions

    @cached_property
    def law(self) -> Law | None:
        """The law of the inputs inside S, in its coordinates; None: the standard normal."""
        if self.inputs is None:
            return None
        return self.inputs.law(self, (self._vectors, self._vectors_S) if self.given else None)

    def _check_link(self, a: Floats) -> None:
        """Refuse directions that do not fit the link."""
        link, rank = self.link, len(a)
        if isinstance(link, NetworkLink):
            if len(link.weights) != rank:
                raise ValueError(
                    f"u must have {len(link.weights)} rows, one a neuron of the teacher, got {rank}"
                )
            return
        assert link is not None
        if link.powers.shape[1] != rank:
            raise ValueError(
                f"u must have {link.powers.shape[1]} rows, one a direction of the terms, got {rank}"
            )
        gap = float(np.abs(a @ a.T - np.eye(rank)).max())
        if gap > 1e-9:
            raise ValueError(
                "u must have orthonormal rows for a multi-index teacher (tolerance 1e-9), "
                f"got inner products off by {gap:.3g}"
            )

    @property
    def guards(self) -> tuple[Any, ...]:
        """Functions of the user that a run of this task calls, base and teacher."""
        star = self.link.activation.guards if isinstance(self.link, NetworkLink) else ()
        return (*self.activation.guards, *star)

    @property
    def lane_shape(self) -> tuple[Any, ...]:
        """What tasks have in common that can share lanes."""
        link = () if self.link is None else self.link.shape
        biased: tuple[Any, ...] = () if self.biases is None else ("biases",)
        if (law := self.law) is not None:
            biased += (len(law.stretch), len(law.probabilities), law.complements)
        shape = (self.R.shape, self.features_rank, self.rank, self.activation.identity)
        return (*shape, *biased, *link)

    @cached_property
    def _ambient(self) -> tuple[Floats, Floats]:
        basis = np.ascontiguousarray(self.Q.T)
        u = sampling.combine(self.a, basis)
        return frozen(sampling.combine(self.R, basis)), frozen(u[0] if self.rank == 1 else u)

    @property
    def W(self) -> Floats:
        """Features, shape (k, d), read-only; made when first asked for and then kept."""
        return self._ambient[0]

    @property
    def u(self) -> Floats:
        """Directions, shape (d,) or (r, d), read-only; made together with ``W``."""
        return self._ambient[1]

    @property
    def Q(self) -> Floats:
        """Basis of S, shape (d, s), made anew each time; W = R Qᵀ and u = a Qᵀ.

        S is the span of W, u and the directions of the inputs.
        """
        if self.given:
            spanned = self.span
            if spanned is None:
                spanned = np.atleast_2d(self.u)
                if self.inputs is not None:
                    spanned = np.concatenate([spanned, self._vectors])
            return sampling.span_basis(self.W, spanned)[2].T
        own = None if self.inputs is None else self.inputs.basis(self)
        return (
            sampling.embedding(self.d, self.R.shape[1], self.embedding_seed) if own is None else own
        ).T

    @property
    def gram(self) -> Floats:
        """Inner products of the features, R Rᵀ, shape (k, k)."""
        gram: Floats = np.einsum("is,js->ij", self.R, self.R)
        return gram

    @property
    def u_orthogonal(self) -> bool:
        """Whether u ⟂ span(W), that is ‖Π_W u_j‖ ≤ 1e-12 for every row (A2)."""
        inside = np.linalg.norm(self.a[:, : self.features_rank], axis=1)
        return bool((inside <= ORTHOGONAL_TOLERANCE).all())

    def _scalars(self) -> dict[str, Any]:
        """Collect what defines the task beside its arrays, ready for canonical JSON."""
        common = {
            "d": self.d,
            "features_rank": self.features_rank,
            "xi": self.xi,
            "activation": self.activation.identity,
            "neuron_scale": self.neuron_scale,
            "output_scale": self.output_scale,
            "noise": self.noise,
            "embedding": "given" if self.given else self.embedding_seed,
        }
        parts = {"link": self.link, "inputs": self.inputs}
        return common | {name: part.scalars() for name, part in parts.items() if part is not None}

    def _arrays(self) -> dict[str, Floats]:
        """Collect the arrays that define the task: W and u as given, or the coordinates."""
        own = {"W": self.W, "u": self.u} if self.given else {"R": self.R, "a": self.a}
        common = own | {"lam": self.lam, "c": self.c}
        if self.biases is not None:
            common["biases"] = self.biases
        if self.inputs is not None:
            common |= self.inputs.arrays()
        return common if self.link is None else common | self.link.arrays()

    @cached_property
    def content_hash(self) -> str:
        """sha256 (hex) of everything that defines the task, the same on every machine."""
        scalars = self._scalars()
        if self.given:
            # Follows from W and u, and may differ by rounding between machines.
            del scalars["features_rank"]
        digest = hashlib.sha256(b"lrft task 1\n")
        digest.update(json.dumps(scalars, sort_keys=True, separators=(",", ":")).encode())
        for name, value in sorted(self._arrays().items()):
            digest.update(f"\n{name} {value.shape}\n".encode())
            digest.update((value + 0.0).astype("<f8").tobytes())  # -0 counts as 0
        return digest.hexdigest()

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Task is immutable: use task.replace({name}=...)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Task is immutable")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TaskBase):
            return NotImplemented
        return self.content_hash == other.content_hash

    def __hash__(self) -> int:
        return hash(self.content_hash)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if not self.given:
            state.pop("_ambient", None)  # cheaper to make than to send
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for value in (*state.values(), *state.get("_ambient", ())):
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def __repr__(self) -> str:
        parts = [f"d={self.d}", f"k={self.k}", f"xi={self.xi:.4g}"]
        if self.rank > 1:
            parts.append(f"rank={self.rank}")
        parts.append(f"activation='{self.activation}'")
        if self.link is not None:
            parts.append(f"teacher='{self.link}'")
        if self.biases is not None:
            alike = (self.biases == self.biases[0]).all()
            parts.append(f"biases={self.biases[0]:.4g}" if alike else "biases='given'")
        if self.inputs is not None:
            parts.append(f"inputs='{self.inputs}'")
        parts += [f"{name}={value!r}" for name, value in self.labels.items()]
        parts.append(f"neuron_scale={self.neuron_scale:.4f}")
        if self.output_scale != 1.0:
            parts.append(f"output_scale={self.output_scale:.4g}")
        if self.noise:
            parts.append(f"noise={self.noise:.4g}")
        return f"Task({', '.join(parts)}, hash={self.content_hash[:8]})"


def check_task(task: object) -> None:
    """Refuse what is no task."""
    if not isinstance(task, TaskBase):
        raise TypeError(f"task must be a Task, got {checks.describe(task)}")


def check_unbiased(task: TaskBase, what: str, student: Any = None) -> None:
    """Refuse what is no task, and a network with biases: base, teacher or student."""
    check_task(task)
    if task.biases is not None or getattr(task.link, "biases", None) is not None:
        raise ValueError(f"{what} needs networks without biases, got {task!r}")
    # What is no student is refused by what asks for one.
    if hasattr(student, "biased") and student.biased(task):
        raise ValueError(f"{what} needs networks without biases, got {student!r}")


#: Why most of what is for standard normal inputs is.
_EXPANSIONS = "of which its Hermite expansions are"


def check_standard(task: TaskBase, what: str, why: str = _EXPANSIONS) -> None:
    """Refuse inputs with a law of their own."""
    if task.inputs is not None:
        raise ValueError(f"{what} needs standard normal inputs, {why}, got {task.inputs!r}")


def check_perturbed(task: TaskBase, what: str, why: str = _EXPANSIONS) -> None:
    """Refuse what is no task, a teacher that is no perturbed base, biases, and a law of inputs."""
    check_unbiased(task, what)
    check_standard(task, what, why)
    check_no_link(task, what)


def check_no_link(task: TaskBase, what: str) -> None:
    """Refuse what is no task, and a teacher that is no perturbed base."""
    check_task(task)
    if task.link is not None:
        raise ValueError(
            f"{what} needs a teacher that is the base with ξ c uᵀ, got one with {task.link}"
        )
