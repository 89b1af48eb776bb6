#include "population/scale_mixture.hpp"

#include <cmath>
#include <cstddef>
#include <vector>

#include "math/closed_form.hpp"
#include "simd/pack.hpp"

namespace lrft {

namespace {

using closed_form::pi;

// The density of the Kolmogorov distribution: two series, one for each side.
double kolmogorov_density(double x) {
  double sum = 0.0;
  if (x > 1.0) {
    for (int k = 8; k > 0; --k) {
      sum += (k % 2 == 1 ? 8.0 : -8.0) * x * k * k * std::exp(-2.0 * k * k * x * x);
    }
    return sum;
  }
  for (int k = 8; k > 0; --k) {
    const double q = (2 * k - 1) * (2 * k - 1) * pi * pi / (8.0 * x * x);
    sum += std::exp(-q) * (2.0 * q - 1.0) / (x * x);
  }
  return std::sqrt(2.0 * pi) * sum;
}

struct Nodes {
  int count = 0;
  // Padded to a multiple of 8 with weight 0.
  std::vector<double> kappa, weight;
  // 0 before, 1 at and 2 past entry 8: how often a pair counts in a symmetric sum.
  std::vector<double> twice;

  Nodes() {
    const double step = 0.11;  // error 2e-17; a weight left out is below 1e-17
    for (int q = -17; q <= 14; ++q) {
      const double x = std::exp(step * q);
      const double w = step * x * kolmogorov_density(x);
      if (w < 1e-17) continue;
      kappa.push_back(x);
      weight.push_back(w);
    }
    count = static_cast<int>(kappa.size());
    while (kappa.size() % lanes != 0) {
      kappa.push_back(1.0);
      weight.push_back(0.0);
    }
    twice.assign(lanes + kappa.size(), 2.0);
    for (int k = 0; k <= lanes; ++k) twice[static_cast<std::size_t>(k)] = k < lanes ? 0.0 : 1.0;
  }
};

const Nodes& nodes() {
  static const Nodes table;
  return table;
}

// The sum over pairs of nodes of w w' kernel at the variances, covariance and determinant of
// (u_1/kappa, u_2/kappa'), times (kappa kappa')^power.
template <auto kernel>
double double_sum(double a, double b, double c, int power) {
  const Nodes& t = nodes();
  const double det = closed_form::determinant(a, b, c);
  Pack total = broadcast(0.0);
  for (std::size_t q = 0; q < static_cast<std::size_t>(t.count); ++q) {
    const double inverse = 1.0 / t.kappa[q];
    const Pack a1 = broadcast(a * inverse * inverse);
    Pack row = broadcast(0.0);
    // The kernels are symmetric: with a = b only packs from the diagonal on, twice.
    const std::size_t first = a == b ? q / lanes * lanes : 0;
    for (std::size_t p = first; p < t.kappa.size(); p += lanes) {
      const Pack kappa = load(&t.kappa[p]);
      const Pack other = 1.0 / kappa, both = other * inverse;
      const Pack value = kernel(a1, b * other * other, c * both, det * both * both);
      Pack weight = load(&t.weight[p]);
      if (a == b) weight *= load(&t.twice[lanes + p - q]);
      if (power == 1) weight *= kappa * t.kappa[q];
      if (power == -1) weight *= both;
      row = fma(weight, value, row);
    }
    total = fma(row, t.weight[q], total);
  }
  return sum(total);
}

}  // namespace

void mixture_coefficients(Member f, double s, int count, double* mu) {
  // With t = s/kappa and r = t^2/(1+t^2), those of erf(t x / sqrt 2) are
  // e_p = sqrt(2/(pi p)) he_{p-1}(0) r^{p/2}.  Needed here: sums over the nodes of w r^{n/2},
  // plain and times 1 - r, n odd; for sech2 of w r^{n/2} / sqrt(kappa^2 + s^2), n even.
  const Nodes& t = nodes();
  const std::size_t padded = t.kappa.size();
  const bool even_powers = f == Member::sech2;
  std::vector<double> r(padded), power(padded);
  double at_0 = 0.0, spread = 0.0;
  for (std::size_t q = 0; q < padded; ++q) {
    const double length = std::hypot(t.kappa[q], s);
    const double root = s / length;
    r[q] = root * root;
    power[q] = t.weight[q] * (even_powers ? 1.0 / length : root);
    at_0 += t.weight[q] * length;
    spread += power[q];
  }
  const double unit = std::sqrt(2.0 / pi);
  // he_{2m}(0), one m behind for the members whose p = 0 stands apart.
  double h = 1.0;
  int m = 0;
  for (int i = 0; i < count; ++i) {
    if (i == 0 && f == Member::log_cosh) {
      mu[0] = unit * at_0;
      continue;
    }
    if (i == 0 && f == Member::u_tanh) {
      mu[0] = unit * s * spread;
      continue;
    }
    Pack plain = broadcast(0.0), rest = broadcast(0.0);
    for (std::size_t q = 0; q < padded; q += lanes) {
      const Pack x = load(&power[q]), ratio = load(&r[q]);
      plain += x;
      rest += x * (1.0 - ratio);
      store(&power[q], x * ratio);
    }
    const double p = 2 * i + (is_odd(f) ? 1 : 0);
    const double a = sum(plain), b = sum(rest);
    switch (f) {
      case Member::tanh:
        mu[i] = unit * h * a / std::sqrt(p);
        break;
      case Member::sech2:
        mu[i] = unit * h * a;
        break;
      case Member::log_cosh:
        mu[i] = unit * s * h * a / std::sqrt(p * (p - 1.0));
        break;
      case Member::u_tanh:
        mu[i] = unit * s * h * std::sqrt(p / (p - 1.0)) * (b * (1.0 - 1.0 / p) + a / p);
        break;
      case Member::u_tanh_slope:
        mu[i] = unit * h * (a + p * b) / std::sqrt(p);
        break;
    }
    ++m;
    h *= -std::sqrt((2.0 * m - 1.0) / (2.0 * m));
  }
}

double mixture_moment(Member f, double a, double b, double c) {
  switch (f) {
    case Member::tanh:
      return double_sum<closed_form::erf>(a, b, c, 0);
    case Member::sech2:
      return double_sum<closed_form::erf_derivative>(a, b, c, -1);
    case Member::log_cosh:
      return double_sum<closed_form::erf_integral>(a, b, c, 1);
    case Member::u_tanh:
      return double_sum<closed_form::z_erf>(a, b, c, 1);
    case Member::u_tanh_slope:
      return double_sum<closed_form::z_erf_slope>(a, b, c, 0);
  }
  return 0.0;
}

}  // namespace lrft
