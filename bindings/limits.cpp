// Timings of the unavoidable parts, for benchmarks.
#include "train/limits.hpp"

#include "bind.hpp"

namespace lrft::bindings {

void bind_limits(py::module_& m) {
  py::module_ limits = m.def_submodule("limits", "Timings of the unavoidable parts, in seconds.");
  limits.def("normals", &time_normals, py::arg("count"), py::arg("repeats") = 5,
             "`count` normals.");
  limits.def("block", &time_ambient_parts, py::arg("d"), py::arg("k"), py::arg("steps"),
             py::arg("repeats") = 5,
             "One ambient step: d normals, the product with [W; u; A] and the Gram matrix.");
  limits.def("reduced", &time_reduced_parts, py::arg("activation"), py::arg("k"), py::arg("steps"),
             py::arg("repeats") = 5,
             "One replica-step: k + 2 normals, a chi variate and the activations.");
}

}  // namespace lrft::bindings
