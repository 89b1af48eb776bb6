// Small tables, and packs, read by index: permutations of registers on AVX-512, loads elsewhere.
#pragma once

#include "simd/pack.hpp"

namespace lrft {

// Two tables of sixteen doubles: entry j of the first is at[0][j] and of the second at[1][j];
// elsewhere than on AVX-512 the two entries of an index are read together.
struct PairTable {
#if defined(__AVX512F__)
  alignas(64) double at[2][16];
  constexpr PairTable(const double (&first)[16], const double (&second)[16]) : at{} {
    for (int j = 0; j < 16; ++j) {
      at[0][j] = first[j];
      at[1][j] = second[j];
    }
  }
#else
  alignas(64) double at[16][2];
  constexpr PairTable(const double (&first)[16], const double (&second)[16]) : at{} {
    for (int j = 0; j < 16; ++j) {
      at[j][0] = first[j];
      at[j][1] = second[j];
    }
  }
#endif
};
// Both entries of the index in the low four bits.
LRFT_INLINE void look_up(const PairTable& table, const Bits& index, Pack& first, Pack& second) {
#if defined(__AVX512F__)
  const auto of = [&](const double* t, NativeBits j) {
    return (NativeDouble)_mm512_permutex2var_pd(_mm512_load_pd(t), (__m512i)j,
                                                _mm512_load_pd(t + 8));
  };
  LRFT_EACH first.v[i] = of(table.at[0], index.v[i]);
  LRFT_EACH second.v[i] = of(table.at[1], index.v[i]);
#else
  alignas(64) std::uint64_t j[lanes];
  const Bits low = index & broadcast_bits(15);
  LRFT_EACH reinterpret_cast<NativeBits*>(j)[i] = low.v[i];
#if defined(__AVX2__)
  LRFT_EACH {
    const std::uint64_t* q = j + 4 * i;
    const __m256d a = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_load_pd(table.at[q[0]])),
                                           _mm_load_pd(table.at[q[2]]), 1);
    const __m256d b = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_load_pd(table.at[q[1]])),
                                           _mm_load_pd(table.at[q[3]]), 1);
    first.v[i] = (NativeDouble)_mm256_unpacklo_pd(a, b);
    second.v[i] = (NativeDouble)_mm256_unpackhi_pd(a, b);
  }
#else
  LRFT_EACH {
    const double *a = table.at[j[2 * i]], *b = table.at[j[2 * i + 1]];
    first.v[i] = NativeDouble{a[0], b[0]};
    second.v[i] = NativeDouble{a[1], b[1]};
  }
#endif
#endif
}

// Entry l is entry at[l] of a.
LRFT_INLINE Pack permuted(const Pack& a, const Bits& at) {
  Pack r;
#if defined(__AVX512F__)
  LRFT_EACH r.v[i] = (NativeDouble)_mm512_permutexvar_pd((__m512i)at.v[i], (__m512d)a.v[i]);
#else
  alignas(64) double from[lanes], to[lanes];
  alignas(64) std::uint64_t j[lanes];
  store(from, a);
  store_bits(j, at);
  for (int l = 0; l < lanes; ++l) to[l] = from[j[l]];
  r = load(to);
#endif
  return r;
}

}  // namespace lrft
