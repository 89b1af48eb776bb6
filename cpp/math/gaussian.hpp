// The standard normal distribution on packs: density and upper tail together.
//
// The tail Q(a) = 1 - Phi(a) is e^(-a^2/2) R(a), where R is Mills' ratio over
// sqrt(2 pi), a smooth function without zeros.  R is a rational minimax
// approximation of degrees 10 and 11 on [0, 40] (relative error 2.3e-18), all
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
  static constexpr double top[] = {0.5,
                                   0.8277314308971309,
                                   0.6792437513860353,
                                   0.35701747166960995,
                                   0.13186276132420294,
                                   0.0355970772172042,
                                   0.007103388297709567,
                                   0.0010358646527669638,
                                   0.0001060427687030071,
                                   6.929298662390588e-06,
                                   2.2212748582536664e-07};
  static constexpr double bottom[] = {1.0,
                                      2.453347422597127,
                                      2.8159755335478183,
                                      2.0001461541247454,
                                      0.9791195018579931,
                                      0.34781042125555595,
                                      0.09179042979779624,
                                      0.01807025016462537,
                                      0.002613896803452934,
                                      0.00026636659338483257,
                                      1.7369175950537058e-05,
                                      5.567910365424513e-07};
  return polynomial(a, top) / polynomial(a, bottom);
}

}  // namespace lrft
