// lrft._cpu: which instruction sets this machine can run.
//
// Compiled for the baseline and kept apart from the engine, because it must run
// before any of the engine's modules may be loaded.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

namespace {

#if defined(__x86_64__)
bool has_v3() {
#if (defined(__clang__) && __clang_major__ >= 17) || (!defined(__clang__) && __GNUC__ >= 12)
  return __builtin_cpu_supports("x86-64-v3");
#else
  // These four imply the rest of v3 (lzcnt, movbe, f16c) on every machine sold.
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
#endif
}

bool has_v4() {
#if (defined(__clang__) && __clang_major__ >= 17) || (!defined(__clang__) && __GNUC__ >= 12)
  return __builtin_cpu_supports("x86-64-v4");
#else
  return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
#endif
}
#endif

// The supported sets, best first; empty where sets are not distinguished.
PyObject* supported(PyObject*, PyObject*) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (has_v4()) return Py_BuildValue("(sss)", "x86-64-v4", "x86-64-v3", "x86-64");
  if (has_v3()) return Py_BuildValue("(ss)", "x86-64-v3", "x86-64");
  return Py_BuildValue("(s)", "x86-64");
#else
  return PyTuple_New(0);
#endif
}

PyMethodDef methods[] = {
    {"supported", supported, METH_NOARGS,
     "supported() -> tuple[str, ...]\n\nInstruction sets this machine can run, best first."},
    {nullptr, nullptr, 0, nullptr}};

PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          "_cpu",
                          "Which instruction sets this machine can run.",
                          0,
                          methods,
                          nullptr,
                          nullptr,
                          nullptr,
                          nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__cpu() { return PyModule_Create(&definition); }
