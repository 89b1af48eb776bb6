// How far the rows of a LoRA student span the teacher's directions, at every step.
//
// The overlap is the smallest singular value between the row spaces of A (n x d) and
// u (r x d), min(n, r) of them; for one row and one direction |cosine|.  With Gram
// matrices A A^T = C C^T and u u^T = D D^T it is that of Y = C^-1 (A u^T) D^-T, and it is
// at least t where Y Y^T - t^2 (or Y^T Y - t^2, the smaller one) has no negative pivot.
// So whether a threshold is reached is known at every step without a decomposition.  Rows so
// nearly parallel that Gram matrices cannot tell are in doubt: there, the exact value is asked for.
#pragma once

#include "simd/aligned.hpp"
#include "simd/layout.hpp"
#include "space/shape.hpp"
#include "space/subspace.hpp"

namespace lrft {

LRFT_INLINE double lesser(double x, double y) { return x < y ? x : y; }
LRFT_INLINE Pack lesser(const Pack& x, const Pack& y) { return min(x, y); }
LRFT_INLINE bool any_within(const Pack& x, double y) { return any(x <= y); }
LRFT_INLINE bool any_within(double x, double y) { return x <= y; }
// a where x <= y, else b.
LRFT_INLINE Pack within(const Pack& x, double y, const Pack& a, const Pack& b) {
  return select(x <= y, a, b);
}
LRFT_INLINE double within(double x, double y, double a, double b) { return x <= y ? a : b; }

template <class Layout>
class Subspace {
 public:
  using Scalar = typename Layout::Scalar;

  explicit Subspace(const Shape& shape)
      : n_(shape.n),
        r_(shape.followed),
        all_(shape.rank),
        s_(shape.s),
        D_(size(r_, r_), zero()),
        C_(size(n_, n_), zero()),
        M_(size(n_, all_), zero()),
        K_(size(least(), least()), zero()) {}

  void set_task(int lane, const TaskData& task) {
    std::vector<double> D(size(r_, r_));
    for (int i = 0; i < r_; ++i)
      for (int j = 0; j <= i; ++j)
        for (int q = 0; q < s_; ++q)
          D[size(i, r_) + static_cast<std::size_t>(j)] +=
              task.a[size(i, s_) + static_cast<std::size_t>(q)] *
              task.a[size(j, s_) + static_cast<std::size_t>(q)];
    put(teacher_doubt_, lane, cholesky(r_, D.data(), apart));
    for (std::size_t i = 0; i < D.size(); ++i) put(D_[i], lane, D[i]);
  }
  // Not negative where the overlap is at least `limit`, or may be; a cosine never exceeds 1.
  template <class Space>
  Scalar above(const Space& space, const Scalar& limit) {
    if (!any_within(limit, 1.0)) return Layout::constant(-1);
    space.products(C_.data(), M_.data());
    if (r_ < all_)
      for (int i = 0; i < n_ * r_; ++i) M_[at(i)] = M_[at(i / r_ * all_ + i % r_)];
    const Scalar doubt = teacher_doubt_ + cholesky(n_, C_.data(), apart);
    whiten(n_, r_, C_.data(), D_.data(), M_.data());
    const int m = least(), inner = n_ + r_ - m, row = n_ < r_ ? r_ : 1, along = n_ < r_ ? 1 : r_;
    Scalar smallest = Layout::constant(1);
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
      smallest = lesser(smallest, K_[at(j * m + j)]);
    }
    return within(limit, 1.0, smallest + 8.0 * doubt, Layout::constant(-1));
  }

 private:
  // The share of a squared length outside the rows before it from which Gram matrices serve:
  // 1e-10 of a cosine is lost there.
  static constexpr double apart = 1e-6;

  int least() const { return n_ < r_ ? n_ : r_; }
  static Scalar zero() { return Layout::constant(0); }
  static std::size_t size(int a, int b) { return static_cast<std::size_t>(a * b); }
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }

  int n_, r_, all_, s_;            // rows, directions, all of the teacher's, dimension of S
  Scalar teacher_doubt_ = zero();  // 0 where u u^T serves
  std::vector<Scalar> D_;          // (r, r)  factor of u u^T
  std::vector<Scalar> C_;          // (n, n)
  std::vector<Scalar> M_;          // (n, r), or at first (n, all)
  std::vector<Scalar> K_;          // (m, m)
};

}  // namespace lrft
