"""The engine rounds to nearest and keeps subnormal numbers whatever the process has set."""

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Sets the control word of SSE: bits 15 and 6 flush results and inputs, bits 13 and 14 round.
SOURCE = """
#include <xmmintrin.h>
void set_word(unsigned word) { _mm_setcsr(word); }
unsigned get_word(void) { return _mm_getcsr(); }
"""
SCRIPT = """
import ctypes, hashlib, sys
import numpy as np
import lrft

task = lrft.Task.sample(d=100, k=4, activation="erf", seed=0)
lora = lrft.Training(student=lrft.LoRA(rank=2, b_init="gaussian"), lr=1e-157, steps=3)
wide = lrft.Task(W=10 * np.eye(4, 100), lam=np.ones(4), c=np.full(4, 0.5), u=np.eye(100)[99],
                 xi=1.0, activation="gelu")
full = lrft.Training(student=lrft.FullNetwork(), lr=1e-5, steps=300)
points = np.geomspace(1e-320, 40, 2000)
flags = (0, 0x8040, 0x4000)[int(sys.argv[2])]
library = ctypes.CDLL(sys.argv[1])
activation = lrft.Activation.named("gelu").core
C = 1e-310 * (np.eye(3) + 0.5)

specs = []  # made before, since NumPy is not protected
start = lrft._core.Run
lrft._core.Run = lambda spec: specs.append(spec) or start(spec)
for engine in ("reduced", "ambient"):
    for threads in (1, 2):
        for t, training in ((task, lora), (wide, full)):
            lrft.simulate(t, training, replicas=24, seed=1, engine=engine, threads=threads)

library.set_word(0x1F80 | flags)
parts = []
for spec in specs:
    run = start(spec)
    assert run.advance(60.0)
    for chain in run.chains():
        parts += list(chain.records.values())
parts += activation.evaluate(-points)
parts.append(lrft.normals(3, 1, 7, 1001))
parts.append(lrft._core.moments(activation, C))
parts.append(lrft._core.hermite_coefficients(activation, 1e-300, 8)[0])
left = library.get_word() & 0xE040
library.set_word(0x1F80)
print(hashlib.sha256(b"".join(np.ascontiguousarray(p).tobytes() for p in parts)).hexdigest())
print(left == flags)
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="sets the word of SSE")
def test_flags_of_the_process_change_nothing(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("needs a C compiler")
    source, library = tmp_path / "word.c", tmp_path / "word.so"
    source.write_text(SOURCE)
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", source, "-o", library], check=True)
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, library, flags], stdout=subprocess.PIPE, text=True
        )
        for flags in ("0", "1", "2")
    ]
    found = [run.communicate()[0].split() for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert found[1] == found[0]  # subnormal numbers flushed to zero, as by -ffast-math
    assert found[2] == found[0]  # rounding upwards
    assert found[0][1] == "True"  # and the process keeps what it had set
