#include "population/sine_series.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "population/closed_form.hpp"
#include "simd/pack.hpp"

namespace lrft {

namespace {

using closed_form::pi;
constexpr double omega_end = 25.0;  // exp(-pi omega/2) is below 1e-17

// Half a period: the image error exp(-2(L-|u|)) under sqrt(phi), which bounds he_p phi, is
// then below rounding.
double half_period(double s) { return 20.0 + std::min(2.0 * s * s, 12.0 * s); }

// The Fourier coefficient of f at omega, for half a period L.
double fourier(Wave f, double omega, double L) {
  const double q = 0.5 * pi * omega;
  const double fall = -std::expm1(-2.0 * q);        // 1 - exp(-2q)
  const double b = 4.0 * pi / L * std::exp(-q) / fall;  // 2 pi / (L sinh q)
  const double coth = (2.0 - fall) / fall;
  switch (f) {
    case Wave::tanh: return b;
    case Wave::sech2: return b * omega;
    case Wave::log_cosh: return -b / omega;
    // log(2 cosh u) plus the localised u tanh u - log(2 cosh u)
    case Wave::u_tanh: return -0.5 * pi * b * coth;
    case Wave::u_tanh_slope: return 0.5 * pi * b * coth * omega;
  }
  return 0.0;
}

}  // namespace

SineSeries sine_series(Wave f, double variance, int degree) {
  SineSeries r;
  r.s = std::sqrt(variance);
  const double L = half_period(r.s);
  // y^p exp(-y^2/2) / sqrt(p!) is below exp(-(y - sqrt p)^2).
  const double y_end = std::sqrt(static_cast<double>(degree)) + 6.5;
  const bool whole = y_end >= omega_end * r.s;
  const double end = whole ? omega_end : y_end / r.s;

  r.odd = is_odd(f);
  r.spacing = pi / L;
  const int count = static_cast<int>(0.5 * end / r.spacing) + 1;
  const std::size_t padded = static_cast<std::size_t>((count + lanes - 1) / lanes * lanes);
  r.y.assign(padded, 0.0);
  r.damped.assign(padded, 0.0);
  r.damped_sum = 0.0;
  double moved = 0.0;
  for (int n = 0; n < count; ++n) {
    const double omega = (2 * n + 1) * r.spacing;
    const double y = omega * r.s;
    const double x = fourier(f, omega, L);
    const std::size_t at = static_cast<std::size_t>(n);
    r.y[at] = y;
    r.damped[at] = x * std::exp(-0.5 * y * y);
    r.damped_sum += r.damped[at];
    if (!r.odd && whole) moved += x * std::expm1(-0.5 * y * y);
  }
  if (r.odd) {
    r.mean = 0.0;
  } else if (f == Wave::sech2) {
    r.mean = r.damped_sum;
  } else if (whole) {  // f(0) and what the Gaussian adds: no cancellation at small norms
    r.mean = (f == Wave::log_cosh ? std::log(2.0) : 0.0) + moved;
  } else {  // f - L/2 is antiperiodic
    r.mean = 0.5 * L + r.damped_sum;
  }
  return r;
}

void prepare_pairs(Wave f, SineSeries& r) {
  if (r.count > 0) return;
  const double L = half_period(r.s);
  r.count = static_cast<int>(0.5 * omega_end / r.spacing) + 1;
  const double gap = 2.0 * r.spacing * r.s;
  r.reach = std::min(static_cast<int>(8.8 / gap) + 1, 2 * r.count);
  const int origin = r.count + r.reach;
  r.mirrored.assign(static_cast<std::size_t>(2 * origin), 0.0);
  for (int n = 0; n < r.count; ++n) {
    const double x = fourier(f, (2 * n + 1) * r.spacing, L);
    r.mirrored[static_cast<std::size_t>(origin + n)] = x;
    r.mirrored[static_cast<std::size_t>(origin - n - 1)] = r.odd ? -x : x;
  }
  r.bell.clear();
  for (int m = 0; m <= r.reach; ++m) r.bell.push_back(std::exp(-0.5 * (m * gap) * (m * gap)));
}

void wave_coefficients(const SineSeries& f, int count, double* mu) {
  const std::size_t padded = f.y.size();
  std::vector<double> term(f.damped), square(padded);
  for (std::size_t n = 0; n < padded; ++n) {
    if (f.odd) term[n] *= f.y[n];
    square[n] = f.y[n] * f.y[n];
  }
  const int first = f.odd ? 1 : 0;
  for (int t = 0; t < count; ++t) {
    const double p = first + 2 * t;
    const double ratio = -1.0 / std::sqrt((p + 1.0) * (p + 2.0));
    Pack total = broadcast(0.0);
    for (std::size_t n = 0; n < padded; n += lanes) {
      const Pack x = load(&term[n]);
      total += x;
      store(&term[n], x * (load(&square[n]) * ratio));
    }
    mu[t] = sum(total);
  }
  if (!f.odd && count > 0) mu[0] = f.mean;
}

double wave_moment(const SineSeries& f, const SineSeries& g, double a, double b, double c) {
  if (f.s < g.s) return wave_moment(g, f, b, a, c);
  // With y = omega s of f, y' of g and rho > 0, the expectation of a product of two waves is a
  // sum over n >= 0 and all l of x_n x_l exp(-(y_l' - rho y_n)^2/2 - y_n^2 (1-rho^2)/2) / 2.
  const double scale = f.s * g.s;
  const double rho = std::min(std::fabs(c) / scale, 1.0);
  const double damping = 0.5 * closed_form::determinant(a, b, c) / (a * b);
  const double gap = 2.0 * g.spacing * g.s;
  const double* middle = g.mirrored.data() + g.count + g.reach;
  const double* line = f.mirrored.data() + f.count + f.reach;
  double total = 0.0;
  for (int n = 0; n < f.count; ++n) {
    const double omega = (2 * n + 1) * f.spacing;
    const double y = omega * f.s;
    const double centre = rho * y;
    const int nearest = static_cast<int>(centre / gap);  // the l whose cell holds the centre
    if (nearest >= g.count || omega + centre / g.s > omega_end + 1.0) break;
    const double fade = damping * y * y;
    if (fade > 38.0) break;
    // exp(-(off + m gap)^2/2) = exp(-off^2/2) exp(-off gap)^m bell_m, both ways from the middle
    const double off = (nearest + 0.5) * gap - centre;
    const double up = std::exp(-off * gap), down = 1.0 / up;
    const double* x = middle + nearest;
    double above = 0.0, below = 0.0;
    for (int m = g.reach; m > 0; --m) {
      const double bell = g.bell[static_cast<std::size_t>(m)];
      above = (above + x[m] * bell) * up;
      below = (below + x[-m] * bell) * down;
    }
    total += line[n] * std::exp(-fade - 0.5 * off * off) * (x[0] + above + below);
  }
  total *= 0.5;
  if (f.odd) return c < 0.0 ? -total : total;
  return (f.mean * g.mean - f.damped_sum * g.damped_sum) + total;
}

}  // namespace lrft
