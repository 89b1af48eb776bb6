"""Every library runs with one thread here; `--goals` makes a missed goal a failure."""

from __future__ import annotations

import os

from lrft.bench.environment import one_core, one_thread_environment

os.environ.update(one_thread_environment())  # before NumPy and the others are loaded

import pytest

from lrft.bench import goals, run, table


def pytest_addoption(parser):
    group = parser.getgroup("lrft")
    group.addoption("--goals", action="store_true", help="fail where a goal is missed")
    group.addoption("--rounds", type=int, default=5, help="interleaved rounds")
    group.addoption("--seconds", type=float, default=0.03, help="time of a contender in a round")


@pytest.fixture
def compare(request, benchmark, capsys):
    """Return what checks a case, times it with pytest-benchmark, then beside its rivals."""

    def compare_case(case):
        contest = case.prepare()
        contest.check()
        work = contest.ours.multiple if contest.ours.multiple > 1 else 4
        if case.all_cores:
            benchmark.pedantic(contest.ours.call, (work,), rounds=5, warmup_rounds=1)
        else:
            with one_core():
                benchmark.pedantic(contest.ours.call, (work,), rounds=5, warmup_rounds=1)
        option = request.config.getoption
        report = run([case], option("--rounds"), option("--seconds"))
        row = report["rows"][0]
        benchmark.extra_info.update(row, units=work * contest.ours.per_call)
        with capsys.disabled():
            print("\n" + table(report))
        missed = [f"{what} {value:.2f} < {goal}" for what, value, goal, ok in goals(row) if not ok]
        if option("--goals"):
            assert not missed, missed

    return compare_case
