// E[f(z_1) f(z_2)] in closed form for eight pairs at once, (z_1, z_2) centred Gaussian with
// variances a, b, covariance c and det = ab - c^2: what several activations are made of.  With
// K(c) this moment, E[f' f'] = dK/dc (Price's theorem), which is where the derivatives come from.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "math/angle.hpp"
#include "simd/pack.hpp"

namespace lrft::closed_form {

// ab - c^2 with a rounding error relative to itself (Kahan), never negative.  Scalar: it needs
// a true fused multiply-add, which packs have only where the hardware has.
LRFT_INLINE double determinant(double a, double b, double c) {
  const double cc = c * c;
  const double rest = std::fma(-c, c, cc);
  const double det = std::fma(a, b, -cc) + rest;
  return det < 0.0 ? 0.0 : det;
}

// f(z) = erf(z / sqrt 2): the arcsine law (Williams 1997), asin(c / sqrt((1+a)(1+b))).
LRFT_INLINE Pack erf(const Pack& a, const Pack& b, const Pack& c, const Pack& det) {
  return 2.0 / pi * angle(c, sqrt(1.0 + a + b + det));
}
LRFT_INLINE Pack erf_derivative(const Pack& a, const Pack& b, const Pack&, const Pack& det) {
  return 2.0 / pi / sqrt(1.0 + a + b + det);
}

// Its integral z erf(z / sqrt 2) + sqrt(2/pi) exp(-z^2/2) = E|z + noise|, noise of variance 1.
LRFT_INLINE Pack erf_integral(const Pack& a, const Pack& b, const Pack& c, const Pack& det) {
  const Pack root = sqrt(1.0 + a + b + det);
  return 2.0 / pi * (root + c * angle(c, root));
}

// f(z) = z erf(z / sqrt 2): Gaussian integration by parts, twice.
LRFT_INLINE Pack z_erf(const Pack& a, const Pack& b, const Pack& c, const Pack& det) {
  const Pack root = sqrt(1.0 + a + b + det);
  const Pack g = 1.0 / (1.0 + a) + 1.0 / (1.0 + b);
  return 2.0 / pi * (c * angle(c, root) + (det + c * c * g) / root);
}
LRFT_INLINE Pack z_erf_slope(const Pack& a, const Pack& b, const Pack& c, const Pack& det) {
  const Pack shifted = 1.0 + a + b + det;
  const Pack root = sqrt(shifted);
  const Pack g = 1.0 / (1.0 + a) + 1.0 / (1.0 + b);
  const Pack bracket = 2.0 * g + (c * c * g - 1.0 - a - b) / shifted;
  return 2.0 / pi * (angle(c, root) + c * bracket / root);
}

// he_q(0) for q < count: zero at odd q.
inline std::vector<double> hermite_at_zero(std::size_t count) {
  std::vector<double> h(count, 0.0);
  if (count > 0) h[0] = 1.0;
  for (std::size_t q = 2; q < count; q += 2) {
    h[q] = -std::sqrt(static_cast<double>(q - 1) / static_cast<double>(q)) * h[q - 2];
  }
  return h;
}

}  // namespace lrft::closed_form
