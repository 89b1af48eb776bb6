"""The control of the thread sanitizer: a run whose activation has a race, which it must report.

Usage: python control.py LIBRARY, with racy.cpp compiled into LIBRARY and lrft under the sanitizer.
"""

from __future__ import annotations

import ctypes
import sys

import lrft

library = ctypes.CDLL(sys.argv[1])
double = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
functions = [ctypes.cast(library[name], double) for name in ("racy", "racy_derivative")]
task = lrft.Task.sample(d=40, k=4, activation=lrft.Activation.custom(*functions, label="racy"))
lrft.simulate(task, lrft.Training(lr=1e-3, steps=100, record=2), replicas=16, threads=2)
