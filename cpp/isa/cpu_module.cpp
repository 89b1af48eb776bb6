// lrft._cpu: which instruction sets this machine can run.
//
// Compiled for the baseline and kept apart from the engine, because it must run
// before any of the engine's modules may be loaded.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "levels.hpp"

namespace {

// The supported sets, best first; empty where sets are not distinguished.
PyObject* supported(PyObject*, PyObject*) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (lrft::has_v4()) return Py_BuildValue("(sss)", "x86-64-v4", "x86-64-v3", "x86-64");
  if (lrft::has_v3()) return Py_BuildValue("(ss)", "x86-64-v3", "x86-64");
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
