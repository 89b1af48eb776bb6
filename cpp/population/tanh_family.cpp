#include "population/tanh_family.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <vector>

#include "lrft/poll.hpp"
#include "population/mehler.hpp"

namespace lrft {

namespace {

constexpr int terms = 128;            // every second p below 256
constexpr double series_norm = 1.0;   // up to here what lies past p = 255 is below 1e-17
constexpr double tolerance = 1e-15;   // of a truncation, relative to sqrt(E f_i^2 E f_j^2)
constexpr double pair_error = 4e-15;  // of a mixture_moment, relative to the same
constexpr double epsilon = std::numeric_limits<double>::epsilon();

}  // namespace

void family_moments(const MixtureForm& form, const MomentRows& wanted, const double* C) {
  const std::size_t n = static_cast<std::size_t>(wanted.count);
  const double shrink = form.argument * form.argument;
  MehlerTable table(n, terms, is_odd(form.member) ? 1 : 0, 2);

  std::vector<double> norm(n), moment(n), mu(terms);
  for (std::size_t i = 0; i < n; ++i) {
    const double variance = shrink * C[i * n + i];
    norm[i] = std::sqrt(variance);
    std::size_t k = 0;  // a neuron with this norm
    while (k < i && norm[k] != norm[i]) ++k;
    if (k < i) {
      moment[i] = moment[k];
      table.copy(k, i);
      continue;
    }
    Poll::spend(20'000);
    mixture_coefficients(form.member, norm[i], terms, mu.data());
    double sum = 0.0;
    for (std::size_t t = mu.size(); t-- > 0;) sum += mu[t] * mu[t];
    double beyond = 0.0;
    moment[i] = sum;
    if (norm[i] > series_norm) {  // Parseval
      moment[i] = mixture_moment(form.member, variance, variance, variance);
      beyond = std::max(moment[i] - sum, 0.0) + pair_error * moment[i];
    }
    table.set(i, mu.data(), moment[i], beyond);
  }

  std::vector<double> rho(table.padded, 0.0), value(table.padded), remainder(table.padded);
  const double factor = form.factor * form.factor;
  const double constant = form.offset * form.offset;
  const double linear = form.slope * form.slope;
  // Of the moments themselves, which have an affine part besides.
  std::vector<double> root(n);
  for (std::size_t i = 0; i < n; ++i)
    root[i] = std::sqrt(constant + linear * (shrink * C[i * n + i]) + factor * moment[i]);
  for (std::size_t i = static_cast<std::size_t>(wanted.first); i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      const double scale = norm[i] * norm[j];
      const double r = scale > 0.0 ? shrink * C[i * n + j] / scale : 0.0;
      rho[j] = i == j ? 1.0 : std::clamp(r, -1.0, 1.0);
    }
    Poll::spend(static_cast<std::int64_t>(20 * i));
    mehler_row(table, i, rho.data(), tolerance, value.data(), remainder.data());
    double last_b = -1.0, last_c = 0.0, last = 0.0;
    for (std::size_t j = 0; j <= i; ++j) {
      const double c = shrink * C[i * n + j];
      const double size = table.root_moment[i] * table.root_moment[j];
      if (i == j) {
        value[j] = moment[i];
        remainder[j] = norm[i] > series_norm ? pair_error * size : 0.0;
      } else if (!(remainder[j] <= tolerance * size)) {
        const double a = shrink * C[i * n + i], b = shrink * C[j * n + j];
        if (b != last_b || c != last_c) {  // parallel features repeat a pair many times
          Poll::spend(5'000);
          last = mixture_moment(form.member, a, b, c);
          last_b = b;
          last_c = c;
        }
        value[j] = last;
        remainder[j] = pair_error * size;
      }
      value[j] = constant + linear * c + factor * value[j];
      remainder[j] = factor * remainder[j] + 16.0 * epsilon * root[i] * root[j];
    }
    wanted.take(i, value.data(), remainder.data());
  }
}

void family_coefficients(const MixtureForm& form, double s, std::vector<double>& mu) {
  const double u = form.argument * s;
  const std::size_t first = is_odd(form.member) ? 1 : 0;
  std::vector<double> half((mu.size() + 1) / 2);
  mixture_coefficients(form.member, u, static_cast<int>(half.size()), half.data());
  for (std::size_t p = first; p < mu.size(); p += 2) mu[p] = form.factor * half[p / 2];
  if (mu.size() > 0) mu[0] += form.offset;
  if (mu.size() > 1) mu[1] += form.slope * u;
}

}  // namespace lrft
