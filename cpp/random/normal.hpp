// Two standard normals from one Philox counter, by Box and Muller.
//
// The radius uses 63 bits, u = an odd multiple of 2^-64, so |z| reaches
// sqrt(128 log 2) = 9.42; P(|z| > 9.42) is 5e-21.  The angle uses 62 bits inside a
// quarter turn about zero and two bits to choose the quarter.  Each is rounded to
// double once, and what follows is accurate to 4 ulp, so the law is the normal one
// to double precision, tail included.
//
// Cost: about 50 vector operations, a division and a square root for 16 normals.
#pragma once

#include "math/polynomial.hpp"
#include "random/philox.hpp"

namespace lrft {

struct NormalPair {
  Pack first, second;
};

// high 2^32 + low, with its last bit set, rounded to double, minus `offset`: the
// two halves are made by writing them into the mantissas of 2^84 and 2^52.
LRFT_INLINE Pack odd_integer(const Bits& high, const Bits& low, double offset) {
  const Bits half = broadcast_bits(0xffffffffull);
  const Pack big = as_pack((high & half) | broadcast_bits(0x4530000000000000ull));
  const Pack small = as_pack((low & half) | broadcast_bits(0x4330000000000001ull));
  return (big - (0x1p84 + 0x1p52 + offset)) + small;
}

// -2 log(x 2^-64) for x in [1, 2^64]: x = 2^e m with m in [sqrt(1/2), sqrt 2), and
// log m = 2 atanh(s), s = (m - 1)/(m + 1), by the minimax polynomial of log.hpp in s^2.
LRFT_INLINE Pack minus_two_log(const Pack& x) {
  static constexpr double r[] = {-2 * 6.666666666666735130e-01, -2 * 3.999999999940941908e-01,
                                 -2 * 2.857142874366239149e-01, -2 * 2.222219843214978396e-01,
                                 -2 * 1.818357216161805012e-01, -2 * 1.531383769920937332e-01,
                                 -2 * 1.479819860511658591e-01};
  constexpr std::uint64_t root_half = 0x3fe6a09e667f3bcdull;
  const Bits shifted = as_bits(x) + broadcast_bits(0x3ff0000000000000ull - root_half);
  const Pack e =
      as_pack((shifted >> 52) | broadcast_bits(0x4330000000000000ull)) - (0x1p52 + 1023.0 + 64.0);
  const Pack m =
      as_pack((shifted & broadcast_bits(0x000fffffffffffffull)) + broadcast_bits(root_half));
  const Pack s = (m - 1.0) / (m + 1.0);
  const Pack z = s * s;
  const Pack log_m = fma(s * z, polynomial(z, r), s * -4.0);
  return fma(e, broadcast(-2 * 0.693147180559945309417), log_m);
}

LRFT_INLINE NormalPair normal_pair(const Words& bits) {
  const Pack radius = sqrt(minus_two_log(odd_integer(bits.w[0], bits.w[1], 0)));

  // Eighths of a turn in (-1, 1), exact near zero.
  const Bits turn = bits.w[2] & broadcast_bits(0x3fffffffull);
  const Pack phi = odd_integer(turn, bits.w[3], 0x1p61) * (1.57079632679489661923 * 0x1p-62);
  const Pack z = phi * phi;
  // Minimax polynomials on [-pi/4, pi/4] of FreeBSD's msun (k_sin.c, k_cos.c).
  static constexpr double sine_of[] = {-1.66666666666666324348e-01, 8.33333333332248946124e-03,
                                       -1.98412698298579493134e-04, 2.75573137070700676789e-06,
                                       -2.50507602534068634195e-08, 1.58969099521155010221e-10};
  static constexpr double cosine_of[] = {-0.5,
                                         4.16666666666666019037e-02,
                                         -1.38888888888741095749e-03,
                                         2.48015872894767294178e-05,
                                         -2.75573143513906633035e-07,
                                         2.08757232129817482790e-09,
                                         -1.13596475577881948265e-11};
  const Pack sine = fma(phi * z, polynomial(z, sine_of), phi);
  const Pack cosine = fma(z, polynomial(z, cosine_of), 1.0);

  // The quarter: bit 30 swaps, bit 31 turns by a half.  phi is symmetric about
  // zero, so a swap has the law of a quarter turn.
  const Bits raised = bits.w[2] << 32;
  const Pack r = as_pack(as_bits(radius) ^ (raised & broadcast_bits(0x8000000000000000ull)));
  const Mask swap = negative(raised << 1);
  return {r * select(swap, sine, cosine), r * select(swap, cosine, sine)};
}

}  // namespace lrft
