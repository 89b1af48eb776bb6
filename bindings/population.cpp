// Exact expectations over Gaussian fields.
#include "lrft/population.hpp"
#include "population/cross.hpp"
#include "population/link.hpp"

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
      "link_loss",
      [](const ActivationSpec& activation, const TaskData& task, const ActivationSpec& link,
         const Array& weights, const Array& covariance, const Array& fields,
         const Array& directions) {
        check_square(covariance);
        check_square(directions);
        if (weights.ndim() != 1 || weights.shape(0) != covariance.shape(0) || fields.ndim() != 2 ||
            fields.shape(0) != covariance.shape(0) || fields.shape(1) != task.rank ||
            directions.shape(0) != task.rank || task.link == LinkKind::none)
          throw py::value_error("weights, covariance, fields and directions do not fit the task");
        Moment moment{};
        long_call([&] {
          moment = link_loss(Population(activation), link_of(task, link), to_vector(weights),
                             to_vector(covariance), to_vector(fields), to_vector(directions));
        });
        return py::make_tuple(moment.value, moment.bound);
      },
      Door(), py::arg("activation"), py::arg("task"), py::arg("link"),
      py::arg("weights").noconvert(), py::arg("covariance").noconvert(),
      py::arg("fields").noconvert(), py::arg("directions").noconvert(),
      "(value, bound on its error) of E[(sum_j weights_j sigma(z_j) - f*)^2], f* the link of the "
      "task, whose fields have covariances `fields` (m, r) with z and `directions` (r, r).");
  m.def(
      "cross_moments",
      [](const ActivationSpec& f, const ActivationSpec& g, const Array& a, const Array& b,
         const Array& c) {
        if (a.ndim() != 1 || b.ndim() != 1 || c.ndim() != 2 || c.shape(0) != a.shape(0) ||
            c.shape(1) != b.shape(0))
          throw py::value_error("covariances must have a row an entry of a, a column one of b");
        CrossMoments found;
        long_call([&] {
          found =
              cross_moments(Population(f), Population(g), to_vector(a), to_vector(b), to_vector(c));
        });
        const auto shaped = [&](const std::vector<double>& values) {
          return Array({c.shape(0), c.shape(1)}, values.data());
        };
        return py::make_tuple(shaped(found.value), shaped(found.bound));
      },
      Door(), py::arg("f"), py::arg("g"), py::arg("a").noconvert(), py::arg("b").noconvert(),
      py::arg("c").noconvert(),
      "(values, bounds) of E[f(z_j) g(t_i)] at variances a, b and covariances c.");
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
