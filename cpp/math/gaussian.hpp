// The standard normal distribution on packs: density and upper tail together.
//
// The tail Q(a) = 1 - Phi(a) is e^(-a^2/2) R(a), where R is Mills' ratio over
// sqrt(2 pi), a smooth function without zeros.  R is a rational minimax
// approximation of degrees 10 and 11 on [0, 40] (relative error 2.1e-18), all
// of whose coefficients are positive, so that rounding hardly grows in it.
#pragma once

#include "math/exp.hpp"

namespace lrft {

inline constexpr double inv_sqrt_2pi = 0.39894228040143267794;

// e^(-a^2/2) for 0 <= a <= 40 (from 38.6 on it is below all numbers).
LRFT_INLINE ExpPieces gaussian_exponential(const Pack& a) {
  // a^2 as an exact square of a's leading 26 bits and a small rest: at a = 38 one
  // rounding of a^2/2 would cost the result 500 ulp.
  const Pack head = as_pack(as_bits(a) & broadcast_bits(0xfffffffff8000000ull));
  return exp_pieces(head * head * -0.5, (a - head) * (a + head) * -0.5);
}

// R(a) for 0 <= a <= 40.
LRFT_INLINE Pack tail_ratio(const Pack& a) {
  static constexpr double top[] = {
      0.5, 0.8338198335780943, 0.6888988776579059, 0.3645768436147522,
      0.13562363132000668, 0.03689579398137919, 0.007425139435309144, 0.0010930943725375568,
      0.00011312240284557743, 7.487260089518862e-06, 2.43875021163854e-07};
  static constexpr double bottom[] = {
      1.0, 2.465524227959054, 2.8450014710897307, 2.032335842761748,
      1.0010504903240738, 0.35800908937621023, 0.0951864863269451, 0.018894397650714878,
      0.0027587490390201448, 0.0002841671174884004, 1.8767777839922764e-05, 6.113040235254734e-07};
  return polynomial(a, top) / polynomial(a, bottom);
}

}  // namespace lrft
