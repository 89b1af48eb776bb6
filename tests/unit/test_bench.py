"""Benchmarks measure what they say: fair rounds, right baselines, and wrong ones refused."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lrft.bench import cases, goals, rivals, run, table
from lrft.bench.case import Case, Contest
from lrft.bench.environment import describe, one_core, one_thread_environment, slug
from lrft.bench.interleave import Contender, interleave, ratio
from lrft.bench.rivals import check as checker
from lrft.bench.table import by_tool, fastest

pytestmark = [
    pytest.mark.any_set,
]


def steady(name: str, seconds: float, log: list[str] | None = None, **more: int) -> Contender:
    def call(n: int) -> float:
        if log is not None:
            log.append(name)
        return seconds * n

    return Contender(name, call, **more)


# ---- timing ------------------------------------------------------------------


def test_rounds_hold_each_contender_once_in_rotating_order() -> None:
    log: list[str] = []
    interleave([steady(name, 1.0, log) for name in "abc"], rounds=3)
    assert log[-9:] == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]


def test_times_are_per_unit_of_work() -> None:
    times = interleave([steady("a", 1e-3, per_call=64, multiple=16)], rounds=2)
    np.testing.assert_allclose(times["a"], 1e-3 / 64, rtol=1e-12)


def test_amount_of_work_follows_the_time_wanted_and_its_multiple() -> None:
    amounts: list[int] = []

    def call(n: int) -> float:
        amounts.append(n)
        return 1e-6 * n

    interleave([Contender("a", call, multiple=7)], rounds=1, seconds=0.01)
    assert amounts[-1] == pytest.approx(10_000, abs=7)
    assert all(n % 7 == 0 for n in amounts)


def test_calls_without_a_clock_of_their_own_are_timed() -> None:
    times = interleave([Contender("a", lambda n: sum(range(20_000 * n)))], rounds=2, seconds=0.002)
    assert all(1e-6 < t < 1.0 for t in times["a"])


def test_ratio_is_taken_within_rounds() -> None:
    # a slow third round changes both contenders, and not the ratio
    r = ratio([2.0, 2.0, 20.0], [1.0, 1.0, 10.0])
    assert (r.median, r.low, r.high) == (2.0, 2.0, 2.0)


def test_band_leaves_out_the_outer_tenths() -> None:
    r = ratio([*range(1, 11), 100.0], [1.0] * 11)
    assert (r.median, r.low, r.high) == (6.0, 2.0, 10.0)


@pytest.mark.parametrize(
    ("contenders", "rounds", "named"), [(["a", "a"], 1, "names"), (["a"], 0, "rounds")]
)
def test_interleave_refuses(contenders: list[str], rounds: int, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        interleave([steady(name, 1.0) for name in contenders], rounds=rounds)


# ---- baselines ---------------------------------------------------------------


def _named(name: str):
    return next(b for b in rivals.BASELINES if b.name == name)


NUMPY = ("NumPy loop", "NumPy blocked", "NumPy, 64 chains")


@pytest.mark.parametrize("joint", [False, True], ids=["frozen", "joint"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("name", NUMPY)
def test_numpy_loops_follow_the_paper(name: str, activation: str, joint: bool) -> None:
    problem = rivals.Problem.sample(40, 4, activation, joint)
    assert checker.check_given(_named(name), problem) < 1e-12


@pytest.mark.parametrize("name", NUMPY)
def test_numpy_loops_have_the_right_law(name: str) -> None:
    problem = rivals.Problem.sample(32, 4)
    assert checker.check_law(_named(name), problem) < 5


@pytest.mark.parametrize("name", ["Numba loop", "Numba blocked"])
def test_numba_loops_follow_the_paper(name: str) -> None:
    pytest.importorskip("numba")
    problem = rivals.Problem.sample(40, 4, "gelu", True)
    assert checker.check_given(_named(name), problem) < 1e-12


def test_problem_is_the_one_the_loops_assume() -> None:
    p = rivals.Problem.sample(40, 6)
    np.testing.assert_allclose(p.W @ p.W.T, np.eye(6), atol=1e-14)
    np.testing.assert_allclose([p.u @ p.u, p.u0 @ p.u0, p.c @ p.c, p.c0 @ p.c0], 1, rtol=1e-14)
    np.testing.assert_allclose(p.W @ np.stack([p.u, p.u0], 1), 0, atol=1e-14)
    assert not np.array_equal(p.c, p.c0)


def _tampered(change: str):
    """Return a baseline that does something subtly else than the NumPy loop."""

    class Wrong:
        name, chains = "wrong", 1

        def load(self):
            right = _named("NumPy loop").load()
            changes = {
                "rate": lambda p, n, x=None: right(replace(p, lr=1.05 * p.lr), n, x),
                "shift": lambda p, n, x=None: np.roll(right(p, n, x), 1),
                "short": lambda p, n, x=None: right(p, n, x)[:-1],
                "still": lambda p, n, x=None: np.full(n + 1, p.u @ p.u0),
                "nan": lambda p, n, x=None: np.full(n + 1, np.nan),
            }
            return changes[change]

    return Wrong()


@pytest.mark.parametrize("change", ["rate", "shift", "short", "still", "nan"])
def test_a_wrong_baseline_is_refused(change: str) -> None:
    problem = rivals.Problem.sample(40, 4)
    with pytest.raises(checker.WrongAnswer, match="wrong"):
        checker.check_given(_tampered(change), problem)


def test_a_baseline_with_the_wrong_law_is_refused() -> None:
    problem = rivals.Problem.sample(32, 4)
    with pytest.raises(checker.WrongAnswer, match="wrong"):
        checker.check_law(_tampered("still"), problem)


# ---- cases and reports -------------------------------------------------------


def fake(goal: float | None = 2.0, wrong: bool = False) -> Case:
    def check() -> None:
        if wrong:
            raise AssertionError("off by one")

    def prepare() -> Contest:
        others = [(steady("slow", 6e-6), "loop"), (steady("slower", 9e-6), "blocked")]
        return Contest(steady("ours", 2e-6), others, check, steady("bare", 1e-6))

    return Case("a case", "ambient", "step", prepare, goal=goal, goal_share=0.7)


def test_a_row_has_ratio_limit_and_share() -> None:
    row = run([fake()], rounds=3, seconds=1e-3)["rows"][0]
    assert row["lrft"]["ns"] == pytest.approx(2000)
    assert [(o["name"], round(o["ratio"], 9)) for o in row["others"]] == [
        ("slow", 3),
        ("slower", 4.5),
    ]
    assert row["limit"]["share"] == pytest.approx(0.5)
    best = fastest(row)
    assert best is not None
    assert best["name"] == "slow"


def test_each_tool_is_counted_by_its_fastest_chain() -> None:
    kinds = [
        ("NumPy loop", "loop", 5.0),
        ("NumPy, 64 chains", "batched", 1.0),
        ("JAX scan", "loop", 9.0),
    ]
    kinds += [("JAX scan, blocked", "blocked", 7.0)]
    others = [{"name": n, "kind": k, "ratio": r} for n, k, r in kinds]
    assert by_tool({"others": others}) == "JAX 7.00, NumPy 5.00"


def test_goals_say_what_is_reached() -> None:
    row = run([fake()], rounds=1, seconds=1e-3)["rows"][0]
    assert [(goal, ok) for _, _, goal, ok in goals(row)] == [(2.0, True), (0.7, False)]


def test_a_case_that_computes_something_wrong_fails() -> None:
    with pytest.raises(AssertionError, match="off by one"):
        run([fake(wrong=True)], rounds=1)


def test_table_and_json() -> None:
    report = run([fake()], rounds=2, seconds=1e-3)
    assert json.loads(json.dumps(report)) == report
    lines = table(report).splitlines()
    assert len(lines) == 3
    assert all(word in lines[2] for word in ("a case", "2000 ns/step", "slow", "3.00x", "50%"))


def test_environment_names_the_build() -> None:
    found = describe()
    assert {"isa", "compiler", "flags"} <= set(found["lrft"])  # type: ignore[call-overload]
    assert "numpy" in found["versions"]  # type: ignore[operator]
    assert slug("A (b) 3") == "a-b-3"
    assert one_thread_environment()["OMP_NUM_THREADS"] == "1"


def test_one_core_gives_the_cores_back() -> None:
    os = pytest.importorskip("os")
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("the system cannot do that")
    before = os.sched_getaffinity(0)
    with one_core():
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


def test_every_case_has_a_name_of_its_own_and_quick_ones_exist() -> None:
    names = [case.name for case in cases(full=True)]
    assert len(set(names)) == len(names)
    assert 0 < len(cases()) < len(names)
    with pytest.raises(ValueError, match="only"):
        cases(only="no such case")


def test_an_activation_case_runs() -> None:
    (case,) = cases(only="σ and σ' of tanh")
    row = run([case], rounds=1, seconds=1e-3)["rows"][0]
    assert row["lrft"]["ns"] > 0


def test_an_ambient_case_checks_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    import lrft
    from lrft.bench import simulations

    problem = simulations.problem_of(40, 4, "relu", False)
    simulations._check_path(problem)
    right = lrft.normals
    monkeypatch.setattr(lrft, "normals", lambda *a: right(*a) * 1.001)
    with pytest.raises(AssertionError, match="ambient"):
        simulations._check_path(problem)


@pytest.mark.parametrize(
    "arguments", [["--rounds", "0"], ["--only", "none"], ["--out", "/dev/null/such"]]
)
def test_command_refuses(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lrft.cli", "bench", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("lrft: ")
    assert "Traceback" not in done.stderr


def test_page_is_made_from_a_result(tmp_path) -> None:
    script = Path(__file__).parents[2] / "bench" / "report.py"
    if not script.is_file():
        pytest.skip("the page is made in a checkout")
    spec = importlib.util.spec_from_file_location("lrft_bench_report", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.page(run([fake(goal=4.0)], rounds=1, seconds=1e-3), "some.json")
    assert "a case: times slow is 3.00, below the goal of 4.00" in text
    assert "the limit itself is 6.00 times as fast" in text
    assert "share of the limit is 0.500, below the goal of 0.700" in text
    again = run([fake(goal=4.0)], rounds=1, seconds=1e-3)
    text = module.page(again, "some.json", [(again, "other.json")])
    assert text.count("share of the limit is 0.500") == 2
    assert "## On another machine" in text.split("a case: times slow")[1]
