// Exact expectations over Gaussian fields.
#include "lrft/population.hpp"
#include "population/cross.hpp"
#include "population/link.hpp"
#include "population/shifted.hpp"

#include <cmath>
#include <limits>

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
      "shifted_moments",
      [](const ActivationSpec& activation, const Array& means, const Array& covariance) {
        check_square(covariance);
        if (means.ndim() != 1 || means.shape(0) != covariance.shape(0))
          throw py::value_error("means must have one entry a row of covariance");
        const auto n = static_cast<std::size_t>(covariance.shape(0));
        const double nan = std::numeric_limits<double>::quiet_NaN();
        std::vector<double> value(n * n, nan), bound(n * n, nan), one, error;
        long_call([&] {
          check(activation);
          const auto take = [&](std::size_t i, const double* x, const double* e) {
            for (std::size_t j = 0; j <= i; ++j) {
              value[i * n + j] = value[j * n + i] = x[j];
              bound[i * n + j] = bound[j * n + i] = e[j];
            }
          };
          shifted_moments(activation, {0, static_cast<int>(n), true, take}, means.data(),
                          covariance.data());
          for (std::size_t i = 0; i < n; ++i) {
            const double s = std::sqrt(covariance.data()[i * n + i]);
            const Shifted found = shifted(activation, means.data()[i], s, 1);
            one.push_back(found.mu[0]);
            error.push_back(found.error);
          }
        });
        const auto square = [&](const std::vector<double>& x) {
          return Array({covariance.shape(0), covariance.shape(1)}, x.data());
        };
        return py::make_tuple(square(value), square(bound), to_array(one), to_array(error));
      },
      Door(), py::arg("activation"), py::arg("means").noconvert(),
      py::arg("covariance").noconvert(),
      "E[sigma(means_i + z_i) sigma(means_j + z_j)], bounds on the errors, E[sigma(means_i + "
      "z_i)], "
      "and bounds on those; z ~ N(0, covariance).");
  m.def(
      "link_loss",
      [](const ActivationSpec& activation, const TaskData& task, const ActivationSpec& link,
         const Array& weights, const Array& covariance, const Array& fields,
         const Array& directions, const Array& means, const Array& field_means, double shift) {
        check_square(covariance);
        check_square(directions);
        if (weights.ndim() != 1 || weights.shape(0) != covariance.shape(0) || fields.ndim() != 2 ||
            fields.shape(0) != covariance.shape(0) || fields.shape(1) != task.rank ||
            directions.shape(0) != task.rank || task.link == LinkKind::none ||
            (means.size() > 0 &&
             (means.size() != covariance.shape(0) || field_means.size() != task.rank)))
          throw py::value_error("weights, covariance, fields and directions do not fit the task");
        Moment moment{};
        long_call([&] {
          const Link star = link_of(task, link);
          const LinkFields t{to_vector(directions), to_vector(field_means)};
          if (means.size() == 0)
            moment = link_loss(Population(activation), star, to_vector(weights),
                               to_vector(covariance), to_vector(fields), t.covariance);
          else
            moment =
                link_loss(Population(activation), star, to_vector(weights), to_vector(covariance),
                          to_vector(means), to_vector(fields), t, link_moments(star, t), shift);
        });
        return py::make_tuple(moment.value, moment.bound);
      },
      Door(), py::arg("activation"), py::arg("task"), py::arg("link"),
      py::arg("weights").noconvert(), py::arg("covariance").noconvert(),
      py::arg("fields").noconvert(), py::arg("directions").noconvert(),
      py::arg("means").noconvert(), py::arg("field_means").noconvert(), py::arg("shift"),
      "(value, bound on its error) of E[(sum_j weights_j sigma(means_j + z_j) - f* - shift)^2], f* "
      "the link of the task, whose fields have means `field_means` (r), and covariances `fields` "
      "(m, r) with z and `directions` (r, r); without means these are orthonormal.");
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
