"""Does an installed wheel work?  Usage: python scripts/smoke.py, in the environment it is in.

Simulates on two threads, checks that there were two and that the result is that of one, and
says which compiled libraries were loaded from where.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

import lrft


def mapped(*names: str) -> list[str]:
    """Return the files of this process whose names begin so."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    files = {line.split()[-1] for line in lines if "/" in line}
    return sorted(file for file in files if Path(file).name.startswith(names))


def threads() -> int:
    """Count the threads of this process."""
    return len(list(Path("/proc/self/task").iterdir()))


def main() -> None:
    """Run the checks; an AssertionError says what does not hold."""
    print(
        subprocess.run(
            [sys.executable, "-m", "lrft.cli", "info"], check=True, text=True, capture_output=True
        ).stdout
    )
    task = lrft.Task.sample(d=10**6, k=8, seed=0)
    # Long enough that who watches sees the second thread.
    training = lrft.Training(lr=1e-7, steps=2_000_000, record=3)
    one = lrft.simulate(task, training, replicas=16, threads=1)
    counts: list[int] = []
    over = threading.Event()
    watch = threading.Thread(
        target=lambda: [counts.append(threads()) for _ in iter(over.is_set, True)]
    )
    watch.start()
    before = threads()  # those of other libraries too
    two = lrft.simulate(task, training, replicas=16, threads=2)
    over.set()
    watch.join()
    started = max(counts) - before
    np.testing.assert_array_equal(one.overlap_u, two.overlap_u)
    assert np.isfinite(one.loss).all()
    site = Path(lrft.__file__).parents[1]
    engine = mapped("_core.")
    print("engine:", *engine, "\nthreads started:", started)
    assert started >= 1, "no second thread"
    assert len(engine) == 1, "not one engine"
    assert Path(engine[0]).is_relative_to(site), "another engine"


if __name__ == "__main__":
    main()
