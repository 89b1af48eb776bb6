#include "lrft/population.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "activation/list.hpp"
#include "population/routes.hpp"
#include "population/shifted.hpp"
#include "simd/pack.hpp"

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

bool valid(const MomentRows& wanted, const double* C) {
  const std::size_t n = static_cast<std::size_t>(wanted.count);
  for (std::size_t i = 0; i < n; ++i) {
    if (!(C[i * n + i] >= 0.0 && std::isfinite(C[i * n + i]))) return false;
    if (i < static_cast<std::size_t>(wanted.first)) continue;
    for (std::size_t j = 0; j < i; ++j) {
      if (!std::isfinite(C[i * n + j])) return false;
    }
  }
  return true;
}

// sum_j w_j x_j, j < count.
double weighed(const double* w, const double* x, std::size_t count) {
  Pack sums = broadcast(0.0);
  std::size_t j = 0;
  for (; j + lanes <= count; j += lanes) sums = fma(load(w + j), load(x + j), sums);
  double total = sum(sums);
  for (; j < count; ++j) total += w[j] * x[j];
  return total;
}

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

}  // namespace

Population::Population(const ActivationSpec& spec) : spec_(spec) { check(spec_); }

bool Population::rows(const MomentRows& wanted, const double* C, bool derivative,
                      const double* means) const {
  if (!valid(wanted, C)) return false;
  if (means != nullptr) {
    if (!std::all_of(means, means + wanted.count, [](double x) { return std::isfinite(x); }))
      return false;
    if (std::any_of(means, means + wanted.count, [](double x) { return x != 0; })) {
      shifted_moments(spec_, wanted, means, C);
      return true;
    }
  }
  with_record(spec_.kind,
              [&](auto record) { decltype(record)::Exact::moments(spec_, wanted, C, derivative); });
  return true;
}

void Population::moments(int m, const double* C, bool derivative, double* K) const {
  const std::size_t n = static_cast<std::size_t>(m);
  const auto keep = [&](std::size_t i, const double* value, const double*) {
    for (std::size_t j = 0; j <= i; ++j) K[i * n + j] = K[j * n + i] = value[j];
  };
  if (!rows({0, m, false, keep}, C, derivative)) std::fill_n(K, n * n, nan);
}

double Population::expected_square_from(int first, int m, const double* w, const double* C) const {
  return expected_square_from(first, m, w, C, nullptr);
}

double Population::expected_square_from(int first, int m, const double* w, const double* C,
                                        const double* means) const {
  Sum total;
  const auto add = [&](std::size_t i, const double* value, const double*) {
    total.add(2.0 * w[i] * weighed(w, value, i));
    total.add(w[i] * w[i] * value[i]);
  };
  if (!rows({first, m, false, add}, C, false, means)) return nan;
  return total.value + total.lost;
}

Moment Population::expected_square(int m, const double* w, const double* C, bool derivative) const {
  return square(m, w, C, derivative, nullptr);
}

Moment Population::expected_square(int m, const double* w, const double* C,
                                   const double* means) const {
  return square(m, w, C, false, means);
}

Moment Population::expected_sum(int m, const double* w, const double* C,
                                const double* means) const {
  const auto n = static_cast<std::size_t>(m);
  Sum total;
  double bound = 0.0;
  for (std::size_t j = 0; j < n; ++j) {
    const double variance = C[j * n + j];
    if (!(variance >= 0.0 && std::isfinite(variance) && std::isfinite(means[j])))
      return {nan, std::numeric_limits<double>::infinity()};
    const Shifted one = shifted(spec_, means[j], std::sqrt(variance), 1);
    total.add(w[j] * one.mu[0]);
    bound += std::fabs(w[j]) * one.error;
  }
  return {total.value + total.lost, bound};
}

Moment Population::square(int m, const double* w, const double* C, bool derivative,
                          const double* means) const {
  Sum total;
  double bound = 0.0;
  std::vector<double> size(static_cast<std::size_t>(m));
  for (std::size_t i = 0; i < size.size(); ++i) size[i] = std::fabs(w[i]);
  const auto add = [&](std::size_t i, const double* value, const double* error) {
    total.add(2.0 * w[i] * weighed(w, value, i));
    total.add(w[i] * w[i] * value[i]);
    bound += size[i] * (2.0 * weighed(size.data(), error, i) + size[i] * error[i]);
  };
  const bool found = rows({0, m, true, add}, C, derivative, means);
  const double value = total.value + total.lost;
  if (!found || !std::isfinite(value)) return {nan, std::numeric_limits<double>::infinity()};
  return {value < 0.0 ? 0.0 : value, bound};
}

}  // namespace lrft
