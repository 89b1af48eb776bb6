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

double ambient(const ActivationSpec& activation, int d, int k, int steps, int repeats) {
  within("k", k, 1 << 16);
  within("d", d, (1 << 28) / (k + 2));
  within("steps", steps, 1 << 30);
  within("repeats", repeats, 1 << 20);
  return time_ambient_parts(activation, d, k, steps, repeats);
}

double reduced(const ActivationSpec& activation, int k, int steps, int repeats) {
  within("k", k, 1 << 16);
  within("steps", steps, 1 << 30);
  within("repeats", repeats, 1 << 20);
  return time_reduced_parts(activation, k, steps, repeats);
}

}  // namespace

void bind_limits(py::module_& m) {
  py::module_ limits = m.def_submodule("limits", "Timings of the unavoidable parts, in seconds.");
  limits.def("normals", &normals, Door(), py::arg("count"), py::arg("repeats") = 5,
             "`count` normals.");
  limits.def("multiply_adds", &multiply_adds, Door(), py::arg("count"), py::arg("repeats") = 5,
             "`count` multiply-adds at the peak of this core and instruction set.");
  limits.def(
      "ambient", &ambient, Door(), py::arg("activation"), py::arg("d"), py::arg("k"),
      py::arg("steps"), py::arg("repeats") = 5,
      "One step in R^d: d normals, (k + 3) d multiply-adds at the peak and the activations.");
  limits.def("reduced", &reduced, Door(), py::arg("activation"), py::arg("k"), py::arg("steps"),
             py::arg("repeats") = 5,
             "One replica-step: k + 2 normals, a chi variate and the activations.");
}

}  // namespace lrft::bindings
