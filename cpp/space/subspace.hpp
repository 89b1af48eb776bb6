// Angles between the spaces that two sets of vectors span.
//
// With Gram matrices A A^T = C C^T and u u^T = D D^T the cosines are the singular values of
// C^-1 (A u^T) D^-T.  That is cheap and enough while the vectors are well apart: Gram matrices
// square the condition, so that of vectors that are parallel within eps only 2^-52 / eps^2 is
// left.  Where a factor says so, the vectors themselves are made orthonormal.
#pragma once

#include <cmath>
#include <vector>

#include "simd/pack.hpp"
#include "space/matrix.hpp"

namespace lrft {

// Where the pivot is positive: x / pivot; else 0, a direction that is not there.
LRFT_INLINE Pack over_pivot(const Pack& x, const Pack& pivot) {
  return select(pivot > 0.0, x / pivot, broadcast(0.0));
}
LRFT_INLINE double over_pivot(double x, double pivot) { return pivot > 0 ? x / pivot : 0; }
LRFT_INLINE Pack root(const Pack& x) { return sqrt(select(x > 0.0, x, broadcast(0.0))); }
LRFT_INLINE double root(double x) { return x > 0 ? std::sqrt(x) : 0; }
// 0 where x > y, 1 where not or where one is NaN.
LRFT_INLINE Pack not_above(const Pack& x, const Pack& y) {
  return select(x > y, broadcast(0.0), broadcast(1.0));
}
LRFT_INLINE double not_above(double x, double y) { return x > y ? 0 : 1; }

// M (n x n, lower triangle) becomes its Cholesky factor; a pivot at or below zero
// leaves a zero column.  Returns 0 where every vector has at least the share `least` of its square
// outside those before it, and a square that is far from underflow; more than 0 in doubt.
template <class Scalar>
Scalar cholesky(int n, Scalar* M, double least) {
  Scalar doubt = M[0] * 0.0;
  for (int j = 0; j < n; ++j) {
    const Scalar square = M[j * n + j];
    Scalar pivot = square;
    for (int l = 0; l < j; ++l) pivot = pivot - M[j * n + l] * M[j * n + l];
    doubt = doubt + not_above(pivot, least * square) + not_above(square, 0.0 * square + 1e-280);
    pivot = M[j * n + j] = root(pivot);
    for (int i = j + 1; i < n; ++i) {
      Scalar x = M[i * n + j];
      for (int l = 0; l < j; ++l) x = x - M[i * n + l] * M[j * n + l];
      M[i * n + j] = over_pivot(x, pivot);
    }
  }
  return doubt;
}

// Y (n x r) = C^-1 M D^-T for Cholesky factors C (n x n) and D (r x r); M becomes Y.
template <class Scalar>
void whiten(int n, int r, const Scalar* C, const Scalar* D, Scalar* M) {
  for (int q = 0; q < r; ++q)
    for (int j = 0; j < n; ++j) {
      Scalar x = M[j * r + q];
      for (int l = 0; l < j; ++l) x = x - C[j * n + l] * M[l * r + q];
      M[j * r + q] = over_pivot(x, C[j * n + j]);
    }
  for (int j = 0; j < n; ++j)
    for (int q = 0; q < r; ++q) {
      Scalar x = M[j * r + q];
      for (int l = 0; l < q; ++l) x = x - D[q * r + l] * M[j * r + l];
      M[j * r + q] = over_pivot(x, D[q * r + q]);
    }
}

// Cosines of the principal angles between the spaces of the rows of A (n, w) and of u (r, w), from
// the largest, at most 1: min(n, r) of them, 0 for directions that are missing.  For n = r = 1 the
// cosine with its sign.  A row that lies in the space of those before it up to 1e-12 of its length
// has no direction of its own.  Row by row nothing depends on its length.
//
// Gram matrices G (n, n) and H (r, r) and products M (n, r) are given, and the rows themselves
// asked for only in doubt: `rows()` returns {A, u}.  Cost: n^2 r, and then w (n^2 + r^2) 4.
struct RowSets {
  Matrix A, u;
};
// X X^T (m, m), row-major.
std::vector<double> gram_of(const Eigen::Ref<const Matrix>& X);
template <class Rows>
std::vector<double> subspace_cosines(int n, int r, std::vector<double> G, std::vector<double> H,
                                     std::vector<double> M, const Rows& rows);

// ---- the parts of it -----------------------------------------------------------------------
// From Y (n, r), the inner products of orthonormal rows.
std::vector<double> cosines_of(int n, int r, const std::vector<double>& Y);
// Y (n, r) between orthonormal rows that span those given; zero for a row that adds nothing.
std::vector<double> between(RowSets rows);

template <class Rows>
std::vector<double> subspace_cosines(int n, int r, std::vector<double> G, std::vector<double> H,
                                     std::vector<double> M, const Rows& rows) {
  constexpr double least = 1e-4;  // of a squared length: 1e-12 of a cosine is lost there
  if (cholesky(n, G.data(), least) + cholesky(r, H.data(), least) == 0) {
    whiten(n, r, G.data(), H.data(), M.data());
    return cosines_of(n, r, M);
  }
  return cosines_of(n, r, between(rows()));
}

}  // namespace lrft
