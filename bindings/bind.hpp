// What the binding files share.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "simd/floats.hpp"

namespace lrft::bindings {

namespace py = pybind11;

// Float64, C-contiguous; cast where that loses nothing that is a float.
using Array = py::array_t<double, py::array::c_style>;

void bind_build(py::module_& m);
void bind_random(py::module_& m);
void bind_activation(py::module_& m);
void bind_population(py::module_& m);
void bind_types(py::module_& m);
void bind_run(py::module_& m);
void bind_work(py::module_& m);
void bind_basis(py::module_& m);
void bind_limits(py::module_& m);

// Around everything that computes: floating point as the engine means it.
using Door = py::call_guard<PlainFloats>;

inline std::vector<double> to_vector(const Array& a) { return {a.data(), a.data() + a.size()}; }

inline Array to_array(const std::vector<double>& x) {
  return Array(static_cast<py::ssize_t>(x.size()), x.data());
}

}  // namespace lrft::bindings
