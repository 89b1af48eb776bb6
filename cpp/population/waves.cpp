#include "population/waves.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "population/mehler.hpp"

namespace lrft {

namespace {

constexpr int terms = 128;                // every second p below 256
constexpr double series_norm = 1.25;      // up to here what lies past p = 255 is below 1e-17
constexpr double tolerance = 5e-15;       // of a truncation, relative to sqrt(E f_i^2 E f_j^2)
constexpr double pair_error = 2e-14;      // of a wave_moment, relative to the same
constexpr double epsilon = std::numeric_limits<double>::epsilon();

}  // namespace

WaveForm wave_form(ActivationKind kind, bool derivative) {
  switch (kind) {
    case ActivationKind::sigmoid:  // 1/2 + tanh(u)/2, u = z/2
      return derivative ? WaveForm{Wave::sech2, 0.5, 0.0, 0.0, 0.25}
                        : WaveForm{Wave::tanh, 0.5, 0.5, 0.0, 0.5};
    case ActivationKind::silu:  // u + u tanh(u)
      return derivative ? WaveForm{Wave::u_tanh_slope, 0.5, 0.5, 0.0, 0.5}
                        : WaveForm{Wave::u_tanh, 0.5, 0.0, 1.0, 1.0};
    case ActivationKind::softplus:  // u + log(2 cosh u)
      return derivative ? WaveForm{Wave::tanh, 0.5, 0.5, 0.0, 0.5}
                        : WaveForm{Wave::log_cosh, 0.5, 0.0, 1.0, 1.0};
    default:  // tanh
      return derivative ? WaveForm{Wave::sech2, 1.0, 0.0, 0.0, 1.0}
                        : WaveForm{Wave::tanh, 1.0, 0.0, 0.0, 1.0};
  }
}

void wave_moments(const WaveForm& form, int m, const double* C, double* K, double* bound) {
  const std::size_t n = static_cast<std::size_t>(m);
  const double shrink = form.argument * form.argument;
  MehlerTable table(n, terms, is_odd(form.wave) ? 1 : 0, 2);

  // One series for each different norm; teacher and student often have few.
  std::vector<SineSeries> series;
  std::vector<std::size_t> first_with, series_of(n);
  std::vector<double> norm(n), moment(n), mu(terms);
  for (std::size_t i = 0; i < n; ++i) {
    const double variance = shrink * C[i * n + i];
    norm[i] = std::sqrt(variance);
    std::size_t k = 0;
    while (k < series.size() && norm[first_with[k]] != norm[i]) ++k;
    series_of[i] = k;
    if (k < series.size()) {
      moment[i] = moment[first_with[k]];
      table.copy(first_with[k], i);
      continue;
    }
    series.push_back(sine_series(form.wave, variance, 2 * terms));
    first_with.push_back(i);
    wave_coefficients(series[k], terms, mu.data());
    double sum = 0.0;
    for (int t = terms; t-- > 0;) sum += mu[static_cast<std::size_t>(t)] * mu[static_cast<std::size_t>(t)];
    double beyond = 0.0;
    moment[i] = sum;
    if (norm[i] > series_norm) {  // Parseval
      prepare_pairs(form.wave, series[k]);
      moment[i] = wave_moment(series[k], series[k], variance, variance, variance);
      beyond = std::max(moment[i] - sum, 0.0) + pair_error * moment[i];
    }
    table.set(i, mu.data(), moment[i], beyond);
  }

  std::vector<double> rho(table.padded, 0.0), value(table.padded), remainder(table.padded);
  const double factor = form.factor * form.factor;
  const double constant = form.offset * form.offset;
  const double linear = form.slope * form.slope;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      const double scale = norm[i] * norm[j];
      const double r = scale > 0.0 ? shrink * C[i * n + j] / scale : 0.0;
      rho[j] = i == j ? 1.0 : std::clamp(r, -1.0, 1.0);
    }
    mehler_row(table, i, rho.data(), tolerance, value.data(), remainder.data());
    for (std::size_t j = 0; j <= i; ++j) {
      const double c = shrink * C[i * n + j];
      const double size = table.root_moment[i] * table.root_moment[j];
      if (i == j) {
        value[j] = moment[i];
        remainder[j] = norm[i] > series_norm ? pair_error * size : 0.0;
      } else if (!(remainder[j] <= tolerance * size)) {
        SineSeries& f = series[series_of[i]];
        SineSeries& g = series[series_of[j]];
        prepare_pairs(form.wave, f);
        prepare_pairs(form.wave, g);
        value[j] = wave_moment(f, g, shrink * C[i * n + i], shrink * C[j * n + j], c);
        remainder[j] = pair_error * size;
      }
      K[i * n + j] = K[j * n + i] = constant + linear * c + factor * value[j];
      if (bound) bound[i * n + j] = bound[j * n + i] = factor * remainder[j];
    }
  }
  if (!bound) return;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      bound[i * n + j] += 24.0 * epsilon * std::sqrt(K[i * n + i] * K[j * n + j]);
    }
  }
}

}  // namespace lrft
