#include "lrft/population.hpp"

#include <cmath>
#include <cstddef>
#include <limits>
#include <stdexcept>

#include "lrft/poll.hpp"
#include "population/closed_form.hpp"
#include "population/custom.hpp"
#include "population/polynomial.hpp"
#include "population/tanh_family.hpp"
#include "simd/pack.hpp"

namespace lrft {

namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();

template <class Kernel>
void closed_moments(Kernel kernel, int m, const double* C, double* K, double* bound) {
  const std::size_t n = static_cast<std::size_t>(m);
  const std::size_t padded = (n + lanes - 1) / lanes * lanes;
  std::vector<double> b(padded, 0.0), c(padded, 0.0), det(padded, 0.0), value(padded);
  for (std::size_t i = 0; i < n; ++i) {
    Poll::spend(static_cast<std::int64_t>(8 * i));
    const double a = b[i] = C[i * n + i];
    for (std::size_t j = 0; j <= i; ++j) {
      c[j] = C[i * n + j];
      det[j] = closed_form::determinant(a, b[j], c[j]);
    }
    for (std::size_t j = 0; j <= i; j += lanes) {
      store(&value[j], kernel(broadcast(a), load(&b[j]), load(&c[j]), load(&det[j])));
    }
    for (std::size_t j = 0; j <= i; ++j) K[i * n + j] = K[j * n + i] = value[j];
  }
  if (!bound) return;
  for (std::size_t i = 0; i < n; ++i) {
    value[i] = std::sqrt(K[i * n + i]);
    for (std::size_t j = 0; j <= i; ++j) {
      bound[i * n + j] = bound[j * n + i] = 12.0 * epsilon * value[i] * value[j];
    }
  }
}

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

Population::Population(const ActivationSpec& spec) : spec_(spec) {
  if (spec.kind == ActivationKind::hermite) {
    if (spec.coefficients.empty()) {
      throw std::invalid_argument("coefficients: a hermite activation needs at least one");
    }
    for (const double a : spec.coefficients) {
      if (!std::isfinite(a)) throw std::invalid_argument("coefficients: must be finite");
    }
  }
  if (spec.kind == ActivationKind::custom && (!spec.value || !spec.derivative)) {
    throw std::invalid_argument("custom activation: value and derivative must both be given");
  }
}

void Population::moments(int m, const double* C, bool derivative, double* K, double* bound) const {
  const std::size_t entries = static_cast<std::size_t>(m) * static_cast<std::size_t>(m);
  if (!valid(m, C)) {
    for (std::size_t k = 0; k < entries; ++k) {
      K[k] = std::numeric_limits<double>::quiet_NaN();
      if (bound) bound[k] = std::numeric_limits<double>::infinity();
    }
    return;
  }
  switch (spec_.kind) {
    case ActivationKind::relu:
      if (derivative) {
        closed_moments(LRFT_CLOSED_FORM(relu_derivative), m, C, K, bound);
      } else {
        closed_moments(LRFT_CLOSED_FORM(relu), m, C, K, bound);
      }
      return;
    case ActivationKind::erf:
      if (derivative) {
        closed_moments(LRFT_CLOSED_FORM(erf_derivative), m, C, K, bound);
      } else {
        closed_moments(LRFT_CLOSED_FORM(erf), m, C, K, bound);
      }
      return;
    case ActivationKind::gelu:
      if (derivative) {
        closed_moments(LRFT_CLOSED_FORM(gelu_derivative), m, C, K, bound);
      } else {
        closed_moments(LRFT_CLOSED_FORM(gelu), m, C, K, bound);
      }
      return;
    case ActivationKind::quadratic:
      if (derivative) {
        closed_moments(LRFT_CLOSED_FORM(quadratic_derivative), m, C, K, bound);
      } else {
        closed_moments(LRFT_CLOSED_FORM(quadratic), m, C, K, bound);
      }
      return;
    case ActivationKind::hermite:
      polynomial_moments(derivative ? series_derivative(spec_.coefficients) : spec_.coefficients, m,
                         C, K, bound);
      return;
    case ActivationKind::custom:
      custom_moments(derivative ? spec_.derivative : spec_.value, m, C, K, bound);
      return;
    case ActivationKind::tanh:
    case ActivationKind::sigmoid:
    case ActivationKind::silu:
    case ActivationKind::softplus:
      family_moments(family_form(spec_.kind, derivative), m, C, K, bound);
      return;
  }
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
