// e^x of packs, in pieces: e^x = (1 + p) 2^n.
//
// n is the integer nearest to x / log 2, r = x - n log 2 is in [-0.347, 0.347],
// p = e^r - 1 = r + r^2 q(r), and q is the minimax polynomial of degree 9
// (error of p: 1.8e-17 |p|).  For n = 0 no rounding precedes p, so it is
// expm1(x) to full relative accuracy.  The pieces let a caller multiply by
// something large before a tiny power of two is applied.
//
// Callers keep |x| <= 800: beyond it e^x has long become 0 or infinite.
// NaN gives NaN.
#pragma once

#include "math/polynomial.hpp"
#include "simd/pack.hpp"

namespace lrft {

struct ExpPieces {
  Pack p;  // e^r - 1
  Pack n;  // an integer
};

// e^(x + low), |low| < 2^-10: `low` is what x lost when it was rounded.
LRFT_INLINE ExpPieces exp_pieces(const Pack& x, const Pack& low) {
  static constexpr double q[] = {
      0.5000000000000006,     0.16666666666666685,    0.04166666666657411,   0.008333333333314874,
      0.0013888888932252468,  0.00019841269902440905, 2.480150457413639e-05, 2.755722847783703e-06,
      2.7626281956138487e-07, 2.5114306424061818e-08};
  const Pack n = round_even(x * 1.44269504088896340736);
  // The first part of log 2 has 32 bits, so that its product with n is exact.
  const Pack head = fma(n, -6.93147180369123816490e-01, x);
  const Pack r = fma(n, -1.90821492927058770002e-10, head + low);
  return {fma(r * r, polynomial(r, q), r), n};
}
LRFT_INLINE ExpPieces exp_pieces(const Pack& x) { return exp_pieces(x, broadcast(0.0)); }

// e^x for |x| <= 800; error below 1 ulp, also where the result is subnormal.
LRFT_INLINE Pack exp_bounded(const Pack& x) {
  const ExpPieces e = exp_pieces(x);
  return scale(e.p + 1.0, e.n);
}

// min(|z|, limit) that keeps NaN.
LRFT_INLINE Pack bounded_abs(const Pack& z, double limit) {
  const Pack a = abs(z);
  return select(a > limit, broadcast(limit), a);
}

}  // namespace lrft
