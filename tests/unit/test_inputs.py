"""Spiked, Mixture and EigenBlocks: text, directions in S, files, and what they refuse."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import lrft
from lrft import theory
from lrft.model.inputs import parse_inputs

RNG = np.random.default_rng(0)
GIVEN: dict[str, Any] = {
    "W": RNG.standard_normal((3, 10)),
    "lam": np.ones(3),
    "c": np.ones(3) / 3**0.5,
    "u": np.eye(10)[4],
    "xi": 1.0,
}
V = np.eye(10)[[7, 2]]
NAMED = [
    lrft.Spiked("u", 2.0),
    lrft.Spiked("features", -0.5),
    lrft.Spiked("beside", [1.0, 2.0]),
    lrft.Mixture([1.0, -1.0]),
    lrft.Mixture([[1.0, 2.0], [0.0, -1.0]], [0.3, 0.7], [0.0, 1.0]),
    lrft.Mixture([-1.0, 2.0], directions="u"),
]
IN_SPACE = [
    lrft.Spiked(V, [1.0, 0.5]),
    lrft.Spiked(GIVEN["W"][:1] / np.linalg.norm(GIVEN["W"][0]), 3.0),
    lrft.Mixture([[1.0, 2.0], [0.0, -1.0]], labels=[1.0, 2.0], directions=V),
]
BLOCKS = [lrft.EigenBlocks([1.0, 0.25]), lrft.EigenBlocks([2.0, 1.0, 0.5], [0.3, 0.3, 0.4])]
TASKS = {
    "given": lambda law: lrft.Task(**GIVEN, inputs=law),
    "sampled": lambda law: lrft.Task.sample(d=40, k=4, inputs=law),
    "beside a base": lambda law: lrft.Task.single_index(
        "he3", base=lrft.Task.sample(d=40, k=4), inputs=law
    ),
}


def cases() -> list[Any]:
    pairs = [(kind, law) for kind in TASKS for law in NAMED + BLOCKS]
    return pairs + [("given", law) for law in IN_SPACE]


@pytest.mark.parametrize(("kind", "law"), cases(), ids=str)
def test_a_task_has_inputs(kind, law, tmp_path):
    task = TASKS[kind](law)
    Q, V = task.Q, task.law.V
    assert np.allclose(Q.T @ Q, np.eye(Q.shape[1]))
    assert np.allclose(task.R @ Q.T, task.W)
    assert np.allclose(task.a @ Q.T, np.atleast_2d(task.u))
    assert np.allclose(V @ V.T, np.eye(len(V)))
    if law in BLOCKS:
        in_blocks(task, V @ Q.T)
    elif law.named == "u":
        assert np.allclose(V @ Q.T, np.atleast_2d(task.u))
    elif law.named == "features":
        assert np.allclose((V.T @ V) @ task.R.T, task.R.T)
    elif law.named == "beside":
        assert np.abs(V @ np.concatenate([task.R, task.a]).T).max() < 1e-12
    else:
        assert np.allclose(V @ Q.T, law.directions)
    assert pickle.loads(pickle.dumps(task)) == task
    for suffix in ("npz", "safetensors"):
        task.save(tmp_path / f"task.{suffix}")
        again = lrft.Task.load(tmp_path / f"task.{suffix}")
        assert again == task
        assert again.inputs == law
        np.testing.assert_array_equal(again.law.V, V)
    plain = task.replace(inputs=None)
    assert plain != task
    assert plain.inputs is None
    assert plain.law is None
    assert plain.replace(inputs=law) == task
    assert "inputs" in repr(task)
    assert type(law).__name__ in law._repr_html_()


def in_blocks(task, bases):
    """Bases of the parts of W and u in every block, and of nothing else."""
    blocks, rows = task.law.blocks, np.concatenate([task.W, np.atleast_2d(task.u)])
    assert sum(blocks.sizes) == task.d
    for here, there in zip(blocks.slices, blocks.directions, strict=True):
        basis, parts = bases[there], rows[:, here]
        assert np.abs(np.delete(basis, np.arange(task.d)[here], axis=1)).max(initial=0.0) < 1e-12
        assert np.allclose(parts @ basis[:, here].T @ basis[:, here], parts)
        assert len(basis) == np.linalg.matrix_rank(parts)


def test_another_teacher_keeps_the_base():
    """W and its parts in the blocks do not depend on how many directions there are beside it."""
    base = lrft.Task.sample(d=60, k=3, inputs=BLOCKS[0], seed=4)
    task = lrft.Task.multi_index({(1,): 1.0, (0, 1): 0.5}, base=base, inputs=BLOCKS[0], seed=4)
    np.testing.assert_allclose(task.W, base.W, atol=1e-13)


@pytest.mark.parametrize("law", NAMED + BLOCKS, ids=str)
def test_text(law):
    assert parse_inputs(str(law)) == law
    assert (
        eval(repr(law), {one: getattr(lrft, one) for one in ("Spiked", "Mixture", "EigenBlocks")})
        == law
    )
    task = lrft.Task.sample(d=40, k=4, inputs=law)
    assert task == lrft.Task.sample(d=40, k=4, inputs=str(law))
    assert task.recipe["inputs"] == str(law)
    assert task != lrft.Task.sample(d=40, k=4)


def test_hashes_of_before():
    """Tasks without a law are what they were."""
    assert lrft.Task.sample(d=40, k=4).replace(inputs=None) == lrft.Task.sample(d=40, k=4)
    assert "inputs" not in lrft.Task.sample(d=40, k=4).recipe


def test_directions_beside_do_not_depend_on_the_order():
    """Beside given weights they are drawn, and drawn again alike."""
    one, two = (lrft.Task(**GIVEN, inputs=lrft.Spiked("beside", 1.0)) for _ in range(2))
    np.testing.assert_array_equal(one.law.V @ one.Q.T, two.law.V @ two.Q.T)


TASK = lrft.Task.sample(d=50, k=4, inputs=lrft.Mixture([-1.0, 1.0]))
BLOCKED = TASK.replace(inputs=BLOCKS[0])
WRONG = {
    "variances must be positive": lambda: lrft.EigenBlocks([1.0, -1.0]),
    "parts must be positive with the sum 1": lambda: lrft.EigenBlocks([1.0, 2.0], [0.5, 0.6]),
    "parts must have shape": lambda: lrft.EigenBlocks([1.0, 2.0], [1.0]),
    "a block without coordinates": lambda: lrft.EigenBlocks([1.0, 2.0], [0.001, 0.999]).sizes(9),
    "every block must have at least the 5": lambda: lrft.Task.sample(d=8, k=4, inputs="blocks 1 2"),
    "got 'blocks 1 x'": lambda: TASK.replace(inputs="blocks 1 x"),
    "got 'blocks 1 2 parts 1 1,2'": lambda: TASK.replace(inputs="blocks 1 2 parts 1 1,2"),
    "start must have 'M', 'Q_blocks' and 'B'": lambda: theory.order_parameter_ode(
        BLOCKED,
        lrft.Training(student=lrft.LoRA(rank=1), lr=0.01, steps=1),
        {"M": np.zeros((1, 10)), "Q": np.eye(1), "B": np.zeros((4, 1))},
    ),
    r"start\['Q_blocks'\] must be at least M Mᵀ": lambda: theory.order_parameter_ode(
        BLOCKED,
        lrft.Training(student=lrft.LoRA(rank=1), lr=0.01, steps=1),
        {"M": np.ones((1, 10)), "Q_blocks": np.ones((2, 1, 1)), "B": np.zeros((4, 1))},
    ),
    "eigenvalue blocks, or networks with biases, got inputs=Mixture": lambda: simulate(
        TASK, record_parameters=["Q_blocks"]
    ),
    "got 'blocks 1 2 parts'": lambda: TASK.replace(inputs="blocks 1 2 parts"),
    "got 'blocks parts 1'": lambda: TASK.replace(inputs="blocks parts 1"),
    "d must be an integer": lambda: lrft.EigenBlocks([1.0, 2.0]).sizes(10.5),  # type: ignore[arg-type]
    "linearized=True of a LoRA student needs inputs without eigenvalue blocks": lambda: simulate(
        BLOCKED, student=lrft.LoRA(rank=1, linearized=True)
    ),
    "needs 9 coordinates in block 0": lambda: simulate(
        lrft.Task.sample(d=12, k=4, inputs="blocks 1 2"),
        student=lrft.LoRA(rank=2),
        batch=4,
        engine="reduced",
    ),
    "directions must be one of": lambda: lrft.Spiked("v", 1.0),
    "strengths must be greater than -1": lambda: lrft.Spiked("u", -1.0),
    "strengths must be above -1": lambda: lrft.Spiked("u", [0.0, -2.0]),
    "orthonormal rows": lambda: lrft.Spiked(2 * V, 1.0),
    "sum 1, got": lambda: lrft.Mixture([1.0, 2.0], [0.5, 0.6]),
    "labels must have shape": lambda: lrft.Mixture([1.0, 2.0], labels=[1.0]),
    "means must have shape": lambda: lrft.Mixture([]),
    "means must be finite": lambda: lrft.Mixture([[np.nan]]),
    "must be names where": lambda: TASK.replace(inputs=lrft.Spiked(V, 1.0)),
    "need d >= 6": lambda: lrft.Task.sample(d=5, k=4, inputs=lrft.Spiked("beside", 1.0)),
    "a Spiked, a Mixture or an": lambda: TASK.replace(inputs=3),
    "as 'spiked u 2.0'": lambda: TASK.replace(inputs="spiked u"),
    "got 'spiked u x'": lambda: TASK.replace(inputs="spiked u x"),
    "labels 0 1 2,3": lambda: TASK.replace(inputs="mixture beside -1 1 labels 0 1 2,3"),
    "labels 5 6": lambda: TASK.replace(inputs="mixture beside -1 1 labels 0 1 labels 5 6"),
    "means of one size": lambda: TASK.replace(inputs="mixture u 1 1,2"),
    r"for 1 direction \(u\)": lambda: TASK.replace(inputs=lrft.Spiked("u", [1.0, 2.0])),
    "W of rank 1": lambda: lrft.Task.single_index("he3", d=9, inputs="spiked features 1"),
    "inputs.directions must have shape": lambda: lrft.Task(
        **GIVEN, inputs=lrft.Spiked(np.eye(9)[:1], 1.0)
    ),
    r"tasks\[0\] of a sequence needs inputs without eigenvalue blocks": lambda: lrft.Sequence(
        [BLOCKED, BLOCKED.replace(xi=1.0)]
    ),
    "a sequence needs inputs without eigenvalue blocks": lambda: lrft.Sequence.sample(
        50, 4, 0.5, inputs="blocks 1 2"
    ),
    "tasks must share W, .*, or the count of directions of inputs": lambda: lrft.Sequence(
        [TASK, TASK.replace(inputs=None)]
    ),
    # A direction of the inputs of one would be a direction of the other's teacher.
    "the count of directions of inputs beside it": lambda: lrft.Sequence(
        [
            lrft.Task.sample(d=40, k=3, inputs="spiked beside 3"),
            lrft.Task.sample(d=40, k=3, rank=2),
        ]
    ),
    "drift": lambda: theory.drift(TASK, TASK.c, 0.0),
    "gradient_noise": lambda: theory.gradient_noise(TASK, TASK.c, 0.1),
    "linearized_loss": lambda: theory.linearized_loss(TASK, TASK.c, 0.1),
    "the equation of one overlap": lambda: theory.order_parameter_ode(
        TASK, TASK.c, 0.1, delta=0.1, horizon=1.0
    ),
    "population_gradient": lambda: theory.population_gradient(TASK, TASK.u, TASK.c),
    "the algorithm": lambda: lrft.fine_tune(TASK),
    "u_init='favourable'": lambda: simulate(student=lrft.RankOne(u_init="favourable")),
    "linearized=True": lambda: simulate(student=lrft.RankOne(linearized=True)),
    "start='lora_ga'": lambda: simulate(student=lrft.LoRA(rank=1, start="lora_ga")),
}


def simulate(task: lrft.Task = TASK, *, engine: str = "auto", **training: Any) -> Any:
    training = lrft.Training(lr=0.001, steps=1, **training)
    return lrft.simulate(task, training, replicas=1, engine=engine)


@pytest.mark.parametrize("message", WRONG)
def test_wrong(message):
    """Named, and where the theory is of standard normal inputs, refused."""
    with pytest.raises((TypeError, ValueError), match=message):
        WRONG[message]()


@pytest.mark.parametrize("law", NAMED + BLOCKS, ids=str)
def test_laws_are_alike_where_their_texts_are(law):
    assert len({law, lrft.model.inputs.parse_inputs(str(law))}) == 1


@pytest.mark.parametrize("law", BLOCKS, ids=str)
def test_a_fit_knows_nothing_of_its_bases_law(law):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 10)), rng.standard_normal(60)
    base = lrft.Task(**GIVEN, inputs=law)
    with_law, without = (
        lrft.fit(one, lrft.LoRA(rank=2), X, y, lr=0.01, seed=1).train_loss.values
        for one in (base, base.replace(inputs=None))
    )
    np.testing.assert_array_equal(with_law, without)


def test_no_rate_is_far_above_a_limit_that_is_not_known(recwarn):
    simulate(BLOCKED, student=lrft.LoRA(rank=2))
    assert not [one for one in recwarn if one.category is lrft.RateWarning]


def test_a_run_with_a_law(tmp_path):
    """Saved and loaded, with a direction beside W and u in its order parameters."""
    training = lrft.Training(student=lrft.LoRA(rank=1), lr=0.001, steps=50, record_parameters=True)
    ds = lrft.simulate(TASK, training, replicas=3, seed=1)
    lrft.save(ds, tmp_path / "run.nc")
    again = lrft.load(tmp_path / "run.nc")
    np.testing.assert_array_equal(again.loss.values, ds.loss.values)
    assert ds.M.sizes["basis"] == TASK.R.shape[1]
