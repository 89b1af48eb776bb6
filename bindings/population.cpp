// Exact expectations over Gaussian fields.
#include "lrft/population.hpp"

#include "work.hpp"

namespace lrft::bindings {
namespace {

void check_square(const Array& covariance) {
  if (covariance.ndim() != 2 || covariance.shape(0) != covariance.shape(1))
    throw py::value_error("covariance must be a square matrix");
}

}  // namespace

void bind_population(py::module_& m) {
  m.def(
      "expected_square",
      [](const ActivationSpec& activation, const Array& weights, const Array& covariance,
         bool derivative) {
        check_square(covariance);
        if (weights.ndim() != 1 || weights.shape(0) != covariance.shape(0))
          throw py::value_error("weights must have one entry a row of covariance");
        Moment moment{};
        long_call([&] {
          moment = Population(activation)
                       .expected_square(static_cast<int>(weights.size()), weights.data(),
                                        covariance.data(), derivative);
        });
        return py::make_tuple(moment.value, moment.bound);
      },
      Door(), py::arg("activation"), py::arg("weights").noconvert(),
      py::arg("covariance").noconvert(), py::arg("derivative") = false,
      "(value, bound on its error) of E[(sum_j weights_j sigma(z_j))^2], z ~ N(0, covariance).");
  m.def(
      "moments",
      [](const ActivationSpec& activation, const Array& covariance, bool derivative) {
        check_square(covariance);
        Array K({covariance.shape(0), covariance.shape(0)});
        double* to = K.mutable_data();
        long_call([&] {
          Population(activation)
              .moments(static_cast<int>(covariance.shape(0)), covariance.data(), derivative, to);
        });
        return K;
      },
      Door(), py::arg("activation"), py::arg("covariance").noconvert(),
      py::arg("derivative") = false,
      "E[sigma(z_i) sigma(z_j)] for all i, j; with sigma' in place of sigma if `derivative`.");
  m.def(
      "hermite_coefficients",
      [](const ActivationSpec& activation, double scale, int count) {
        HermiteCoefficients c;
        long_call([&] { c = hermite_coefficients(activation, scale, count); });
        return py::make_tuple(to_array(c.values), c.bound);
      },
      Door(), py::arg("activation"), py::arg("scale"), py::arg("count"),
      "(mu_0 .. mu_{count-1}, bound) of sigma(scale x) on normalised Hermite polynomials.");
}

}  // namespace lrft::bindings
