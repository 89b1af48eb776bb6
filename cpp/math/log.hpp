// log x of a pack of positive, finite, normal numbers; error below 1 ulp.
//
// x = 2^e m with m in [sqrt(1/2), sqrt 2), f = m - 1, s = f/(2 + f); then
// log(1+f) = f - f^2/2 + s (f^2/2 + R(s^2)) with the minimax R of FreeBSD's
// msun (e_log.c), and e log 2 is added in two parts.
#pragma once

#include "simd/pack.hpp"

namespace lrft {

LRFT_INLINE Pack log_positive(const Pack& x) {
  const Bits bits = as_bits(x);
  // Adding the distance from sqrt(1/2) to 1 makes the exponent field that of m's interval.
  const Bits shifted = bits + broadcast_bits(0x3ff0000000000000ull - 0x3fe6a09e667f3bcdull);
  const Pack e = low32_to_double(shifted >> 52) - 1023.0;
  const Pack m = as_pack((shifted & broadcast_bits(0x000fffffffffffffull)) +
                         broadcast_bits(0x3fe6a09e667f3bcdull));
  const Pack f = m - 1.0;
  const Pack s = f / (f + 2.0);
  const Pack z = s * s;
  Pack r = fma(z, 1.479819860511658591e-01, broadcast(1.531383769920937332e-01));
  r = fma(z, r, 1.818357216161805012e-01);
  r = fma(z, r, 2.222219843214978396e-01);
  r = fma(z, r, 2.857142874366239149e-01);
  r = fma(z, r, 3.999999999940941908e-01);
  r = fma(z, r, 6.666666666666735130e-01);
  const Pack half_square = f * f * 0.5;
  const Pack tail = fma(s, fma(z, r, half_square), e * 1.90821492927058770002e-10);
  return fma(e, broadcast(6.93147180369123816490e-01), f - (half_square - tail));
}

}  // namespace lrft
