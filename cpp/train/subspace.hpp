// How far the rows of a LoRA student span the teacher's directions, at every step.
//
// The overlap is the smallest singular value between the row spaces of A (n x d) and
// u (r x d), min(n, r) of them; for one row and one direction |cosine|.  With Gram
// matrices A A^T = C C^T and u u^T = D D^T it is that of Y = C^-1 (A u^T) D^-T, and it is
// at least t where Y Y^T - t^2 (or Y^T Y - t^2, the smaller one) has no negative pivot.
// So whether a threshold is reached is known at every step without a decomposition.
#pragma once

#include "simd/aligned.hpp"
#include "simd/layout.hpp"
#include "space/shape.hpp"

namespace lrft {

// Where the pivot is positive: x / pivot; else 0, a direction that is not there.
LRFT_INLINE Pack over_pivot(const Pack& x, const Pack& pivot) {
  return select(pivot > 0.0, x / pivot, broadcast(0.0));
}
LRFT_INLINE double over_pivot(double x, double pivot) { return pivot > 0 ? x / pivot : 0; }
LRFT_INLINE Pack root(const Pack& x) { return sqrt(select(x > 0.0, x, broadcast(0.0))); }
LRFT_INLINE double root(double x) { return x > 0 ? std::sqrt(x) : 0; }
LRFT_INLINE double lesser(double x, double y) { return x < y ? x : y; }
LRFT_INLINE Pack lesser(const Pack& x, const Pack& y) { return min(x, y); }

// M (n x n, lower triangle) becomes its Cholesky factor; a pivot at or below zero
// leaves a zero column.
template <class Scalar>
void cholesky(int n, Scalar* M) {
  for (int j = 0; j < n; ++j) {
    Scalar pivot = M[j * n + j];
    for (int l = 0; l < j; ++l) pivot = pivot - M[j * n + l] * M[j * n + l];
    pivot = M[j * n + j] = root(pivot);
    for (int i = j + 1; i < n; ++i) {
      Scalar x = M[i * n + j];
      for (int l = 0; l < j; ++l) x = x - M[i * n + l] * M[j * n + l];
      M[i * n + j] = over_pivot(x, pivot);
    }
  }
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

template <class Layout>
class Subspace {
 public:
  using Scalar = typename Layout::Scalar;

  explicit Subspace(const Shape& shape)
      : n_(shape.n),
        r_(shape.rank),
        s_(shape.s),
        D_(size(r_, r_), zero()),
        C_(size(n_, n_), zero()),
        M_(size(n_, r_), zero()),
        K_(size(least(), least()), zero()) {}

  void set_task(int lane, const TaskData& task) {
    std::vector<double> D(size(r_, r_));
    for (int i = 0; i < r_; ++i)
      for (int j = 0; j <= i; ++j)
        for (int q = 0; q < s_; ++q)
          D[size(i, r_) + static_cast<std::size_t>(j)] +=
              task.a[size(i, s_) + static_cast<std::size_t>(q)] *
              task.a[size(j, s_) + static_cast<std::size_t>(q)];
    cholesky(r_, D.data());
    for (std::size_t i = 0; i < D.size(); ++i) put(D_[i], lane, D[i]);
  }
  // Not negative where the overlap is at least `limit`.
  template <class Space>
  Scalar above(const Space& space, const Scalar& limit) {
    space.products(C_.data(), M_.data());
    cholesky(n_, C_.data());
    whiten(n_, r_, C_.data(), D_.data(), M_.data());
    const int m = least(), inner = n_ + r_ - m, row = n_ < r_ ? r_ : 1, along = n_ < r_ ? 1 : r_;
    Scalar worst = Layout::constant(1);
    for (int j = 0; j < m; ++j) {
      for (int i = 0; i < m; ++i) {
        Scalar x = zero();
        if (i < j) continue;
        for (int q = 0; q < inner; ++q)
          x = x + M_[at(i * row + q * along)] * M_[at(j * row + q * along)];
        if (i == j) x = x - limit * limit;
        // L D L^T: columns to the left are done.
        for (int l = 0; l < j; ++l)
          x = x - K_[at(i * m + l)] * K_[at(j * m + l)] * K_[at(l * m + l)];
        K_[at(i * m + j)] = i == j ? x : over_pivot(x, K_[at(j * m + j)]);
      }
      worst = lesser(worst, K_[at(j * m + j)]);
    }
    return worst;
  }

 private:
  int least() const { return n_ < r_ ? n_ : r_; }
  static Scalar zero() { return Layout::constant(0); }
  static std::size_t size(int a, int b) { return static_cast<std::size_t>(a * b); }
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  static void put(Pack& p, int lane, double x) { reinterpret_cast<double*>(&p)[lane] = x; }
  static void put(double& p, int, double x) { p = x; }

  int n_, r_, s_;
  std::vector<Scalar> D_;  // (r, r)  factor of u u^T
  std::vector<Scalar> C_;  // (n, n)
  std::vector<Scalar> M_;  // (n, r)
  std::vector<Scalar> K_;  // (m, m)
};

}  // namespace lrft
