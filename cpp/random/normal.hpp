// Two standard normals from one Philox counter, by Box and Muller.
//
// The radius uses 64 bits, u = (64-bit integer + 1/2) 2^-64, so |z| reaches
// sqrt(2 log 2^65) = 9.49; P(|z| > 9.49) is 2e-21.  The angle uses 62 bits
// inside a quarter turn about zero and two bits to choose the quarter.  Both
// are rounded to double only once, so the law is the normal one to double
// precision, tail included.
#pragma once

#include "math/log.hpp"
#include "random/philox.hpp"

namespace lrft {

struct NormalPair {
  Pack first, second;
};

// The uniform number in (0, 1] of two words: (high 2^32 + low + 1/2) 2^-64.
LRFT_INLINE Pack uniform(const Bits& high, const Bits& low) {
  return fma(low32_to_double(low) + 0.5, 0x1p-64, low32_to_double(high) * 0x1p-32);
}

LRFT_INLINE NormalPair normal_pair(const Words& bits) {
  const Pack radius = sqrt(log_positive(uniform(bits.w[0], bits.w[1])) * -2.0);

  // Quarter turns in (-1/2, 1/2), exact near zero.
  const Bits turn = bits.w[2] & broadcast_bits(0x3fffffffu);
  const Pack quarter = fma(low32_to_double(bits.w[3]) + 0.5, 0x1p-62,
                           (low32_to_double(turn) - 0x1p29) * 0x1p-30);
  const Pack phi = quarter * 1.57079632679489661923;
  const Pack z = phi * phi;
  // Minimax polynomials on [-pi/4, pi/4] of FreeBSD's msun (k_sin.c, k_cos.c), below 1 ulp.
  Pack s = fma(z, 1.58969099521155010221e-10, -2.50507602534068634195e-08);
  s = fma(z, s, 2.75573137070700676789e-06);
  s = fma(z, s, -1.98412698298579493134e-04);
  s = fma(z, s, 8.33333333332248946124e-03);
  s = fma(z, s, -1.66666666666666324348e-01);
  const Pack sine = fma(phi * z, s, phi);
  Pack c = fma(z, -1.13596475577881948265e-11, 2.08757232129817482790e-09);
  c = fma(z, c, -2.75573143513906633035e-07);
  c = fma(z, c, 2.48015872894767294178e-05);
  c = fma(z, c, -1.38888888888741095749e-03);
  c = fma(z, c, 4.16666666666666019037e-02);
  const Pack cosine = fma(z * z, c, fma(z, -0.5, 1.0));

  // The quarter: bit 30 swaps, bit 31 turns by a half.  phi is symmetric about
  // zero, so a swap has the law of a quarter turn.
  const Bits half_turn = (bits.w[2] & broadcast_bits(0x80000000u)) << 32;
  const Pack r = as_pack(as_bits(radius) ^ half_turn);
  const Mask swap = low32_to_double(bits.w[2] & broadcast_bits(0x40000000u)) > 0.0;
  return {r * select(swap, sine, cosine), r * select(swap, cosine, sine)};
}

}  // namespace lrft
