// What a gradient adds to one row in the reduced space.
#pragma once

#include <cstdint>
#include <type_traits>

#include "lrft/poll.hpp"
#include "simd/pack.hpp"
#include "space/triangular.hpp"

namespace lrft {

// Polls only where a step is slow: short ones would lose speed to it.
template <bool Polls>
LRFT_INLINE void spend_in(std::int64_t units) {
  if constexpr (Polls) Poll::spend(units);
}

// One number or row an input, `stride` packs apart.
struct OfInputs {
  const Pack* data;
  int stride;
};

// row <- scale row - sum_b G[b] x[b], `count` entries of it, four at a time.
template <bool Polls>
LRFT_INLINE void move_along(OfInputs x, OfInputs G, int inputs, const Pack scale, int count,
                            Pack* row) {
  const auto some = [&]<int Count>(std::integral_constant<int, Count>, int q) {
    spend_in<Polls>(std::int64_t{Count} * inputs);
    Pack p[Count];
#pragma GCC unroll 4
    for (int i = 0; i < Count; ++i) p[i] = G.data[0] * x.data[q + i];
    for (int b = 1; b < inputs; ++b) {
      const Pack g = G.data[b * G.stride];
#pragma GCC unroll 4
      for (int i = 0; i < Count; ++i) p[i] = fma(g, x.data[x.stride * b + q + i], p[i]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < Count; ++i) row[q + i] = fma(scale, row[q + i], -p[i]);
  };
  int q = 0;
  for (; q + 4 <= count; q += 4) some(std::integral_constant<int, 4>{}, q);
  for (; q < count; ++q) some(std::integral_constant<int, 1>{}, q);
}

// What the row moves along the b coordinates of T (b, b), lower triangular.
template <bool Polls>
void move_rest(OfInputs G, const Pack* T, int b, Pack* to) {
  spend_in<Polls>(std::int64_t{b} * b / 2);
  for (int i = 0; i < b; ++i) {
    Pack g = broadcast(0.0);
    for (int l = i; l < b; ++l) g = fma(G.data[l * G.stride], T[l * b + i], g);
    to[i] = g;
  }
}

// What the n = G.stride rows of G^T X are along what is left, m numbers each, `stride` apart: with
// more inputs than rows by way of a factor of G^T G, for which `work` (n, n) is.
template <bool Polls>
LRFT_INLINE void rest_of(OfInputs G, int inputs, const Pack* T, int m, Pack* work, Pack* to,
                         int stride) {
  const int n = G.stride;
  if (inputs <= n) {
    for (int j = 0; j < n; ++j) move_rest<Polls>({G.data + j, n}, T, m, to + j * stride);
    return;
  }
  factor_of_gram(G.data, inputs, n, work, [](std::int64_t units) { spend_in<Polls>(units); });
  for (int j = 0; j < n; ++j)
    for (int i = 0; i < n; ++i) {
      Pack g = broadcast(0.0);
      for (int l = i; l <= j; ++l) g = fma(work[j * n + l], T[l * m + i], g);
      to[j * stride + i] = g;
    }
}

}  // namespace lrft
