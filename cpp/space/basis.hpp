// An orthonormal basis of span(rows of W, rows of u), and W and u in it.
//
// Worked out here, serially, rather than by a threaded library, whose bits depend on
// how many threads it finds.  Cost: 4 d k^2 operations and two copies of W.
#pragma once

#include <cstdint>
#include <vector>

namespace lrft {

struct Basis {
  int features_rank = 0;  // the first coordinates span the rows of W
  int s = 0;
  std::vector<double> R;  // (k, s)  W = R Q
  std::vector<double> a;  // (r, s)  u = a Q
  std::vector<double> Q;  // (s, d)  orthonormal rows
};

// W (k, d) and u (r, d), row-major and finite.  A direction of W counts as zero below
// max(k, d) 2^-52 of the longest, a part of u outside W below 1e-12 of u's longest row.
// Rows of W that are orthonormal within 1e-14 are the basis themselves: R is the identity.
// Throws std::invalid_argument where inner products of rows overflow.
Basis span_basis(const double* W, int k, const double* u, int r, std::int64_t d);

// Rows A (n, d) in a basis of orthonormal rows Q (s, d): P (n, s) = A Q^T, and L (n, n), lower
// triangular with a diagonal that is not negative, L L^T = (A - P Q)(A - P Q)^T.
//
// L comes from the rest itself: the difference of squared lengths would leave 1e-8 of a row
// inside the span of Q.
struct Coordinates {
  std::vector<double> P, L;
};
Coordinates coordinates(const double* A, int n, const double* Q, int s, std::int64_t d);

// The r largest singular values of G (k, m), r <= min(k, m), from the largest, with their vectors
// as rows: left (r, k) and right (r, m).  The largest entry of a left vector is positive.
struct Leading {
  std::vector<double> left, sizes, right;
};
Leading leading(const double* G, int k, int m, int r);

// X (s, n) with the least |A X - B|, for A (m, s) and B (m, n).
std::vector<double> least_squares(const double* A, int m, int s, const double* B, int n);

// The pseudo-inverse (end - begin, k), row-major, of columns [begin, end) of R (k, s), which
// must be independent.
std::vector<double> pseudo_inverse(const double* R, int k, int s, int begin, int end);

}  // namespace lrft
