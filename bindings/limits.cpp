// Timings of the unavoidable parts, for benchmarks.
#include "train/limits.hpp"

#include "bind.hpp"

namespace lrft::bindings {
namespace {

// Sizes are bounded so that a product of two of them is an int, and small enough to be held.
void within(const char* name, int value, int most) {
  if (value < 1 || value > most)
    throw py::value_error(std::string(name) + " must be in [1, " + std::to_string(most) +
                          "], got " + std::to_string(value));
}

double normals(int count, int repeats) {
  within("count", count, 1 << 30);
  within("repeats", repeats, 1 << 20);
  return time_normals(count, repeats);
}

double multiply_adds(int count, int repeats) {
  within("count", count, 1 << 30);
  within("repeats", repeats, 1 << 20);
  return time_multiply_adds(count, repeats);
}

double activations(const ActivationSpec& activation, bool slopes, int count, int repeats) {
  within("count", count, 1 << 30);
  within("repeats", repeats, 1 << 20);
  return time_activations(activation, slopes, count, repeats);
}

}  // namespace

void bind_limits(py::module_& m) {
  py::module_ limits = m.def_submodule("limits", "Timings of the unavoidable parts, in seconds.");
  limits.def("normals", &normals, Door(), py::arg("count"), py::arg("repeats") = 5,
             "`count` normals.");
  limits.def("multiply_adds", &multiply_adds, Door(), py::arg("count"), py::arg("repeats") = 5,
             "`count` multiply-adds at the peak of this core and instruction set.");
  limits.def("activations", &activations, Door(), py::arg("activation"), py::arg("slopes"),
             py::arg("count"), py::arg("repeats") = 5,
             "`count` values of an activation, or values and derivatives.");
}

}  // namespace lrft::bindings
