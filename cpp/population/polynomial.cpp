#include "population/polynomial.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "lrft/poll.hpp"

namespace lrft {

std::vector<double> series_derivative(const std::vector<double>& a) {
  std::vector<double> slope;  // he_p' = sqrt(p) he_{p-1}
  for (std::size_t p = 1; p < a.size(); ++p) {
    slope.push_back(a[p] * std::sqrt(static_cast<double>(p)));
  }
  if (slope.empty()) slope.push_back(0.0);
  return slope;
}

void rescaled_series(const std::vector<double>& a, double v, double* alpha, double* size) {
  const std::size_t n = a.size();
  for (std::size_t q = 0; q < n; ++q) alpha[q] = size[q] = 0.0;
  for (std::size_t p = 0; p < n; ++p) {
    if (a[p] == 0.0) continue;
    double term = a[p];
    for (std::size_t j = 0; 2 * j <= p; ++j) {
      const std::size_t q = p - 2 * j;
      alpha[q] += term;
      size[q] += std::fabs(term);
      if (q >= 2) {
        const double pairs = static_cast<double>(q) * static_cast<double>(q - 1);
        term *= std::sqrt(pairs) / (2.0 * static_cast<double>(j + 1)) * (v - 1.0);
      }
    }
  }
}

void shifted_series(const std::vector<double>& a, double mean, double v, double* alpha,
                    double* size) {
  const std::size_t n = a.size();
  std::vector<double> e(n + 1, 1.0), bound(n + 1, 1.0);
  for (std::size_t p = 0; p < n; ++p) {
    const double q = static_cast<double>(p), up = 1 / std::sqrt(q + 1), back = std::sqrt(q);
    e[p + 1] = (mean * e[p] + (p > 0 ? (v - 1) * back * e[p - 1] : 0)) * up;
    bound[p + 1] =
        (std::fabs(mean) * bound[p] + (p > 0 ? std::fabs(v - 1) * back * bound[p - 1] : 0)) * up;
  }
  for (std::size_t q = 0; q < n; ++q) {
    alpha[q] = size[q] = 0;
    double binomial = 1;  // p over q
    for (std::size_t p = q; p < n; ++p) {
      const double term = a[p] * std::sqrt(binomial);
      alpha[q] += term * e[p - q];
      size[q] += std::fabs(term) * bound[p - q];
      binomial *= static_cast<double>(p + 1) / static_cast<double>(p + 1 - q);
    }
  }
}

void polynomial_moments(const std::vector<double>& a, const MomentRows& wanted, const double* C,
                        const double* means) {
  const std::size_t n = a.size();
  const std::size_t rows = static_cast<std::size_t>(wanted.count);
  std::vector<double> alpha(n * rows), own(n), size(n), root(rows), value(rows), bound(rows);
  const double relative = static_cast<double>(8 + 2 * n) * std::numeric_limits<double>::epsilon();
  for (std::size_t i = 0; i < rows; ++i) {
    const double v = C[i * rows + i];
    if (means != nullptr) {
      Poll::spend(static_cast<std::int64_t>(n * n));
      shifted_series(a, means[i], v, own.data(), size.data());
    } else if (i == 0 || v != C[(i - 1) * rows + i - 1]) {
      Poll::spend(static_cast<std::int64_t>(n * n));
      rescaled_series(a, v, own.data(), size.data());
    }
    for (std::size_t q = 0; q < n; ++q) alpha[q * rows + i] = own[q];
    double total = 0.0;
    for (std::size_t q = n; q-- > 0;) total = total * v + size[q] * size[q];
    root[i] = std::sqrt(total);
  }
  for (std::size_t i = static_cast<std::size_t>(wanted.first); i < rows; ++i) {
    Poll::spend(static_cast<std::int64_t>(n * i));
    std::fill(value.begin(), value.end(), 0.0);
    for (std::size_t q = n; q-- > 0;) {
      const double mine = alpha[q * rows + i];
      if (mine == 0.0) {
        for (std::size_t j = 0; j <= i; ++j) value[j] *= C[i * rows + j];
      } else {
        for (std::size_t j = 0; j <= i; ++j)
          value[j] = value[j] * C[i * rows + j] + mine * alpha[q * rows + j];
      }
    }
    if (wanted.bounded)
      for (std::size_t j = 0; j <= i; ++j) bound[j] = relative * root[i] * root[j];
    wanted.take(i, value.data(), bound.data());
  }
}

double polynomial_coefficients(const std::vector<double>& a, double s, std::vector<double>& mu) {
  std::vector<double> alpha(a.size()), size(a.size());
  rescaled_series(a, s * s, alpha.data(), size.data());
  const double relative =
      static_cast<double>(8 + 2 * a.size()) * std::numeric_limits<double>::epsilon();
  double power = 1.0, bound = 0.0;
  for (std::size_t q = 0; q < a.size(); ++q, power *= s) {
    if (q < mu.size()) mu[q] = alpha[q] * power;
    bound = std::max(bound, relative * size[q] * power);
  }
  return bound;
}

}  // namespace lrft
