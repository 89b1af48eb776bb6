// What a few inputs do to the triangular factor of a wide student, in O(b n^2).
//
//   [L, 0] - G^T [Z, T]  =  [L', 0] times an orthogonal matrix,  L and L' (n x n) lower triangular,
//
// by two sweeps of rotations, all of a column of L and one of b more columns F, zero at first.
// The first, from the last column of L to its first, turns [Z, T] into [0, W] and leaves L lower
// triangular; so [L, F] - G^T [0, W] = [L, F - G^T W].  The second, from the first column
// to the last, turns the rows of that into those of [L', 0].  Rotations alone: as stable as
// reflections, and a row's error is small beside that row.
//
// Rows go four at a time: the sweeps are chains in which one rotation waits for the one before.
// Cost: 4 b n^2 multiplications, b n roots and divisions a sweep.
#pragma once

#include <algorithm>
#include <cstdint>

#include "simd/aligned.hpp"
#include "space/dots.hpp"

namespace lrft {

// The rotation (x, y) <- (c x + s y, c y - s x) that takes (x, y) to (r, 0), r >= 0; none where
// both are zero.
struct Turn {
  Pack c, s, r;
};
LRFT_INLINE Turn turn_of(const Pack& x, const Pack& y, const Pack& square) {
  const Pack r = sqrt(square), inverse = 1.0 / r;
  const Mask nothing = square == 0.0;
  return {select(nothing, broadcast(1.0), x * inverse),
          select(nothing, broadcast(0.0), y * inverse), r};
}
// The same where a square leaves the range of doubles, in units of the larger of the two: powers
// of two, 1 in lanes that are safe, whose bits are those they had.
__attribute__((noinline, cold)) inline Turn turn_rescaled(const Pack x, const Pack y,
                                                          const Mask safe) {
  const Pack unit = select(safe, broadcast(1.0), size_of(max(abs(x), abs(y))));
  const Pack a = x / unit, b = y / unit;
  Turn turn = turn_of(a, b, fma(a, a, b * b));
  turn.r = turn.r * unit;
  return turn;
}
LRFT_INLINE Turn turn_of(const Pack& x, const Pack& y) {
  const Pack square = fma(x, x, y * y);
  const Mask nothing = (x == 0.0) & (y == 0.0);
  const Mask safe = ((square >= 0x1p-500) & (square <= 0x1p500)) | nothing;
  if (any(~safe)) [[unlikely]]
    return turn_rescaled(x, y, safe);
  return turn_of(x, y, square);
}

class Rotations {
 public:
  // Room for n rows and b inputs.
  Rotations(int n, int b)
      : n_(n),
        b_(b),
        first_(2 * n * b),
        second_(2 * n * b),
        Z_(b * n),
        W_(b * b),
        F_(b * together) {}

  // L (n, n) in rows of `width`; G (b, n); Z (b, n) in rows of `stride`; T (b, b) lower triangular.
  // spend(units) is told of the work before it is done, and may throw.  Returns the sum of the
  // squares of the new L, while its rows are near.
  template <class Spend>
  Pack update(Pack* L, int width, const Pack* G, const Pack* Z, int stride, const Pack* T,
              const Spend& spend) {
    for (int c = 0; c < b_; ++c) std::copy_n(Z + c * stride, n_, Z_.data() + c * n_);
    std::copy_n(T, b_ * b_, W_.data());
    for (int c = 0; c < b_; ++c) {
      spend(std::int64_t{8} * n_ * (b_ - c));
      gather(c);
    }
    Pack sum = broadcast(0.0);
    int i = 0;
    for (; i + together <= n_; i += together) sum = rows<together>(L, width, i, G, sum, spend);
    for (; i < n_; ++i) sum = rows<1>(L, width, i, G, sum, spend);
    return sum;
  }

 private:
  static constexpr int together = 4;

  Pack* first(int c) { return first_.data() + 2 * c * n_; }
  Pack* second(int c) { return second_.data() + 2 * c * n_; }

  // The rotations that turn row c of Z into W_cc, and what they do to the rows after it.
  void gather(int c) {
    Pack pivot = W_[c * b_ + c], square = pivot * pivot;
    for (int j = n_ - 1; j >= 0; --j) {
      const Pack z = Z_[c * n_ + j];
      square = fma(z, z, square);
      const Turn turn = turn_of(pivot, z, square);
      put(first(c) + 2 * j, turn.c, -turn.s);
      pivot = turn.r;
    }
    W_[c * b_ + c] = pivot;
    for (int l = c + 1; l < b_; ++l)
      sweep<1>(Z_.data() + l * n_, 0, n_ - 1, -1, n_, first(c), &W_[l * b_ + c]);
  }
  // Rows i .. i + Rows - 1; returns `sum` with their squares.
  template <int Rows, class Spend>
  Pack rows(Pack* L, int width, int i, const Pack* G, Pack sum, const Spend& spend) {
    spend(std::int64_t{8} * Rows * b_ * (i + Rows));
    Pack* row = L + i * width;
    for (int c = 0; c < b_; ++c) {
      Pack* f = F_.data() + c * together;
      for (int l = 0; l < Rows; ++l) f[l] = broadcast(0.0);
      sweep<Rows>(row, width, i + Rows - 1, -1, i + Rows, first(c), f);
      for (int e = c; e < b_; ++e)
        for (int l = 0; l < Rows; ++l) f[l] = fma(-G[e * n_ + i + l], W_[e * b_ + c], f[l]);
    }
    for (int c = 0; c < b_; ++c)
      sweep<Rows>(row, width, 0, 1, i, second(c), F_.data() + c * together);
    for (int l = 0; l < Rows; ++l)
      for (int c = 0; c < b_; ++c) {
        Pack* f = F_.data() + c * together;
        const Turn turn = turn_of(row[l * width + i + l], f[l]);
        row[l * width + i + l] = turn.r;
        put(second(c) + 2 * (i + l), turn.c, turn.s);
        for (int below = l + 1; below < Rows; ++below)
          sweep<1>(row + below * width, 0, i + l, 1, 1, second(c), f + below);
      }
    for (int l = 0; l < Rows; ++l) sum = squares(row + l * width, i + l + 1, sum);
    return sum;
  }
  static LRFT_INLINE void put(Pack* turn, const Pack& c, const Pack& s) {
    turn[0] = c;
    turn[1] = s;
  }
  // Rotations `from`, from + by, ... (`count` of them) of the entries of Rows rows with
  // theirs, f, of another column.
  template <int Rows>
  static LRFT_INLINE void sweep(Pack* row, int width, int from, int by, int count,
                                const Pack* turns, Pack* f) {
    for (int part = 0; part < parts; ++part) {
      NativeDouble y[Rows];
#pragma GCC unroll 4
      for (int l = 0; l < Rows; ++l) y[l] = f[l].v[part];
      for (int t = 0, j = from; t < count; ++t, j += by) {
        const NativeDouble c = turns[2 * j].v[part], s = turns[2 * j + 1].v[part];
#pragma GCC unroll 4
        for (int l = 0; l < Rows; ++l) {
          NativeDouble& entry = row[l * width + j].v[part];
          const NativeDouble x = entry;
          entry = native_fma(s, y[l], c * x);
          y[l] = native_fma(c, y[l], -(s * x));
        }
      }
#pragma GCC unroll 4
      for (int l = 0; l < Rows; ++l) f[l].v[part] = y[l];
    }
  }

  int n_, b_;
  AlignedPacks first_, second_;  // (b, n) rotations: of the two sweeps
  AlignedPacks Z_, W_;           // (b, n) and (b, b): what is left of Z and T
  AlignedPacks F_;               // (b, together)
};

}  // namespace lrft
