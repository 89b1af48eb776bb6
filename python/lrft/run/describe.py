"""From tasks and trainings to what the compiled core is given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft.core.engine import compiled
from lrft.model import sampling, schedule
from lrft.model.input_law import Blocks, Law
from lrft.model.links import NetworkLink
from lrft.model.optimiser import SGD
from lrft.model.students import StudentModel
from lrft.model.students.starts import given_rows
from lrft.model.task import Task
from lrft.model.training import Training, training_data
from lrft.theory.first_gradient import started

Floats = NDArray[np.float64]


class Settled(NamedTuple):
    """A task, and a training whose rate of û, A or the rows is settled."""

    task: Task
    training: Training
    rate: float | schedule.Schedule


def shares_lanes(engine: str, seed: int, task: Task, training: Training) -> tuple[Any, ...]:
    """Return what jobs must have in common to share lanes."""
    student, o, average = training.student, training.optimiser, training.average is not None
    alike = student.model_dump_json(exclude={student.own_rate})
    size = task.d if engine == "ambient" else 0
    used = training.batch, training.reuse, training.lookahead is None
    kept = training.loss, training.recorded_parameters
    remembered = (o.momentum > 0.0, average, o == SGD() and not average)
    return (engine, seed, *task.lane_shape, size, *used, *kept, remembered, alike)


def run(
    jobs: Sequence[Settled],
    chains: Sequence[compiled.Chain],
    *,
    ambient: bool,
    seed: int,
    threads: int = 1,
    keep_state: bool = False,
) -> dict[str, Any]:
    """Describe a run of chains whose ``training`` says which of the jobs they are of.

    Fields of a ``RunSpec``.  Jobs share lanes: tasks of one shape and activation, students that
    differ in rates alone.
    """
    tasks = list({id(job.task): job.task for job in jobs}.values())
    place = {id(task): i for i, task in enumerate(tasks)}
    of_job = [place[id(job.task)] for job in jobs]
    theirs = [
        chain if chain.task == (task := of_job[chain.training]) else chain.replace(task=task)
        for chain in chains
    ]
    return described(tasks, jobs[0].training.student, ambient, seed, theirs) | {
        "ambient": ambient,
        "activation": tasks[0].activation.core,
        "trainings": [training_data(job.training, job.rate) for job in jobs],
        "seed": seed,
        "threads": threads,
        "keep_state": keep_state,
    }


def task_data(task: Task, ambient: bool) -> compiled.TaskData:
    """Describe a task without its biases; with `ambient`, with its arrays in R^d."""
    k, s = task.R.shape
    law = task.law
    return compiled.TaskData(
        d=task.d,
        k=k,
        neurons=k,
        s=s,
        features_rank=task.features_rank,
        rank=task.rank,
        R=task.R,
        a=task.a,
        c=task.c,
        lam=task.lam,
        xi=task.xi,
        noise=task.noise,
        neuron_scale=task.neuron_scale,
        output_scale=task.output_scale,
        W=task.W if ambient else None,
        u=np.atleast_2d(task.u) if ambient else None,
        **({} if task.link is None else task.link.core),
        **({} if law is None else _law_data(task, law, ambient)),
    )


def _law_data(task: Task, law: Law, ambient: bool) -> dict[str, Any]:
    """Describe the law of the inputs within S, which is not the standard normal."""
    return {
        "directions": len(law.stretch),
        "components": len(law.probabilities),
        "V": law.V,
        "stretch": law.stretch,
        "probabilities": law.probabilities,
        "means": law.means,
        "shifts": law.shifts,
        "V_x": sampling.combine(law.V, task.Q.T) if ambient else None,
    } | ({} if law.blocks is None else _block_data(law.blocks))


def _block_data(blocks: Blocks) -> dict[str, Any]:
    return {
        "blocks": len(blocks.sizes),
        "block_d": np.array(blocks.sizes, dtype=np.float64),
        "block_s": list(blocks.inside),
        "variances": np.array(blocks.variances),
    }


def described(
    tasks: list[Task], student: StudentModel, ambient: bool, seed: int, chains: list[compiled.Chain]
) -> dict[str, Any]:
    """Describe tasks, students and chains, whose ``task`` counts in `tasks`.

    Where what the replica starts with changes the task, or is worked out here from samples of its
    own, every chain has a task of its own, and ``training`` still says which it was.
    """
    star = tasks[0].link
    own = {"link_activation": star.activation.core} if isinstance(star, NetworkLink) else {}
    of = tasks  # whose they are
    if not (student.start_of_its_own or student.worked_out_start):
        starts = [
            (task_data(task, ambient), student.specification(task, ambient=ambient))
            for task in tasks
        ]
    elif student.start_is_of_the_task:
        starts = [_with_start(task, student, ambient, seed, 0) for task in tasks]
    else:
        of = [tasks[chain.task] for chain in chains]
        starts = [
            _with_start(task, student, ambient, seed, chain.replica)
            for task, chain in zip(of, chains, strict=True)
        ]
        chains = [chain.replace(task=i) for i, chain in enumerate(chains)]
    if any(student.biased(task) for task in tasks):
        starts = [with_constant(*one, task.biases) for one, task in zip(starts, of, strict=True)]
    return {
        "tasks": [one for one, _ in starts],
        "students": [one for _, one in starts],
        "chains": chains,
    } | own


def _with_start(
    task: Task, student: StudentModel, ambient: bool, seed: int, replica: int
) -> tuple[compiled.TaskData, compiled.StudentSpec]:
    """Describe the task of one replica, and the student with its start."""
    spec, data = student.specification(task, ambient=ambient), task_data(task, ambient)
    if student.worked_out_start:
        start = started(task, student, ambient=ambient, seed=seed, replica=replica)
        spec = spec.replace(
            init_rows="given",
            init_own="given",
            own=start.own,
            **_given(task, start.rows, ambient),
        )
    if not (student.start_of_its_own or student.takes_start_off):
        return data, spec
    n, s = student.rows(task), task.R.shape[1]
    if spec.init_rows != "given":
        drawn = _drawn_rows(task, n, spec.rows_std, ambient, seed, replica)
        if student.unit_rows:
            drawn = _made_unit(drawn, n)
        spec = spec.replace(**drawn)
    rows = None
    if ambient:
        rows = spec.rows_x.reshape(n, task.d)
        inside = given_rows(task, rows, ambient=False)
        parts = inside["rows_S"], inside["rows_rest"]
    else:
        parts = spec.rows_S.reshape(n, s), spec.rows_rest.reshape(n, n)
    coordinates = np.concatenate(parts, axis=1)
    spec = spec.replace(init_rows="given", rows_S=coordinates, rows_rest=np.zeros((n, n)))
    if student.takes_start_off:
        off = -spec.scale * spec.own.reshape(task.k, n)
        return with_frozen(data, off, coordinates, rows), spec
    k = task.k
    return with_features(data, coordinates, rows), spec.replace(start=k)


def with_features(
    data: compiled.TaskData, coordinates: Floats, rows: Floats | None
) -> compiled.TaskData:
    """Describe the task with n more features, rows (n, s + n) in S and n directions beside it."""
    n, k, s = len(coordinates), data.k, data.s
    c = data.c.reshape(k, data.rank)
    return data.replace(
        k=k + n,
        s=s + n,
        features_rank=0,
        R=np.concatenate([_wide(data.R, s, n), coordinates]),
        a=_wide(data.a, s, n),
        V=_wide(data.V, s, n),
        c=np.concatenate([c, np.zeros((n, data.rank))]),
        lam=np.concatenate([data.lam, np.zeros(n)]),
        W=None if rows is None else np.concatenate([data.W.reshape(k, -1), rows]),
    )


def with_frozen(
    data: compiled.TaskData, own: Floats, coordinates: Floats, rows: Floats | None
) -> compiled.TaskData:
    """Describe the same teacher beside a base W + own A, own (k, n), A (n, d).

    The student perturbs that base, and so does the teacher,
    W + ξ c u = (W + own A) + ξ c u − own A: it has n directions more, with which there are no
    overlaps.  A: coordinates (n, s + n) in S and n directions beside it, and rows in R^d in the
    ambient space.
    """
    n, k, s = len(coordinates), data.k, data.s
    xi = data.xi if data.xi != 0 else 1.0
    c = (data.xi / xi) * data.c.reshape(k, -1)
    return data.replace(
        s=s + n,
        features_rank=0,
        rank=data.rank + n,
        followed=data.followed or data.rank,
        R=_wide(data.R, s, n) + np.einsum("kn,ns->ks", own, coordinates),
        a=np.concatenate([_wide(data.a, s, n), coordinates]),
        V=_wide(data.V, s, n),
        c=np.concatenate([c, -own / xi], axis=1),
        xi=xi,
        W=None if rows is None else data.W.reshape(k, -1) + np.einsum("kn,nd->kd", own, rows),
        u=None if rows is None else np.concatenate([data.u.reshape(data.rank, -1), rows]),
    )


def with_all_frozen(data: compiled.TaskData, frozen: Iterable[Any]) -> compiled.TaskData:
    """Describe the same teacher beside a base with several adapters that stay, in their order."""
    for one in frozen:
        data = with_frozen(data, one.own, one.coordinates, one.rows)
    return data


def with_directions(data: compiled.TaskData, others: Sequence[Task]) -> compiled.TaskData:
    """Describe the task with the directions of others in its S, where the teacher has nothing.

    Of their teachers and of their inputs.  There are no overlaps with them; in the ambient space
    what rows have along them is seen so.
    """
    laws = [(one.law.V, one.Q) for one in others if one.law is not None]
    a = [*(one.a for one in others), *(V for V, _ in laws)]
    u = [*(np.atleast_2d(o.u) for o in others), *(sampling.combine(V, Q.T) for V, Q in laws)]
    more = sum(map(len, a))
    c = data.c.reshape(data.k, data.rank)
    return data.replace(
        rank=data.rank + more,
        followed=data.followed or data.rank,
        a=np.concatenate([data.a.reshape(data.rank, data.s), *a]),
        c=np.concatenate([c, np.zeros((data.k, more))], axis=1),
        u=np.concatenate([data.u.reshape(data.rank, -1), *u]),
    )


def with_constant(
    data: compiled.TaskData, student: compiled.StudentSpec, biases: Floats | None
) -> tuple[compiled.TaskData, compiled.StudentSpec]:
    """Give inputs a coordinate that is 1, along which rows have their biases.

    It is the first of S and the last of R^d.  biases: those of the base, added to neuron_scale
    <w, x>; features after the base's are rows that the student starts with.
    """
    k, s = data.k, data.s
    of_features = np.zeros(k)
    if biases is not None:
        of_features[: len(biases)] = biases / data.neuron_scale
    if student.biases.size and data.k > data.neurons:
        of_features[data.neurons :] = student.biases
    q, m = data.directions + 1, max(data.components, 1)
    V = np.zeros((q, s + 1))
    V[0, 0], V[1:, 1:] = 1.0, data.V.reshape(-1, s)
    means = np.ones((m, q))
    means[:, 1:] = data.means.reshape(m, q - 1)

    def first(column: Any, array: Floats) -> Floats:
        rows = array.reshape(-1, s)
        return np.column_stack([np.broadcast_to(column, len(rows)), rows])

    def last(column: Any, array: Floats | None) -> Floats | None:
        if array is None:
            return None
        rows = array.reshape(-1, int(data.d))
        return np.column_stack([rows, np.broadcast_to(column, len(rows))])

    V_x = None
    if data.W is not None:
        V_x = np.zeros((q, int(data.d) + 1))
        V_x[0, -1] = 1.0
        if q > 1:
            V_x[1:, :-1] = data.V_x.reshape(q - 1, -1)
    described = data.replace(
        d=data.d + 1,
        s=s + 1,
        features_rank=data.features_rank + 1,
        R=first(of_features, data.R),
        a=first(0.0, data.a),
        W=last(of_features, data.W),
        u=last(0.0, data.u),
        constant=True,
        directions=q,
        components=m,
        V=V,
        V_x=V_x,
        stretch=np.concatenate([[-1.0], data.stretch]),
        probabilities=data.probabilities if data.components else np.ones(1),
        means=means,
        shifts=data.shifts if data.components else np.zeros(1),
    )
    if student.init_rows != "given":
        return described, student
    inside = student.rows_S.reshape(-1, s)
    return described, student.replace(
        rows_S=np.column_stack([np.zeros(len(inside)), inside]), rows_x=last(0.0, student.rows_x)
    )


def _wide(array: Floats, s: int, n: int) -> Floats:
    """With n more directions in S, in which nothing of these rows lies."""
    rows = array.reshape(-1, s)
    return np.concatenate([rows, np.zeros((len(rows), n))], axis=1)


def _given(task: Task, rows: Floats, ambient: bool) -> dict[str, Any]:
    """Rows in R^d, or in S and some directions beside it, as the core takes them."""
    if ambient:
        return {"rows_x": rows}
    inside, rest = coordinates(rows, task.R.shape[1])
    complements = 1 if task.law is None else task.law.complements
    return {"rows_S": inside, "rows_rest": np.concatenate([rest] * complements)}  # 0 in several


def coordinates(rows: Floats, s: int) -> tuple[Floats, Floats]:
    """Split rows (n, s + q) into (n, s), and a triangular factor (n, n) of what is beside."""
    inside, rest = compiled.coordinates(
        np.ascontiguousarray(rows), np.eye(s, rows.shape[1], dtype=np.float64)
    )
    return inside, rest


def _drawn_rows(
    task: Task, n: int, std: float, ambient: bool, seed: int, replica: int
) -> dict[str, Any]:
    """Draw normal rows as the core does, in R^d or in coordinates."""

    def normals(size: int) -> Floats:
        values: Floats = compiled.normals(seed, replica, compiled.purposes["init_u"], 0, size)
        return std * values

    if ambient:
        return {"rows_x": normals(n * task.d).reshape(n, task.d)}
    s = task.R.shape[1]
    z = normals(n * (s + n))
    dof = task.d - s - np.arange(n, dtype=np.float64)
    diagonal = compiled.chi(seed, replica, compiled.purposes["init_chi"], 0, dof)
    return {
        "rows_S": z[: n * s].reshape(n, s),
        "rows_rest": np.tril(z[n * s :].reshape(n, n), -1) + np.diag(std * diagonal),
    }


def _made_unit(rows: dict[str, Any], n: int) -> dict[str, Any]:
    """Rows drawn as normals, made uniform on their unit spheres."""
    parts = {name: part.reshape(n, -1) for name, part in rows.items()}
    norm = np.sqrt(sum((part**2).sum(axis=1) for part in parts.values()))
    return {name: part / norm[:, None] for name, part in parts.items()}


def new_chain(job: int, replica: int) -> compiled.Chain:
    """Describe a replica that has not begun, of a job with a task of its own."""
    return compiled.Chain(task=job, training=job, replica=replica)
