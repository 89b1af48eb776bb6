// atan2 of packs, and sqrt with one name for packs and doubles.
#pragma once

#include <cmath>
#include <limits>

#include "simd/pack.hpp"

namespace lrft::closed_form {

inline constexpr double pi = 3.14159265358979323846;

// The angle of (x, y) in (-pi, pi], 0 at the origin; error a few ulp.
//
// tan(t/2) = y/(r + x) and tan(t/4) = tan(t/2)/(1 + sqrt(1 + tan(t/2)^2)), so that three
// halvings leave tan(pi/16) at most, where twelve terms of the Taylor series suffice.
LRFT_INLINE Pack angle(const Pack& y, const Pack& x) {
  const Pack r = sqrt(x * x + y * y);
  Pack t = abs(y) / (r + abs(x) + std::numeric_limits<double>::min());
  t = t / (1.0 + sqrt(1.0 + t * t));
  t = t / (1.0 + sqrt(1.0 + t * t));
  const Pack z = t * t;
  Pack series = broadcast(-1.0 / 23.0);
#pragma GCC unroll 11
  for (int k = 10; k >= 0; --k) {
    series = fma(series, z, (k % 2 == 0 ? 1.0 : -1.0) / (2 * k + 1));
  }
  const Pack acute = 8.0 * t * series;
  return copysign(select(x < 0.0, pi - acute, acute), y);
}

}  // namespace lrft::closed_form
