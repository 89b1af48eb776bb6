"""Sequences of tasks: teachers of one base, in one span, that are learned one after another."""

from __future__ import annotations

from collections.abc import Sequence as Several
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrft.base import checks
from lrft.base.signatures import takes_also
from lrft.model import sampling
from lrft.model.inputs import Directed
from lrft.model.task import Task
from lrft.model.task_state import TaskBase, check_no_link, check_unbiased

#: What the tasks of a sequence share, beside d and the features.
SHARED = ("lam", "activation", "neuron_scale", "output_scale")


class Sequence:
    """Tasks with one base, whose teachers' directions lie in one S, in the order they are learned.

    Parameters
    ----------
    tasks : sequence of Task
        At least two. They share d, W, λ, activation and scales; u, c, ξ, noise and the law of
        their inputs, a `Spiked` or a `Mixture`, are their own.
        Tasks of given weights have the same W; others the same coordinates of it, as those of
        :meth:`sample` and of ``Task.replace`` have, and as many directions ``"beside"`` W and u,
        which are then beside the directions of every task. Those of given weights are each
        task's own, beside its own u.

    Attributes
    ----------
    tasks : tuple of Task
        In coordinates of one basis of span(W, u₁, u₂, …).

    Raises
    ------
    TypeError, ValueError
        If they are no tasks, or do not share what they must; it says what.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=1000, k=4)
    >>> len(lrft.Sequence([task, task.replace(xi=1.0)]).tasks)
    2
    """

    def __init__(self, tasks: Several[Task]) -> None:
        if not isinstance(tasks, Several) or isinstance(tasks, str | bytes) or len(tasks) < 2:
            raise TypeError(
                f"tasks must be a list of at least two Tasks, got {checks.describe(tasks)}"
            )
        for i, one in enumerate(tasks):
            if not isinstance(one, Task):
                raise TypeError(f"tasks[{i}] must be a Task, got {type(one).__name__}")
            _check(one, f"tasks[{i}] of a sequence")
        first = tasks[0]
        for i, one in enumerate(tasks):
            for name in ("d", "given", *SHARED):
                if not np.array_equal(getattr(one, name), getattr(first, name)):
                    raise ValueError(
                        f"tasks must share {name}, got {getattr(first, name)} in tasks[0] and "
                        f"{getattr(one, name)} in tasks[{i}]"
                    )
            (rows, beside), (ours, others) = _base(one), _base(first)
            same = np.array_equal(rows, ours) and beside == others
            if not same or one.embedding_seed != first.embedding_seed:
                raise ValueError(
                    f"tasks must share W, but that of tasks[{i}] is another than that of tasks[0]"
                    + ("" if first.given else ", or the count of directions of inputs beside it")
                )
        self.tasks: tuple[Task, ...] = tuple(_joined(tasks) if first.given else tasks)

    @classmethod
    @takes_also(Task.sample, but=("rank", "u", "biases"))
    def sample(
        cls, d: int, k: int, overlap: float, *, tasks: int = 2, one_c: bool = False, **options: Any
    ) -> Sequence:
        """Draw tasks whose directions have this overlap with the first task's.

        Parameters
        ----------
        d, k : int
            As for `Task.sample`.
        overlap : float
            ⟨u₁, u_j⟩ in [−1, 1] of the first task and every later one; what is left of these is
            orthogonal to each other and to the base.
        tasks : int
            How many, at least 2.
        one_c : bool
            All have the c of the first; by default each has its own.
        xi, activation, features, c, parallel, lam, normalization, neuron_scale, output_scale, \
            noise, inputs, seed
            As for `Task.sample`; ξ, the noise and the law of the inputs are those of every task,
            but directions ``"u"`` are each task's own.

        Returns
        -------
        Sequence

        Raises
        ------
        TypeError, ValueError
            As `Task.sample`; and for an overlap that is none.

        Examples
        --------
        >>> import lrft
        >>> sequence = lrft.Sequence.sample(d=10**6, k=8, overlap=0.6)
        >>> first, second = sequence.tasks
        >>> round(float(first.a[0] @ second.a[0]), 12)
        0.6
        """
        overlap = checks.real("overlap", overlap, minimum=-1.0, maximum=1.0)
        count = checks.integer("tasks", tasks, 2)
        one_c = checks.boolean("one_c", one_c)
        for name in ("rank", "u"):
            if name in options:
                raise TypeError(f"{name} is settled by the sequence, got {name}={options[name]!r}")
        parent = Task.sample(d, k, rank=count, **options)
        _check(parent, "a sequence")
        mix = np.eye(count)
        mix[1:] *= np.sqrt(1.0 - overlap**2)
        mix[1:, 0] = overlap
        found = []
        for j in range(count):
            c = parent.c[:, 0 if one_c else j]
            kept = {name: getattr(parent, name) for name in SHARED if name != "lam"}
            found.append(
                Task.from_coordinates(
                    parent.d,
                    parent.R,
                    np.einsum("i,is->s", mix[j], parent.a)[None],
                    lam=parent.lam,
                    c=c / np.linalg.norm(c),
                    xi=parent.xi,
                    seed=parent.embedding_seed,
                    noise=parent.noise,
                    inputs=parent.inputs,
                    **kept,
                )
            )
        return cls(found)

    def __len__(self) -> int:
        return len(self.tasks)

    def __repr__(self) -> str:
        return f"Sequence([{', '.join(map(repr, self.tasks))}])"


def _check(task: TaskBase, what: str) -> None:
    """Refuse what no task of a sequence can be."""
    check_unbiased(task, what)
    check_no_link(task, what)
    if task.law is not None and task.law.blocks is not None:
        raise ValueError(
            f"{what} needs inputs without eigenvalue blocks, in each of which S would hold a part "
            f"of every adapter that stays, got {task.inputs!r}"
        )


def _base(task: TaskBase) -> tuple[NDArray[np.float64], int]:
    """Return what says of a task's W where it is in the S of all.

    In coordinates another count of directions of inputs beside W would let one of a task be one of
    another's teacher.
    """
    if task.given:
        return task.W, 0
    return task.R, task.inputs.beside if isinstance(task.inputs, Directed) else 0


def _joined(tasks: Several[Task]) -> list[Task]:
    """Tasks of given weights in coordinates of one basis, which has directions of all inputs."""
    W = np.ascontiguousarray(tasks[0].W)
    spanned = [np.atleast_2d(one.u) for one in tasks]
    spanned += [one._vectors for one in tasks if one.inputs is not None]
    span = np.concatenate(spanned)
    R, a, _, rho = sampling.span_basis(W, span)
    parts = iter(np.split(a, np.cumsum(list(map(len, spanned)))[:-1]))
    directions = [next(parts) for _ in tasks]
    return [
        one._in_span(span, R, here, rho, None if one.inputs is None else next(parts))
        for one, here in zip(tasks, directions, strict=True)
    ]
