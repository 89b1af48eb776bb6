// Matrix products of the shapes that a block of inputs in R^d asks for: few rows, a panel of
// few columns, whose entries are where they are; nothing is packed.
//
//   product   y += a x
//   gram      y += x^T x, the blocks of 8 x 8 on and below the diagonal
//   transpose
//
// A tile of y stays in registers while the terms pass: rows of `a` are broadcast, two vectors
// of x loaded, at most `tile_rows` x 2 sums, which is what the registers hold.  It runs at the
// hardware's peak of multiply-adds from some twenty terms on.
//
// Terms are added in the order in which they come, by one sum or, where a tile has so few that
// each would wait for its own last addition, by the two or four of `chains`; then all are added
// to y.  So bits depend on sizes, and on nothing else.
#pragma once

#include <cstddef>

#include "simd/pack.hpp"

namespace lrft {

// Entry (i, c) is data[i row + c term].
struct Factor {
  const double* data;
  std::ptrdiff_t row, term;
};
// Rows of consecutive entries, `width` apart.
struct Panel {
  const double* data;
  std::ptrdiff_t width;
};

// Rows of a tile at most.
namespace products {
inline constexpr int tile_rows = native_width == 8 ? 12 : native_width == 4 ? 6 : 4;
}

// y (rows, columns) += a (rows, depth) x (depth, columns).
void product(Factor a, int rows, Panel x, std::ptrdiff_t depth, std::ptrdiff_t columns, double* y,
             std::ptrdiff_t y_width);

// y (columns, columns) += x^T x, x (depth, columns), columns a multiple of 8; what is above
// the diagonal's blocks of 8 x 8 stays.
void gram(Panel x, std::ptrdiff_t depth, int columns, double* y);

// to (columns, depth) = x^T, both multiples of 8.
void transpose(Panel x, std::ptrdiff_t depth, int columns, double* to, std::ptrdiff_t to_width);

// y (rows, depth) += a (rows, columns) x^T, x (depth, columns); depth and columns multiples of
// 8, rows of a and y that far apart.  `turned` (columns, depth) is for x^T, which pays from
// three rows on.
void product_transposed(const double* a, int rows, Panel x, std::ptrdiff_t depth, int columns,
                        double* y, std::ptrdiff_t y_width, double* turned);

// sum_c a[c] b[c]; depth a multiple of 8.
LRFT_INLINE double inner_product(const double* a, const double* b, std::ptrdiff_t depth) {
  Pack s[2] = {broadcast(0.0), broadcast(0.0)};
  std::ptrdiff_t c = 0;
  for (; c + 2 * lanes <= depth; c += 2 * lanes)
#pragma GCC unroll 2
    for (int l = 0; l < 2; ++l) s[l] = fma(load(a + c + l * lanes), load(b + c + l * lanes), s[l]);
  if (c < depth) s[0] = fma(load(a + c), load(b + c), s[0]);
  return sum(s[0] + s[1]);
}

}  // namespace lrft
