// How this copy of the engine was compiled.
#include "bind.hpp"
#include "isa/build_info.hpp"

namespace lrft::bindings {

void bind_build(py::module_& m) {
  m.def(
      "build_info",
      [] {
        const BuildInfo info = build_info();
        py::dict d;
        d["isa"] = info.isa;
        d["flags"] = info.flags;
        d["compiler"] = info.compiler;
        d["eigen"] = info.eigen;
        return d;
      },
      "How this copy of the engine was compiled.");
}

}  // namespace lrft::bindings
