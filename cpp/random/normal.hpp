// Two standard normals from one Philox counter, by Box and Muller.
//
// The radius uses 63 bits, u = an odd multiple of 2^-64, so |z| reaches
// sqrt(128 log 2) = 9.42; P(|z| > 9.42) is 5e-21.  The angle uses 62 bits inside a
// quarter turn about zero and two bits to choose the quarter.  Each is rounded to
// double once, and what follows is accurate to 4 ulp, so the law is the normal one
// to double precision, tail included.
//
// Cost: about 40 vector operations, a division and a square root for 16 normals.
#pragma once

#include "math/polynomial.hpp"
#include "random/philox.hpp"

namespace lrft {

struct NormalPair {
  Pack first, second;
};

// u 2^64, u an odd multiple of 2^-64 below 1 made of these bits, rounded once.
LRFT_INLINE Pack uniform_2_64(const Bits& bits) {
  return unsigned_to_double(bits | broadcast_bits(1));
}

// -2 log(x 2^-64) for x in [1, 2^64]: x 2^-64 = 2^e m with m in [sqrt(1/2), sqrt 2), and
// -2 log m = -4 atanh(s), s = (m - 1)/(m + 1), by a minimax polynomial in s^2 (1.9e-16).
LRFT_INLINE Pack minus_two_log(const Pack& x) {
  static constexpr double log_of[] = {-4.0,
                                      -1.3333333333317372,
                                      -0.8000000010489416,
                                      -0.5714283420404633,
                                      -0.44446747233777634,
                                      -0.36247163062157134,
                                      -0.3364107632800471};
  constexpr std::uint64_t one = 0x3ff0000000000000ull, root_half = 0x3fe6a09e667f3bcdull,
                          binades = 64ull << 52;
  const Bits shifted = as_bits(x) + broadcast_bits(one - root_half - binades);
  const Pack e = exponent(as_pack(shifted));
  const Pack m =
      as_pack((shifted & broadcast_bits(0x000fffffffffffffull)) + broadcast_bits(root_half));
  const Pack s = (m - 1.0) / (m + 1.0);
  return fma(e, broadcast(-2 * 0.693147180559945309417), s * polynomial(s * s, log_of));
}

LRFT_INLINE NormalPair normal_pair(const Output& bits) {
  const Pack radius = sqrt(minus_two_log(uniform_2_64(bits.a)));

  // t 2^63 for t in [-1, 1) eighths of a turn, exact near zero; minimax polynomials for
  // sin(pi t / 4) / t (3e-18) and cos(pi t / 4) (6e-17) in t^2, the powers of two in their
  // coefficients.
  static constexpr double sine_of[] = {
      0.7853981633974483 * 0x1p-63,     -0.08074551218828054 * 0x1p-189,
      0.0024903945701887364 * 0x1p-315, -3.657620415845724e-05 * 0x1p-441,
      3.133616216647311e-07 * 0x1p-567, -1.7571492951700464e-09 * 0x1p-693,
      6.877101122731772e-12 * 0x1p-819};
  static constexpr double cosine_of[] = {1.0,
                                         -0.30842513753403883 * 0x1p-126,
                                         0.01585434424374747 * 0x1p-252,
                                         -0.0003259918864979712 * 0x1p-378,
                                         3.590859195971511e-06 * 0x1p-504,
                                         -2.4609514776356747e-08 * 0x1p-630,
                                         1.136557167547165e-10 * 0x1p-756};
  const Pack t = signed_to_double(bits.b << 2);
  const Pack square = t * t;
  const Pack sine = t * polynomial(square, sine_of);
  const Pack cosine = polynomial(square, cosine_of);

  // The quarter: bit 62 swaps, bit 63 turns by a half.  t is symmetric about zero, so a
  // swap has the law of a quarter turn.
  const Pack r = as_pack(as_bits(radius) ^ (bits.b & broadcast_bits(0x8000000000000000ull)));
  const Mask swap = bit(bits.b, 62);
  return {r * select(swap, sine, cosine), r * select(swap, cosine, sine)};
}

}  // namespace lrft
