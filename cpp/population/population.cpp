#include "lrft/population.hpp"

#include <cmath>
#include <cstddef>
#include <limits>

#include "activation/list.hpp"
#include "lrft/poll.hpp"
#include "population/routes.hpp"

namespace lrft {

namespace {

// Neumaier's compensated sum.
struct Sum {
  double value = 0.0, lost = 0.0;
  void add(double x) {
    const double next = value + x;
    lost += std::fabs(value) >= std::fabs(x) ? (value - next) + x : (x - next) + value;
    value = next;
  }
};

bool valid(int m, const double* C) {
  const std::size_t n = static_cast<std::size_t>(m);
  for (std::size_t i = 0; i < n; ++i) {
    if (!(C[i * n + i] >= 0.0)) return false;
    for (std::size_t j = 0; j <= i; ++j) {
      if (!std::isfinite(C[i * n + j])) return false;
    }
  }
  return true;
}

}  // namespace

Population::Population(const ActivationSpec& spec) : spec_(spec) { check(spec_); }

void Population::moments(int m, const double* C, bool derivative, double* K, double* bound) const {
  const std::size_t entries = static_cast<std::size_t>(m) * static_cast<std::size_t>(m);
  if (!valid(m, C)) {
    for (std::size_t k = 0; k < entries; ++k) {
      K[k] = std::numeric_limits<double>::quiet_NaN();
      if (bound) bound[k] = std::numeric_limits<double>::infinity();
    }
    return;
  }
  with_record(spec_.kind, [&](auto record) {
    decltype(record)::Exact::moments(spec_, m, C, derivative, K, bound);
  });
}

Moment Population::expected_square(int m, const double* w, const double* C, bool derivative) const {
  const std::size_t n = static_cast<std::size_t>(m);
  std::vector<double> K(n * n), error(n * n);
  moments(m, C, derivative, K.data(), error.data());
  Sum total;
  double bound = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    double row = 0.0, row_bound = 0.5 * std::fabs(w[i]) * error[i * n + i];
    for (std::size_t j = 0; j < i; ++j) {
      row += w[j] * K[i * n + j];
      row_bound += std::fabs(w[j]) * error[i * n + j];
    }
    total.add(2.0 * w[i] * row);
    total.add(w[i] * w[i] * K[i * n + i]);
    bound += 2.0 * std::fabs(w[i]) * row_bound;
  }
  const double value = total.value + total.lost;
  if (!std::isfinite(value)) {
    return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()};
  }
  return {value < 0.0 ? 0.0 : value, bound};
}

}  // namespace lrft
