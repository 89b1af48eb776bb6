#include "population/quadrature_moments.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "lrft/poll.hpp"
#include "math/closed_form.hpp"
#include "population/mehler.hpp"

namespace lrft {

namespace {

constexpr int terms = 512;
constexpr double tolerance = 2e-14;
constexpr double epsilon = std::numeric_limits<double>::epsilon();

}  // namespace

void quadrature_moments(Function f, const MomentRows& wanted, const double* C) {
  const std::size_t n = static_cast<std::size_t>(wanted.count);
  MehlerTable table(n, terms, 0, 1);
  std::vector<double> norm(n), moment(n), error(n);
  for (std::size_t i = 0; i < n; ++i) {
    norm[i] = std::sqrt(C[i * n + i]);
    std::size_t k = 0;
    while (k < i && norm[k] != norm[i]) ++k;
    if (k < i) {
      moment[i] = moment[k];
      error[i] = error[k];
      table.copy(k, i);
      continue;
    }
    Poll::spend(300'000);
    const Projection p = project(f, norm[i], terms);
    moment[i] = p.moment;
    error[i] = p.error;
    double sum = 0.0;
    for (std::size_t t = p.mu.size(); t-- > 0;) sum += p.mu[t] * p.mu[t];
    const double beyond = std::max(p.moment - sum, 0.0) + 4.0 * epsilon * p.moment;
    table.set(i, p.mu.data(), p.moment, beyond);
  }

  std::vector<double> rho(table.padded, 0.0), value(table.padded), remainder(table.padded);
  for (std::size_t i = static_cast<std::size_t>(wanted.first); i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      const double scale = norm[i] * norm[j];
      rho[j] = scale > 0.0 ? std::clamp(C[i * n + j] / scale, -1.0, 1.0) : 0.0;
    }
    Poll::spend(static_cast<std::int64_t>(20 * i));
    mehler_row(table, i, rho.data(), tolerance, value.data(), remainder.data());
    Estimate plane{0.0, 0.0};
    double last_b = -1.0, last_c = 0.0;
    for (std::size_t j = 0; j <= i; ++j) {
      const double a = C[i * n + i], b = C[j * n + j], c = C[i * n + j];
      const double size = table.root_moment[i] * table.root_moment[j];
      // What the errors of the coefficients can do.
      double left = remainder[j] + error[i] * table.root_moment[j] +
                    error[j] * table.root_moment[i] + 32.0 * epsilon * size;
      if (i == j) {
        value[j] = moment[i];
        left = 2.0 * error[i] * table.root_moment[i] + 32.0 * epsilon * size;
      } else if (!(remainder[j] <= tolerance * size)) {
        if (b != last_b || c != last_c) {  // parallel features repeat a pair many times
          Poll::spend(2'000'000);
          const double sine = std::sqrt(closed_form::determinant(a, b, c));
          plane = plane_moment(f, f, norm[i], norm[j], c, sine);
          last_b = b;
          last_c = c;
        }
        if (plane.error + 32.0 * epsilon * size < left) {
          value[j] = plane.value;
          left = plane.error + 32.0 * epsilon * size;
        }
      }
      remainder[j] = left;
    }
    wanted.take(i, value.data(), remainder.data());
  }
}

}  // namespace lrft
