// Inner products of rows of the reduced space with one vector, and sums of squares.
#pragma once

#include "simd/pack.hpp"

namespace lrft {

// Rows a, a + stride, ... and a vector x, `count` entries of each.
struct Stretch {
  const Pack* a;
  int stride;
  const Pack* x;
  int count;
};

namespace detail {
template <int Rows, int Chains>
LRFT_INLINE void add_dots(const Stretch& of, int part, NativeDouble (&sum)[Rows][Chains]) {
  // Called, it would be a jump a term, with the sums in memory.
  const auto add = [&](int q, int c) __attribute__((always_inline)) {
    const NativeDouble x = of.x[q].v[part];
#pragma GCC unroll 4
    for (int l = 0; l < Rows; ++l)
      sum[l][c] = native_fma(of.a[l * of.stride + q].v[part], x, sum[l][c]);
  };
  int q = 0;
  for (; q + Chains <= of.count; q += Chains)
#pragma GCC unroll 4
    for (int c = 0; c < Chains; ++c) add(q + c, c);
#pragma GCC unroll 4
  for (int c = 0; c + 1 < Chains; ++c)
    if (q + c < of.count) add(q + c, c);
}
template <int Rows, int Chains>
LRFT_INLINE void dots_in(const Stretch& one, const Stretch& two, Pack* to) {
  for (int part = 0; part < parts; ++part) {
    NativeDouble sum[Rows][Chains] = {};
    add_dots(one, part, sum);
    add_dots(two, part, sum);
#pragma GCC unroll 4
    for (int l = 0; l < Rows; ++l)
      if constexpr (Chains == 4)
        to[l].v[part] = (sum[l][0] + sum[l][1]) + (sum[l][2] + sum[l][3]);
      else
        to[l].v[part] = sum[l][0];
  }
}
// Out of line: the short step beside it must stay in the first cache.
template <int Rows>
__attribute__((noinline)) void long_dots(const Stretch& one, const Stretch& two, Pack* to) {
  dots_in<Rows, 4>(one, two, to);
}
}  // namespace detail

// to[l], l < Rows: of both stretches together.  In four chains where they are long, since one
// waits for its own sums; which it is depends on `chains` only, never on the company.
template <int Rows>
LRFT_INLINE void dots(const Stretch& one, const Stretch& two, bool chains, Pack* to) {
  if (chains)
    detail::long_dots<Rows>(one, two, to);
  else
    detail::dots_in<Rows, 1>(one, two, to);
}

// start + a sum over i < count, where term(i, sum) adds one of its terms to a sum.
template <class Term>
LRFT_INLINE Pack in_chains(const Pack& start, int count, const Term& term) {
  Pack sum = start;
  int i = 0;
  if (count >= 8) {
    Pack more[4] = {sum, broadcast(0.0), broadcast(0.0), broadcast(0.0)};
    for (; i + 4 <= count; i += 4)
#pragma GCC unroll 4
      for (int c = 0; c < 4; ++c) more[c] = term(i + c, more[c]);
    sum = (more[0] + more[1]) + (more[2] + more[3]);
  }
  for (; i < count; ++i) sum = term(i, sum);
  return sum;
}
LRFT_INLINE Pack squares(const Pack* x, int count, const Pack& start) {
  return in_chains(start, count, [x](int i, const Pack& sum) { return fma(x[i], x[i], sum); });
}

}  // namespace lrft
