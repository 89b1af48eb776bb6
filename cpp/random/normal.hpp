// Two standard normals from one Philox counter, by Box and Muller.
//
// The radius uses 62 bits, u = an odd multiple of 2^-63, so |z| reaches
// sqrt(126 log 2) = 9.35; P(|z| > 9.35) is 9e-21.  The angle uses 64 bits inside a
// quarter turn about zero and two bits to choose the quarter.  Each is rounded to
// double once (u then taken an ulp lower, so that it is never 1), and what follows is
// accurate to 4 ulp, so the law is the normal one to double precision, tail included.
//
// Cost: about 40 vector operations and a square root for 16 normals.
#pragma once

#include "random/philox.hpp"
#include "simd/table.hpp"

namespace lrft {

struct NormalPair {
  Pack first, second;
};

// -2 log |x 2^-63| = -2 log(2^e m), 1 <= m < 2, is the sum of a multiple of e, a constant of the
// sixteenth j of [1, 2) that m is in, and -2 log(1 + r), r = c_j m - 1, |r| <= 1/32.  Near
// |x| = 2^63, where the log vanishes, c = 1/2 exactly and the first two cancel.  The other c_j
// are near the sixteenth's reciprocal middle, and such that the constant is a double to 1e-18.
struct LogTable {
  static constexpr double per_binade = -2 * 0.693147180559945309417;
  static constexpr double c[] = {0x1.f0806p-1, 0x1.d430cp-1, 0x1.bae1p-1,  0x1.a402ep-1,
                                 0x1.8f91ep-1, 0x1.7d0dcp-1, 0x1.6c174p-1, 0x1.5c832p-1,
                                 0x1.4e54p-1,  0x1.413ecp-1, 0x1.3539ap-1, 0x1.29d4ap-1,
                                 0x1.1f65ep-1, 0x1.15be8p-1, 0x1.0c9eep-1, 0x1p-1};
  static constexpr double constant[] = {
      -0.06147638243750714, -0.1788990216839468, -0.2900564833678139, -0.39608634981654117,
      -0.4958721921692023,  -0.5907685725188212, -0.6818425643425573, -0.7693027362060362,
      -0.8524034082644575,  -0.9322403767238658, -1.0085102839375975, -1.0835997386747096,
      -1.1549135741083512,  -1.2232485852037502, -1.2900492591276729, per_binade};
  static constexpr PairTable pairs{c, constant};
  // -2 log(1 + r) / r: minimax, relative to the whole logarithm (2.8e-16).
  static constexpr double rest[] = {-2.0,
                                    0.9999999999997945,
                                    -0.6666666666754396,
                                    0.500000002728161,
                                    -0.3999998999482665,
                                    0.33332489650869124,
                                    -0.28601011261472037,
                                    0.256643160382092};
};

// m c - 1, rounded once whatever the hardware, for 1 <= m < 2 and c of at most 21 bits.
LRFT_INLINE Pack product_less_one(const Pack& m, const Pack& c) {
  if constexpr (fma_rounds_once) return fma(m, c, -1.0);
  // 32 bits times 21 are exact, so is subtracting 1, and the rest times c.
  const Pack head = as_pack(as_bits(m) & broadcast_bits(0xffffffffffe00000ull));
  return (head * c - 1.0) + (m - head) * c;
}

// Both normals of each of M packs of bits, in step.  meanwhile(i), i = 0, 1, ..., 5, is called
// on the way: the processor has room for half as much again.
template <int M, class F>
LRFT_INLINE void normal_pairs(const Output* bits, NormalPair* out, const F& meanwhile) {
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
  Pack r[M], rest[M], log[M], t[M], square[M], sine[M], cosine[M];
#define LRFT_PAIRS _Pragma("GCC unroll 2") for (int i = 0; i < M; ++i)
  LRFT_PAIRS {
    t[i] = signed_to_double(bits[i].b);
    square[i] = t[i] * t[i];
    const Bits x = as_bits(signed_to_double(bits[i].a | broadcast_bits(1)));
    // One ulp down: x may have been rounded to 2^63, and u = 1 has no logarithm to speak of.
    const Bits below = x - broadcast_bits((63ull << 52) + 1);
    const Pack u = as_pack(below);
    Pack c, constant;
    look_up(LogTable::pairs, below >> 48, c, constant);
    r[i] = product_less_one(mantissa(u), c);
    log[i] = fma(exponent(u), LogTable::per_binade, constant);
  }
  meanwhile(0);
  LRFT_PAIRS {
    sine[i] = broadcast(sine_of[6]);
    cosine[i] = broadcast(cosine_of[6]);
    rest[i] = fma(r[i], LogTable::rest[7], LogTable::rest[6]);
  }
#pragma GCC unroll 6
  for (int j = 5; j >= 0; --j) {
    LRFT_PAIRS rest[i] = fma(r[i], rest[i], LogTable::rest[j]);
    LRFT_PAIRS sine[i] = fma(square[i], sine[i], sine_of[j]);
    LRFT_PAIRS cosine[i] = fma(square[i], cosine[i], cosine_of[j]);
    if (j < 5) meanwhile(5 - j);
  }
  LRFT_PAIRS {
    // The sign bit turns by a half; bit 0, which u does not use, swaps.  t is symmetric about
    // zero, so a swap has the law of a quarter turn.
    const Pack radius = sqrt(fma(r[i], rest[i], log[i]));
    const Bits sign = bits[i].a & broadcast_bits(0x8000000000000000ull);
    const Pack z = as_pack(as_bits(radius) ^ sign);
    out[i].first = z * cosine[i];
    out[i].second = z * (t[i] * sine[i]);
    exchange(bits[i].a, 0, out[i].first, out[i].second);
  }
#undef LRFT_PAIRS
}

LRFT_INLINE NormalPair normal_pair(const Output& bits) {
  NormalPair out[1];
  normal_pairs<1>(&bits, out, [](int) {});
  return out[0];
}

}  // namespace lrft
