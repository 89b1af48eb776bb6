// log(1 + w) of packs.
#pragma once

#include "math/log.hpp"
#include "math/polynomial.hpp"

namespace lrft {

// log(1 + f) for sqrt(1/2) <= 1 + f <= sqrt 2, to full relative accuracy at f -> 0:
// with s = f/(2 + f) it is f - f^2/2 + s (f^2/2 + s^2 R(s^2)), the identity behind
// log.hpp, here with a minimax R of degree 7 (relative error 3.1e-18).
LRFT_INLINE Pack log1p_reduced(const Pack& f) {
  static constexpr double r[] = {0.6666666666666666,  0.40000000000000885, 0.28571428570798096,
                                 0.22222222392925547, 0.18181795514064444, 0.1538624640519706,
                                 0.13268597163761378, 0.13088434765698265};
  const Pack s = f / (f + 2.0);
  const Pack z = s * s;
  const Pack half_square = f * f * 0.5;
  return f - (half_square - s * fma(z, polynomial(z, r), half_square));
}

// log(1 + w) for finite w > -1; relative error 1.2 x 2^-52.
LRFT_INLINE Pack log1p(const Pack& w) {
  const Pack u = w + 1.0;
  // What rounding 1 + w lost, exactly, whichever of the two is larger.
  const Pack lost = select(abs(w) < 1.0, w - (u - 1.0), 1.0 - (u - w));
  return log_positive(u) + lost / u;
}

// log(1 + w) - w + w^2/2 - w^3/3 for finite w > -1: -w^4/4 + w^5/5 - ...
// Below |w| = 1/4 a minimax polynomial of degree 16 over w^4 (relative error
// 2.2e-16, of the result 7e-16); beyond, the difference itself (4e-14, at the border).
LRFT_INLINE Pack log1p_minus_cubic(const Pack& w) {
  static constexpr double c[] = {-0.25,
                                 0.1999999999999963,
                                 -0.16666666666665866,
                                 0.14285714285998552,
                                 -0.12500000000422395,
                                 0.11111111047693323,
                                 -0.09999999920090302,
                                 0.09090915430893888,
                                 -0.0833334060476649,
                                 0.07691972543144994,
                                 -0.07142495510973354,
                                 0.06676668184820321,
                                 -0.0626033833786063,
                                 0.057139905536915836,
                                 -0.05387010010146638,
                                 0.0673130315595681,
                                 -0.06433095421081293};
  const Pack square = w * w;
  const Pack near = square * square * polynomial(w, c);
  if (!any(~(abs(w) < 0.25))) return near;
  const Pack far = log1p(w) - w * fma(w, fma(w, 0x1.5555555555555p-2, -0.5), 1.0);
  return select(abs(w) < 0.25, near, far);
}

}  // namespace lrft
