// Rows back to lower-triangular form, whatever the size of their entries.
#pragma once

#include <cstdint>
#include <vector>

#include "simd/pack.hpp"

namespace lrft {

inline Pack tail_square(const Pack* row, int i, int wide) {
  Pack tail = broadcast(0.0);
  for (int j = i + 1; j < wide; ++j) tail = fma(row[j], row[j], tail);
  return tail;
}
// A row's reflection v = (v0, the row's tail), of tail square `tail`, onto a head of `length`.
struct Reflection {
  Pack tail, length, v0;
};
// The same reflection where a lane is not safe, from numbers near 1: the length in units of the
// largest entry, v in units of its own.  Units are powers of two, 1 in lanes that are safe, whose
// bits are those they had.  Leaves v's tail in the row.
// By value, and never inlined: what has an address is read again after every store of the caller.
__attribute__((noinline, cold)) inline Reflection rescale(Pack* row, int i, int wide,
                                                          const Mask& safe) {
  const Pack one = broadcast(1.0), head = row[i];
  Pack largest = broadcast(0.0);
  for (int j = i + 1; j < wide; ++j) largest = max(abs(row[j]), largest);
  const Pack whole = select(safe, one, size_of(max(abs(head), largest)));
  Pack square = broadcast(0.0);
  for (int j = i + 1; j < wide; ++j) {
    const Pack x = row[j] / whole;
    square = fma(x, x, square);
  }
  const Pack first = head / whole, scaled = sqrt(fma(first, first, square));
  const Pack length = scaled * whole;
  const Pack unit = select(safe | ~(head > 0.0), whole, size_of(largest));
  for (int j = i + 1; j < wide; ++j) row[j] = row[j] / unit;
  const Pack tail = tail_square(row, i, wide);
  return {tail, length, select(head > 0.0, -tail * unit / (head + length), first - scaled)};
}

// M (n x wide) to lower-triangular form with a nonnegative diagonal by
// Householder reflections from the right.
// spend(units) is told of the work before it is done, and may throw.
template <class Spend>
void triangular(Pack* M, int n, int wide, const Spend& spend) {
  for (int i = 0; i < n; ++i) {
    Pack* row = M + i * wide;
    const Pack head = row[i];
    Pack tail = tail_square(row, i, wide);
    Pack length = sqrt(fma(head, head, tail));
    // v = (head - length, tail entries), without cancellation where head > 0.
    Pack v0 = select(head > 0.0, -tail / (head + length), head - length);
    // Squares that leave the range of doubles would make a reflection of nothing, or of noise.
    // A tail of zero, that of a neuron which did not fire, is harmless beside a head of any size.
    const Mask nothing = (tail == 0.0) & (abs(head) >= 0x1p-250);
    const Mask safe = ((tail >= 0x1p-500) | nothing) & (length <= 0x1p250);
    if (any(~safe)) {
      const Reflection anew = rescale(row, i, wide, safe);
      tail = anew.tail;
      length = anew.length;
      v0 = anew.v0;
    }
    if (i + 1 < n) {
      const Pack square = fma(v0, v0, tail);
      const Pack factor = select(square > 0.0, 2.0 / square, broadcast(0.0));
      for (int l = i + 1; l < n; ++l) {
        spend(2 * wide);
        Pack* other = M + l * wide;
        Pack dot = v0 * other[i];
        for (int j = i + 1; j < wide; ++j) dot = fma(row[j], other[j], dot);
        dot = dot * factor;
        other[i] = fma(-dot, v0, other[i]);
        for (int j = i + 1; j < wide; ++j) other[j] = fma(-dot, row[j], other[j]);
      }
    }
    row[i] = length;
    for (int j = i + 1; j < n; ++j) row[j] = broadcast(0.0);
  }
}

// Two rows to [x0, 0; y0, y1], in fewer roots, by Gram and Schmidt: its error, too, is small beside
// a row.
struct PairFactor {
  Pack x0, y0, y1;
};
// The same by reflections, in lanes that are not good; the others keep what was found.
__attribute__((noinline, cold)) inline PairFactor reflected_pair(const Pack* M, int wide,
                                                                 const Mask good,
                                                                 const PairFactor found) {
  std::vector<Pack> other(M, M + 2 * wide);
  triangular(other.data(), 2, wide, [](std::int64_t) {});
  const auto at = [&](int i) { return other[static_cast<std::size_t>(i)]; };
  return {select(good, found.x0, at(0)), select(good, found.y0, at(wide)),
          select(good, found.y1, at(wide + 1))};
}
// Where squares leave the range of doubles reflections serve instead, in lanes that are not safe
// and whose rows are not zero.
__attribute__((noinline, cold)) inline PairFactor refactor_pair(const Pack* M, int wide,
                                                                const Mask safe,
                                                                const PairFactor found) {
  Pack largest_x = broadcast(0.0), largest_y = largest_x;
  for (int j = 0; j < wide; ++j) {
    largest_x = max(abs(M[j]), largest_x);
    largest_y = max(abs(M[wide + j]), largest_y);
  }
  // Of two rows, one of them zero, the other of a size that is safe.
  const Mask plain = ((largest_x == 0.0) | ((largest_x >= 0x1p-250) & (largest_x <= 0x1p240))) &
                     ((largest_y == 0.0) | ((largest_y >= 0x1p-250) & (largest_y <= 0x1p240)));
  const Mask good = safe | plain;
  return any(~good) ? reflected_pair(M, wide, good, found) : found;
}
LRFT_INLINE PairFactor factor_of_pair(const Pack* M, int wide) {
  const Pack *x = M, *y = M + wide;
  Pack square = broadcast(0.0), along = square, rest = square;
  for (int j = 0; j < wide; ++j) {
    square = fma(x[j], x[j], square);
    along = fma(x[j], y[j], along);
  }
  const Pack share = select(square > 0.0, along / square, broadcast(0.0)), length = sqrt(square);
  for (int j = 0; j < wide; ++j) {
    const Pack r = fma(-share, x[j], y[j]);
    rest = fma(r, r, rest);
  }
  const PairFactor found = {length, share * length, sqrt(rest)};
  const Pack whole = fma(share, along, rest);
  const Mask safe =
      (square >= 0x1p-500) & (square <= 0x1p500) & (whole >= 0x1p-500) & (whole <= 0x1p500);
  if (any(~safe)) [[unlikely]]
    return refactor_pair(M, wide, safe, found);
  return found;
}

// The same of rows of three entries.  The area between them is that of its three shadows, so no
// root waits for another, nor for a division.
LRFT_INLINE PairFactor factor_of_pair(const Pack (&M)[6]) {
  const Pack *x = M, *y = M + 3;
  const auto dot = [](const Pack* a, const Pack* b) __attribute__((always_inline)) {
    return fma(a[2], b[2], fma(a[1], b[1], a[0] * b[0]));
  };
  const auto shadow = [&](int i, int j) __attribute__((always_inline)) {
    return fma(x[i], y[j], -(x[j] * y[i]));
  };
  const Pack shadows[3] = {shadow(0, 1), shadow(0, 2), shadow(1, 2)};
  const Pack square = dot(x, x), whole = dot(y, y), length = sqrt(square);
  const Pack inverse = length * (1.0 / square);
  const PairFactor found = {length, dot(x, y) * inverse, sqrt(dot(shadows, shadows)) * inverse};
  const Mask safe =
      (square >= 0x1p-400) & (square <= 0x1p400) & (whole >= 0x1p-400) & (whole <= 0x1p400);
  return any(~safe) ? reflected_pair(M, 3, safe, found) : found;
}

// The lower Cholesky factor (n, n) of G^T G, G (rows, n); a pivot that rounding leaves at or below
// zero belongs to a dependent column, whose factor is zero.  Cost: n^2 rows / 2.
template <class Spend>
void factor_of_gram(const Pack* G, int rows, int n, Pack* factor, const Spend& spend) {
  for (int j = 0; j < n; ++j)
    for (int i = 0; i <= j; ++i) {
      spend(rows);
      Pack g = broadcast(0.0);
      for (int b = 0; b < rows; ++b) g = fma(G[b * n + j], G[b * n + i], g);
      for (int l = 0; l < i; ++l) g = g - factor[j * n + l] * factor[i * n + l];
      if (i == j) {
        factor[j * n + j] = sqrt(select(g < 0.0, broadcast(0.0), g));
      } else {
        const Pack pivot = factor[i * n + i];
        factor[j * n + i] = select(pivot > 0.0, g / pivot, broadcast(0.0));
      }
    }
}

}  // namespace lrft
