// Polynomials on packs.  coefficients.py says where the coefficients come from.
#pragma once

#include "simd/pack.hpp"

namespace lrft {

// c[0] + c[1] x + ... + c[N-1] x^(N-1), by Horner's rule.
template <int N>
LRFT_INLINE Pack polynomial(const Pack& x, const double (&c)[N]) {
  Pack r = broadcast(c[N - 1]);
#pragma GCC unroll 32
  for (int j = N - 2; j >= 0; --j) r = fma(x, r, c[j]);
  return r;
}

}  // namespace lrft
