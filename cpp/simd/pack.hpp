// Pack: eight doubles that move together, whatever the instruction set.
//
// One `Pack` is one AVX-512 register, two AVX2 registers or four SSE2/NEON
// registers; `Bits` is the same for 64-bit integers.  Code written on packs is
// the same source everywhere, and an operation on one of the eight entries
// never depends on the other seven, but for `sum` and what is moved between
// lanes (`permuted` in simd/table.hpp), which comes back to its replica.  That
// is what makes a replica's bits independent of its neighbours.
//
// The compiler is told not to contract a*b+c (-ffp-contract=off); `fma` below
// says where a fused operation is meant.  Without hardware FMA it is a*b+c.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LRFT_INLINE inline  // a sanitizer takes minutes over a function with everything inlined
#else
#define LRFT_INLINE inline __attribute__((always_inline))
#endif

namespace lrft {

// The widest native vector, in doubles.
#if defined(__AVX512F__)
inline constexpr int native_width = 8;
#elif defined(__AVX2__)
inline constexpr int native_width = 4;
#else
inline constexpr int native_width = 2;
#endif

using NativeDouble = double __attribute__((vector_size(8 * native_width)));
using NativeBits = std::uint64_t __attribute__((vector_size(8 * native_width)));
using NativeMask = std::int64_t __attribute__((vector_size(8 * native_width)));

inline constexpr int lanes = 8;                     // entries of a pack
inline constexpr int parts = lanes / native_width;  // native vectors of a pack

#define LRFT_EACH _Pragma("GCC unroll 4") for (int i = 0; i < parts; ++i)

// Copies go one native vector at a time.  GCC would split a 64-byte copy into
// 16-byte moves, which on AVX2 take a detour through the stack that costs more
// than the arithmetic.
#define LRFT_WIDE(T, Native)                               \
  struct T {                                               \
    Native v[parts];                                       \
    T() = default;                                         \
    LRFT_INLINE T(const T& a) { LRFT_EACH v[i] = a.v[i]; } \
    LRFT_INLINE T& operator=(const T& a) {                 \
      LRFT_EACH v[i] = a.v[i];                             \
      return *this;                                        \
    }                                                      \
  };
LRFT_WIDE(Pack, NativeDouble)
LRFT_WIDE(Bits, NativeBits)
LRFT_WIDE(Mask, NativeMask)  // an entry is all ones or all zeros
#undef LRFT_WIDE

// ---- making packs ----------------------------------------------------------
LRFT_INLINE Pack broadcast(double x) {
  Pack r;
  LRFT_EACH r.v[i] = x - NativeDouble{};
  return r;
}
LRFT_INLINE Bits broadcast_bits(std::uint64_t x) {
  Bits r;
  LRFT_EACH r.v[i] = x - NativeBits{};
  return r;
}
// Eight consecutive doubles at any address.
using UnalignedDouble __attribute__((aligned(8), may_alias)) = NativeDouble;
using UnalignedBits __attribute__((aligned(8), may_alias)) = NativeBits;
LRFT_INLINE Pack load(const double* p) {
  Pack r;
  LRFT_EACH r.v[i] = reinterpret_cast<const UnalignedDouble*>(p)[i];
  return r;
}
LRFT_INLINE void store(double* p, const Pack& a) {
  LRFT_EACH reinterpret_cast<UnalignedDouble*>(p)[i] = a.v[i];
}
LRFT_INLINE Bits load_bits(const std::uint64_t* p) {
  Bits r;
  LRFT_EACH r.v[i] = reinterpret_cast<const UnalignedBits*>(p)[i];
  return r;
}
LRFT_INLINE void store_bits(std::uint64_t* p, const Bits& a) {
  LRFT_EACH reinterpret_cast<UnalignedBits*>(p)[i] = a.v[i];
}

// ---- arithmetic -------------------------------------------------------------
#define LRFT_BINARY(T, op)                            \
  LRFT_INLINE T operator op(const T& a, const T& b) { \
    T r;                                              \
    LRFT_EACH r.v[i] = a.v[i] op b.v[i];              \
    return r;                                         \
  }
LRFT_BINARY(Pack, +)
LRFT_BINARY(Pack, -)
LRFT_BINARY(Pack, *)
LRFT_BINARY(Pack, /)
LRFT_BINARY(Bits, +)
LRFT_BINARY(Bits, -)
LRFT_BINARY(Bits, &)
LRFT_BINARY(Bits, |)
LRFT_BINARY(Bits, ^)
LRFT_BINARY(Mask, &)
LRFT_BINARY(Mask, |)
#undef LRFT_BINARY

#define LRFT_SCALAR(op)                                                               \
  LRFT_INLINE Pack operator op(const Pack& a, double b) { return a op broadcast(b); } \
  LRFT_INLINE Pack operator op(double a, const Pack& b) { return broadcast(a) op b; }
LRFT_SCALAR(+)
LRFT_SCALAR(-)
LRFT_SCALAR(*)
LRFT_SCALAR(/)
#undef LRFT_SCALAR

LRFT_INLINE Pack operator-(const Pack& a) {
  Pack r;
  LRFT_EACH r.v[i] = -a.v[i];
  return r;
}
LRFT_INLINE Pack& operator+=(Pack& a, const Pack& b) { return a = a + b; }
LRFT_INLINE Pack& operator-=(Pack& a, const Pack& b) { return a = a - b; }
LRFT_INLINE Pack& operator*=(Pack& a, const Pack& b) { return a = a * b; }

LRFT_INLINE Bits operator<<(const Bits& a, int n) {
  Bits r;
  LRFT_EACH r.v[i] = a.v[i] << n;
  return r;
}
LRFT_INLINE Bits operator>>(const Bits& a, int n) {
  Bits r;
  LRFT_EACH r.v[i] = a.v[i] >> n;
  return r;
}

// Whether `fma` below is one operation.
#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
inline constexpr bool fma_rounds_once = true;
#else
inline constexpr bool fma_rounds_once = false;
#endif
LRFT_INLINE NativeDouble native_fma(NativeDouble a, NativeDouble b, NativeDouble c) {
#if defined(__AVX512F__)
  return (NativeDouble)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__AVX2__) && defined(__FMA__)
  return (NativeDouble)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#else
  return a * b + c;
#endif
}
// a*b + c, rounded once where the hardware can.
LRFT_INLINE Pack fma(const Pack& a, const Pack& b, const Pack& c) {
  Pack r;
  LRFT_EACH r.v[i] = native_fma(a.v[i], b.v[i], c.v[i]);
  return r;
}
LRFT_INLINE Pack fma(const Pack& a, double b, const Pack& c) { return fma(a, broadcast(b), c); }
LRFT_INLINE Pack fma(const Pack& a, const Pack& b, double c) { return fma(a, b, broadcast(c)); }
LRFT_INLINE Pack fma(const Pack& a, double b, double c) {
  return fma(a, broadcast(b), broadcast(c));
}

LRFT_INLINE Pack sqrt(const Pack& a) {
  Pack r;
#if defined(__AVX512F__)
  LRFT_EACH r.v[i] = (NativeDouble)_mm512_sqrt_pd((__m512d)a.v[i]);
#elif defined(__AVX2__)
  LRFT_EACH r.v[i] = (NativeDouble)_mm256_sqrt_pd((__m256d)a.v[i]);
#else
  LRFT_EACH for (int j = 0; j < native_width; ++j) r.v[i][j] = std::sqrt(a.v[i][j]);
#endif
  return r;
}

// ---- comparing and choosing ---------------------------------------------------
#define LRFT_COMPARE(op)                                       \
  LRFT_INLINE Mask operator op(const Pack& a, const Pack& b) { \
    Mask r;                                                    \
    LRFT_EACH r.v[i] = a.v[i] op b.v[i];                       \
    return r;                                                  \
  }                                                            \
  LRFT_INLINE Mask operator op(const Pack& a, double b) { return a op broadcast(b); }
LRFT_COMPARE(<)
LRFT_COMPARE(<=)
LRFT_COMPARE(>)
LRFT_COMPARE(>=)
LRFT_COMPARE(==)
#undef LRFT_COMPARE
LRFT_INLINE Mask operator~(const Mask& a) {
  Mask r;
  LRFT_EACH r.v[i] = ~a.v[i];
  return r;
}
LRFT_INLINE Pack select(const Mask& m, const Pack& a, const Pack& b) {
  Pack r;
  LRFT_EACH r.v[i] = m.v[i] ? a.v[i] : b.v[i];
  return r;
}
// a > b ? a : b, so that b is what comes of a NaN; and the same with a < b.
LRFT_INLINE Pack max(const Pack& a, const Pack& b) {
  Pack r;
#if defined(__AVX512F__)
  LRFT_EACH r.v[i] = (NativeDouble)_mm512_max_pd((__m512d)a.v[i], (__m512d)b.v[i]);
#elif defined(__AVX2__)
  LRFT_EACH r.v[i] = (NativeDouble)_mm256_max_pd((__m256d)a.v[i], (__m256d)b.v[i]);
#elif defined(__SSE2__)
  LRFT_EACH r.v[i] = (NativeDouble)_mm_max_pd((__m128d)a.v[i], (__m128d)b.v[i]);
#else
  r = select(a > b, a, b);
#endif
  return r;
}
LRFT_INLINE Pack min(const Pack& a, const Pack& b) { return -max(-a, -b); }
LRFT_INLINE bool any(const Mask& m) {
  NativeMask t = m.v[0];
#pragma GCC unroll 4
  for (int i = 1; i < parts; ++i) t |= m.v[i];
#if defined(__AVX512DQ__)
  return _mm512_movepi64_mask((__m512i)t) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_pd((__m256d)t) != 0;
#else
  return (t[0] | t[1]) != 0;
#endif
}

// ---- bits -----------------------------------------------------------------------
LRFT_INLINE Bits as_bits(const Pack& a) {
  Bits r;
  LRFT_EACH r.v[i] = (NativeBits)a.v[i];
  return r;
}
LRFT_INLINE Pack as_pack(const Bits& a) {
  Pack r;
  LRFT_EACH r.v[i] = (NativeDouble)a.v[i];
  return r;
}
LRFT_INLINE Pack abs(const Pack& a) {
  return as_pack(as_bits(a) & broadcast_bits(0x7fffffffffffffffull));
}
// |a| with the sign of b.
LRFT_INLINE Pack copysign(const Pack& a, const Pack& b) {
  const Bits sign = broadcast_bits(0x8000000000000000ull);
  return as_pack((as_bits(a) & broadcast_bits(0x7fffffffffffffffull)) | (as_bits(b) & sign));
}
// The full 64-bit products of the low 32 bits of each entry.
LRFT_INLINE Bits multiply_low32(const Bits& a, const Bits& b) {
  Bits r;
#if defined(__AVX512F__)
  LRFT_EACH r.v[i] = (NativeBits)_mm512_mul_epu32((__m512i)a.v[i], (__m512i)b.v[i]);
#elif defined(__AVX2__)
  LRFT_EACH r.v[i] = (NativeBits)_mm256_mul_epu32((__m256i)a.v[i], (__m256i)b.v[i]);
#elif defined(__SSE2__)
  LRFT_EACH r.v[i] = (NativeBits)_mm_mul_epu32((__m128i)a.v[i], (__m128i)b.v[i]);
#else
  LRFT_EACH r.v[i] = (a.v[i] & 0xffffffffu) * (b.v[i] & 0xffffffffu);
#endif
  return r;
}
// Entries whose low 32 bits are the high 32 of a's; their high halves are anything.
LRFT_INLINE Bits high32(const Bits& a) {
  Bits r;
#if defined(__AVX512F__)
  LRFT_EACH r.v[i] = (NativeBits)_mm512_shuffle_epi32((__m512i)a.v[i], _MM_PERM_CDAB);
#elif defined(__AVX2__)
  LRFT_EACH r.v[i] = (NativeBits)_mm256_shuffle_epi32((__m256i)a.v[i], 0xb1);
#elif defined(__SSE2__)
  LRFT_EACH r.v[i] = (NativeBits)_mm_shuffle_epi32((__m128i)a.v[i], 0xb1);
#else
  LRFT_EACH r.v[i] = a.v[i] >> 32;
#endif
  return r;
}
// Where the sign bit of each entry is set.
LRFT_INLINE Mask negative(const Bits& a) {
  Mask r;
  LRFT_EACH r.v[i] = (NativeMask)a.v[i] < 0;
  return r;
}
// The low 32 bits of each entry as a double, exactly.
LRFT_INLINE Pack low32_to_double(const Bits& a) {
  const Bits magic = broadcast_bits(0x4330000000000000ull);  // 2^52
  return as_pack((a & broadcast_bits(0xffffffffull)) | magic) - 0x1p52;
}
LRFT_INLINE Pack signed_to_double(const Bits& a) {
#if defined(__AVX512DQ__)
  Pack r;
  LRFT_EACH r.v[i] = (NativeDouble)_mm512_cvtepi64_pd((__m512i)a.v[i]);
  return r;
#else
  const Pack high = as_pack((a >> 32) ^ broadcast_bits(0x4530000080000000ull));
  const Pack low =
      as_pack((a & broadcast_bits(0xffffffffull)) | broadcast_bits(0x4330000000000000ull));
  return (high - (0x1p84 + 0x1p63 + 0x1p52)) + low;
#endif
}
// e of |a| = 2^e m, 1 <= m < 2, for normal a.
LRFT_INLINE Pack exponent(const Pack& a) {
#if defined(__AVX512F__)
  Pack r;
  LRFT_EACH r.v[i] = (NativeDouble)_mm512_getexp_pd((__m512d)a.v[i]);
  return r;
#else
  return as_pack(((as_bits(a) << 1) >> 53) | broadcast_bits(0x4330000000000000ull)) -
         (0x1p52 + 1023.0);
#endif
}
// m of |a| = 2^e m, 1 <= m < 2, for normal a.
LRFT_INLINE Pack mantissa(const Pack& a) {
#if defined(__AVX512F__)
  Pack r;
  LRFT_EACH r.v[i] =
      (NativeDouble)_mm512_getmant_pd((__m512d)a.v[i], _MM_MANT_NORM_1_2, _MM_MANT_SIGN_zero);
  return r;
#else
  return as_pack((as_bits(a) & broadcast_bits(0x000fffffffffffffull)) |
                 broadcast_bits(0x3ff0000000000000ull));
#endif
}
// Where bit n is set.
LRFT_INLINE Mask bit(const Bits& a, int n) {
#if defined(__AVX512F__)
  Mask r;
  const Bits b = a & broadcast_bits(std::uint64_t{1} << n);
  LRFT_EACH r.v[i] = (NativeMask)b.v[i] != 0;
  return r;
#else
  return negative(a << (63 - n));
#endif
}

// a and b change places where bit n of `where` is set.
LRFT_INLINE void exchange(const Bits& where, int n, Pack& a, Pack& b) {
#if defined(__AVX512F__)
  LRFT_EACH {
    const __mmask8 m = _mm512_test_epi64_mask(
        (__m512i)where.v[i], _mm512_set1_epi64(static_cast<long long>(std::uint64_t{1} << n)));
    const __m512d x = (__m512d)a.v[i], y = (__m512d)b.v[i];
    a.v[i] = (NativeDouble)_mm512_mask_blend_pd(m, x, y);
    b.v[i] = (NativeDouble)_mm512_mask_blend_pd(m, y, x);
  }
#else
  const Mask m = bit(where, n);
  const Pack x = a;
  a = select(m, b, a);
  b = select(m, x, b);
#endif
}

// The nearest integer, ties to even, for |a| < 2^51.
LRFT_INLINE Pack round_even(const Pack& a) { return (a + 0x1.8p52) - 0x1.8p52; }
// 2^n for integers -1023 < n < 1024.
LRFT_INLINE Pack power_of_two(const Pack& n) {
  return as_pack((as_bits(n + 0x1.8p52) << 52) + broadcast_bits(0x3ff0000000000000ull));
}
// a 2^n, rounded once, for integers |n| < 2000: overflow and subnormal results included.
LRFT_INLINE Pack scale(const Pack& a, const Pack& n) {
#if defined(__AVX512F__)
  Pack r;
  LRFT_EACH r.v[i] = (NativeDouble)_mm512_maskz_scalef_pd(255, (__m512d)a.v[i], (__m512d)n.v[i]);
  return r;
#else
  const Pack half = round_even(n * 0.5);
  return a * power_of_two(half) * power_of_two(n - half);
#endif
}

// The power of two at or below |a|, kept within [2^-1000, 2^1000] so that both it and its inverse
// are normal numbers: dividing by it is exact.
LRFT_INLINE Pack size_of(const Pack& a) {
  const Pack bounded = min(max(abs(a), broadcast(0x1p-1000)), broadcast(0x1p1000));
  return as_pack(as_bits(bounded) & broadcast_bits(0x7ff0000000000000ull));
}

// ---- sums -------------------------------------------------------------------------
// The sum of the eight entries, always in the order ((0+4)+(2+6)) + ((1+5)+(3+7)).
LRFT_INLINE double sum(const Pack& a) {
  double x[lanes];
  store(x, a);
  return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

}  // namespace lrft
