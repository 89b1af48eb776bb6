// E[f(z_1) f(z_2)] in closed form for eight pairs at once, (z_1, z_2) centred Gaussian with
// variances a, b, covariance c and det = ab - c^2.  With K(c) this moment,
// E[f' f'] = dK/dc (Price's theorem), which is where the derivatives come from.
#pragma once

#include <cmath>

#include "population/angle.hpp"
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

// Arc-cosine kernel of degree 1 (Cho and Saul 2009); the two-argument arc tangent keeps the
// accuracy where an arc cosine loses half the digits.
LRFT_INLINE Pack relu(const Pack&, const Pack&, const Pack& c, const Pack& det) {
  const Pack root = sqrt(det);
  return (root + c * (pi - angle(root, c))) * (0.5 / pi);
}

// Arc-cosine kernel of degree 0; relu'(0) = 0, so a neuron of norm 0 gives 0.
LRFT_INLINE Pack relu_derivative(const Pack& a, const Pack& b, const Pack& c, const Pack& det) {
  const Pack value = (pi - angle(sqrt(det), c)) * (0.5 / pi);
  return select((a == 0.0) | (b == 0.0), broadcast(0.0), value);
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

// z^2 (Isserlis) and its derivative 2 z.
LRFT_INLINE Pack quadratic(const Pack& a, const Pack& b, const Pack& c, const Pack&) {
  return a * b + 2.0 * c * c;
}
LRFT_INLINE Pack quadratic_derivative(const Pack&, const Pack&, const Pack& c, const Pack&) {
  return 4.0 * c;
}

// gelu(z) = z Phi(z) = z/2 + z erf(z / sqrt 2)/2, and the two parts are orthogonal.
LRFT_INLINE Pack gelu(const Pack& a, const Pack& b, const Pack& c, const Pack& det) {
  return 0.25 * (c + z_erf(a, b, c, det));
}
LRFT_INLINE Pack gelu_derivative(const Pack& a, const Pack& b, const Pack& c, const Pack& det) {
  return 0.25 * (1.0 + z_erf_slope(a, b, c, det));
}

}  // namespace lrft::closed_form

// A closed form as an object whose type names it, so that it is inlined where it is passed.
#define LRFT_CLOSED_FORM(name)                                                                   \
  [](const lrft::Pack& a_, const lrft::Pack& b_, const lrft::Pack& c_, const lrft::Pack& det_) { \
    return lrft::closed_form::name(a_, b_, c_, det_);                                            \
  }
