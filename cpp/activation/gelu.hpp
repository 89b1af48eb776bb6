// z Phi(z), with the tail Q(|z|) = e^(-z^2/2) R(|z|) of math/gaussian.hpp; the derivative
// is Phi + z phi, zero at z = -0.75179.
// The error of the derivative is relative to Phi + |z| phi, which is far from |gelu'| only
// around that zero.
#pragma once

#include <algorithm>

#include "activation/erf.hpp"
#include "activation/record.hpp"
#include "math/closed_form.hpp"
#include "math/gaussian.hpp"

namespace lrft {

struct Gelu {
  static constexpr ActivationFacts facts{
      .name = "gelu",
      .formula = "zΦ(z), Φ the normal distribution function",
      .value_error = 4.8,
      .slope_error = 2.1,
      .law = "zΦ(z) = z/2 + z·erf(z/√2)/2, orthogonal parts; Gaussian integration by parts",
      .torch = "GELU"};
  using Exact = ClosedForm<Gelu>;

  static LRFT_INLINE ValueAndSlope at(const ActivationData&, const Pack& z) {
    const Mask negative = z < 0.0;
    const Pack a = bounded_abs(z, 40.0);
    const ExpPieces e = gaussian_exponential(a);
    const Pack m = e.p + 1.0;
    const Pack ratio = tail_ratio(a);
    const Pack slope_ratio = ratio - a * inv_sqrt_2pi;
    // For z < 0 everything is a multiple of e^(-z^2/2), whose power of two comes
    // last so that nothing becomes subnormal early; for z >= 0 it is 1 minus that.
    const Pack value = scale(ratio * a * m, e.n);
    const Pack slope = scale(slope_ratio * m, e.n);
    return {select(negative, -value, z - value), select(negative, slope, 1.0 - slope)};
  }

  // z/2 + z erf(z / sqrt 2)/2, and the two parts are orthogonal.
  static LRFT_INLINE Pack moment(const Pack& a, const Pack& b, const Pack& c, const Pack& det) {
    return 0.25 * (c + closed_form::z_erf(a, b, c, det));
  }
  static LRFT_INLINE Pack slope_moment(const Pack& a, const Pack& b, const Pack& c,
                                       const Pack& det) {
    return 0.25 * (1.0 + closed_form::z_erf_slope(a, b, c, det));
  }
  // x he_p = sqrt(p+1) he_{p+1} + sqrt(p) he_{p-1}; the two neighbours have a fixed ratio, which
  // leaves (1 - r (p-1)/p) without cancellation.
  static void coefficients(double s, std::vector<double>& mu) {
    std::vector<double> e(std::max<std::size_t>(mu.size(), 2), 0.0);
    Erf::coefficients(s, e);
    const double rest = 1.0 / (1.0 + s * s);
    for (std::size_t p = 0; p < mu.size(); ++p) {
      const double pd = static_cast<double>(p);
      if (p == 0) mu[p] = 0.5 * s * e[1];
      if (p == 1) mu[p] = 0.5 * s;
      if (p >= 2 && p % 2 == 0) {
        mu[p] = 0.5 * s * e[p - 1] * std::sqrt(pd) * (rest + (1.0 - rest) / pd);
      }
    }
  }
};

}  // namespace lrft
