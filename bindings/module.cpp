// The extension module: a list of bind_* calls.
#include <pybind11/pybind11.h>

#include "isa/build_info.hpp"

namespace py = pybind11;

PYBIND11_MODULE(_core, m) {
  m.doc() = "The compiled engine of lrft.";
  m.attr("__version__") = LRFT_VERSION;
  m.def(
      "build_info",
      [] {
        const lrft::BuildInfo info = lrft::build_info();
        py::dict d;
        d["isa"] = info.isa;
        d["flags"] = info.flags;
        d["compiler"] = info.compiler;
        d["eigen"] = info.eigen;
        d["openmp"] = info.openmp;
        return d;
      },
      "How this copy of the engine was compiled.");
}
