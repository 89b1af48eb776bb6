// The ways back to triangular form: L L^T is the Gram matrix of the rows they were given,
// whatever the size of each row, in every lane.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "numbers.hpp"
#include "simd/aligned.hpp"
#include "space/rotations.hpp"
#include "space/triangular.hpp"

namespace {

using namespace lrft;
using testing::Matrix;
using testing::normals;

const auto unpaid = [](std::int64_t) {};

// Row i of a lane is multiplied by this power of two: squares of the largest, and of the smallest,
// leave the range of doubles.  The first lane is plain.
double size(int lane, int row) {
  constexpr int exponents[] = {0, 300, -300, 600, -600, 1, -1, 700};
  return std::ldexp(1.0, lane == 0 ? 0 : exponents[(lane + row) % 8]);
}
double entry(const Pack& p, int lane) {
  double x[lanes];
  store(x, p);
  return x[lane];
}
void set(Pack& p, int lane, double value) {
  double x[lanes];
  store(x, p);
  x[lane] = value;
  p = load(x);
}

// Whether L (n, n), its row i of this lane in units of size(lane, i), is lower triangular, its
// diagonal nonnegative, and has the Gram matrix of M (n, wide).  A turn or a reflection moves a row
// by a few rounding errors of its length, and each of them meets at most n + wide.
void check_factor(const AlignedPacks& L, int width, int lane, const Matrix& M) {
  const int n = M.rows;
  std::vector<long double> length(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i)
    for (int t = 0; t < M.columns; ++t)
      length[static_cast<std::size_t>(i)] += static_cast<long double>(M(i, t)) * M(i, t);
  bool above = false, negative = false;
  long double worst = 0;
  for (int i = 0; i < n; ++i) {
    negative |= !(entry(L[i * width + i], lane) >= 0);
    for (int j = i + 1; j < n; ++j) above |= entry(L[i * width + j], lane) != 0;
    for (int l = 0; l <= i; ++l) {
      long double got = 0, wanted = 0;
      for (int j = 0; j <= l; ++j)
        got += static_cast<long double>(entry(L[i * width + j], lane) / size(lane, i)) *
               (entry(L[l * width + j], lane) / size(lane, l));
      for (int t = 0; t < M.columns; ++t) wanted += static_cast<long double>(M(i, t)) * M(l, t);
      const long double scale =
          std::sqrt(length[static_cast<std::size_t>(i)] * length[static_cast<std::size_t>(l)]);
      worst = std::max(worst, std::abs(got - wanted) / scale);
    }
  }
  CHECK_FALSE(above);
  CHECK_FALSE(negative);
  CHECK(static_cast<double>(worst) <= 0x1p-52 * 4 * (n + M.columns));
}

}  // namespace

TEST_CASE("reflections") {
  for (const int n : {1, 2, 3, 8, 13})
    for (const int more : {0, 1, 5}) {
      const int wide = n + more;
      AlignedPacks M(n * wide);
      for (int lane = 0; lane < lanes; ++lane) {
        const Matrix own = normals(n, wide, static_cast<std::uint64_t>(lane));
        for (int i = 0; i < n; ++i)
          for (int j = 0; j < wide; ++j) set(M[i * wide + j], lane, own(i, j) * size(lane, i));
      }
      triangular(M.data(), n, wide, unpaid);
      for (int lane = 0; lane < lanes; ++lane) {
        CAPTURE(n);
        CAPTURE(more);
        CAPTURE(lane);
        check_factor(M, wide, lane, normals(n, wide, static_cast<std::uint64_t>(lane)));
      }
    }
}

TEST_CASE("two rows") {
  for (const int wide : {2, 3, 4})
    // Rows in one direction but for `apart` have an area that is a difference.
    for (const double apart : {1.0, 0x1p-20, 0x1p-60, 0.0}) {
      AlignedPacks M(2 * wide), L(4);
      Pack three[6];
      std::vector<Matrix> rows;
      for (int lane = 0; lane < lanes; ++lane) {
        rows.push_back(normals(2, wide, static_cast<std::uint64_t>(lane)));
        Matrix& own = rows.back();
        for (int j = 0; j < wide; ++j) own(1, j) = apart * own(1, j) + (1 - apart) * own(0, j);
        for (int i = 0; i < 2; ++i)
          for (int j = 0; j < wide; ++j) set(M[i * wide + j], lane, own(i, j) * size(lane, i));
      }
      const auto check = [&](const PairFactor& found) {
        L[0] = found.x0, L[1] = broadcast(0.0), L[2] = found.y0, L[3] = found.y1;
        for (int lane = 0; lane < lanes; ++lane) {
          CAPTURE(wide);
          CAPTURE(apart);
          CAPTURE(lane);
          check_factor(L, 2, lane, rows[static_cast<std::size_t>(lane)]);
        }
      };
      check(factor_of_pair(M.data(), wide));
      if (wide != 3) continue;
      std::copy_n(M.data(), 6, three);
      check(factor_of_pair(three));
    }
  // The square of the area leaves the range of doubles before those of the rows do.
  for (const double size : {0x1p-300, 1.0, 0x1p300}) {
    const Pack o = broadcast(0.0), l = broadcast(size);
    const PairFactor corner = factor_of_pair({l, o, o, l, o, l}),
                     alone = factor_of_pair({o, o, o, o, l, o});
    CHECK(entry(corner.x0, 0) == size);
    CHECK(entry(corner.y0, 0) / size == doctest::Approx(1).epsilon(1e-15));
    CHECK(entry(corner.y1, 0) / size == doctest::Approx(1).epsilon(1e-15));
    CHECK(entry(alone.x0, 0) == 0);
    CHECK(std::hypot(entry(alone.y0, 0), entry(alone.y1, 0)) == size);
  }
}

TEST_CASE("rotations: [L, 0] - G^T [Z, T]") {
  for (const int n : {1, 2, 4, 5, 13})
    for (const int b : {1, 2, 3}) {
      const int width = n + 2;
      AlignedPacks L(n * width), G(b * n), Z(b * n), T(b * b);
      std::vector<Matrix> moved(lanes, Matrix(n, n + b));
      for (int lane = 0; lane < lanes; ++lane) {
        const auto seed = static_cast<std::uint64_t>(10 * lane);
        const Matrix l = normals(n, n, seed), g = normals(b, n, seed + 1),
                     z = normals(b, n, seed + 2), t = normals(b, b, seed + 3);
        Matrix& M = moved[static_cast<std::size_t>(lane)];
        for (int i = 0; i < n; ++i) {
          const double unit = size(lane, i);
          for (int j = 0; j <= i; ++j)
            set(L[i * width + j], lane, (i == j ? std::abs(l(i, j)) : l(i, j)) * unit);
          for (int j = 0; j < n; ++j) M(i, j) = j < i ? l(i, j) : j == i ? std::abs(l(i, j)) : 0.0;
          for (int c = 0; c < b; ++c) {
            set(G[c * n + i], lane, g(c, i) * unit);
            set(Z[c * n + i], lane, z(c, i));
            for (int j = 0; j < n; ++j) M(i, j) -= g(c, i) * z(c, j);
            for (int j = 0; j <= c; ++j) M(i, n + j) -= g(c, i) * t(c, j);
          }
        }
        for (int c = 0; c < b; ++c)
          for (int j = 0; j <= c; ++j) set(T[c * b + j], lane, t(c, j));
      }
      const Pack sum =
          Rotations(n, b).update(L.data(), width, G.data(), Z.data(), n, T.data(), unpaid);
      CHECK(entry(sum, 0) > 0);
      for (int lane = 0; lane < lanes; ++lane) {
        CAPTURE(n);
        CAPTURE(b);
        CAPTURE(lane);
        check_factor(L, width, lane, moved[static_cast<std::size_t>(lane)]);
      }
    }
}
