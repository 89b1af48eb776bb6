// Rows in R^d, a tile of coordinates at a time: the teacher's directions u (r x d) and under
// them the student's A (n x d), in one matrix, so that both meet inputs in one product.
#pragma once

#include <algorithm>
#include <vector>

#include "lrft/poll.hpp"
#include "space/matrix.hpp"
#include "space/product.hpp"
#include "space/shape.hpp"

namespace lrft {

// Coordinates of a tile.
inline constexpr Index tile_depth = 128;
inline Index whole_packs(Index depth) { return (depth + lanes - 1) / lanes * lanes; }

// Coordinates [begin, begin + depth) of `count` rows in R^d.
using Columns = Eigen::Map<const Matrix, 0, Eigen::OuterStride<>>;
inline Columns columns(const double* rows, int count, Index begin, Index depth, Index d) {
  return Columns(rows + begin, count, depth, Eigen::OuterStride<>(d));
}

// A <- A Pi for W (k, d) with the pseudo-inverse (rho, k), twice for orthogonality to rounding.
// `constant`: the last coordinate, where A is 0 and stays 0.
inline void project_out(const double* W, const Matrix& pinv, bool constant, Matrix& A) {
  const auto all = columns(W, static_cast<int>(pinv.cols()), 0, A.cols(), A.cols());
  for (int pass = 0; pass < 2; ++pass) {
    const Matrix along = A * all.transpose() * pinv.transpose() * pinv;
    A.noalias() -= along * all;
    if (constant) A.rightCols(1).setZero();
  }
}

// Is the inner product of rows j > i asked for: of the student's, or of one with its velocity?
inline bool asked_for(const Shape& shape, int j, int i) {
  const int first = shape.first_row;
  if (j < first || j >= first + shape.n) return false;
  return i < first ? shape.unit && i == j - first : shape.follow;
}

// `still`: rows do not move along the constant, the last coordinate.  Theirs is kept beside them,
// and they have 0 there, as inputs do.
class Rows {
 public:
  Rows(int rank, int n, bool still) : r_(rank), n_(n), still_(still ? n : 0, 1) {}

  void set_u(const double* u, Index d) {
    d_ = d;
    all_.setZero(r_ + n_, whole_packs(d));
    all_.topLeftCorner(r_, d) = columns(u, r_, 0, d, d);
  }
  void set(const std::vector<double>& A) {
    all_.bottomLeftCorner(n_, d_) = Eigen::Map<const Matrix>(A.data(), n_, d_);
    if (still_.size() == 0) return;
    still_ = all_.block(r_, d_ - 1, n_, 1);
    clear_still(d_ - 1);
  }
  // A (n, d).
  std::vector<double> get() const { return get(0, n_); }
  // `count` rows of it from `first` on.
  std::vector<double> get(int first, int count) const {
    std::vector<double> A(static_cast<std::size_t>(count * d_));
    Eigen::Map<Matrix> to(A.data(), count, d_);
    to = all_.block(r_ + first, 0, count, d_);
    if (still_.size() > 0) to.rightCols(1) = still_.middleRows(first, count);
    return A;
  }
  // What row j has along the constant, beside what is here.
  double still(int j) const { return still_.size() > 0 ? still_(j, 0) : 0; }
  // What moves of a tile left along the constant.
  void clear_still(Index begin) {
    if (still_.size() > 0 && begin + tile_depth >= d_) all_.block(r_, d_ - 1, n_, 1).setZero();
  }
  void swap(Rows& other) { all_.swap(other.all_), still_.swap(other.still_); }

  // Row i of u and A together from coordinate `begin` on; rows are `stride` apart, with zeros
  // after coordinate d up to whole packs.
  double* at(int i, Index begin) { return all_.data() + i * stride() + begin; }
  const double* at(int i, Index begin) const { return all_.data() + i * stride() + begin; }
  Index stride() const { return all_.cols(); }

  // Row j of A <- factor times it, in a tile.
  void scale(int j, double factor, Index begin) {
    double* row = at(r_ + j, begin);
    for (Index c = 0; c < whole_packs(depth(begin)); c += lanes)
      store(row + c, factor * load(row + c));
  }
  // A tile of the rows <- M of them, which stand in groups of n: M (groups, groups, n).
  void mix(int n, const double* M, Index begin) {
    const int groups = n_ / n;
    for (int j = 0; j < n; ++j)
      for (Index c = 0; c < whole_packs(depth(begin)); c += lanes) {
        Pack old[3];
        for (int b = 0; b < groups; ++b) old[b] = load(at(r_ + b * n + j, begin) + c);
        for (int a = 0; a < groups; ++a) {
          Pack sum = M[a * groups * n + j] * old[0];
          for (int b = 1; b < groups; ++b)
            sum = fma(broadcast(M[(a * groups + b) * n + j]), old[b], sum);
          store(at(r_ + a * n + j, begin) + c, sum);
        }
      }
  }
  // A tile of [A u^T, A A^T] (n, r + n), of A A^T the diagonal and what else is below and wanted(j,
  // i), is added.
  template <class Wanted>
  void add_products(Index begin, const Wanted& wanted, Matrix& to) const {
    const Index size = whole_packs(depth(begin));
    for (int j = 0; j < n_; ++j)
      for (int i = 0; i <= r_ + j; ++i)
        if (i < r_ || i == r_ + j || wanted(j, i - r_))
          to(j, i) += inner_product(at(r_ + j, begin), at(i, begin), size);
  }
  // A W^T (n, k) and A A^T (n, n).
  void look(const double* W, int k, Matrix& features, Matrix& gram) const {
    features = Matrix::Zero(n_, k);
    gram = Matrix::Zero(n_, n_);
    for (Index begin = 0; begin < d_; begin += tile_depth) {
      Poll::spend(depth(begin) * n_ * (k + n_) / 8);
      const auto tile = columns(at(r_, 0), n_, begin, depth(begin), stride());
      gram.noalias() += tile * tile.transpose();
      features.noalias() += tile * columns(W, k, begin, depth(begin), d_).transpose();
    }
    if (still_.size() == 0) return;
    gram.noalias() += still_ * still_.transpose();
    features.noalias() += still_ * columns(W, k, d_ - 1, 1, d_).transpose();
  }

 private:
  Index depth(Index begin) const { return std::min(tile_depth, d_ - begin); }

  int r_, n_;
  Index d_ = 0;
  Matrix all_;    // (r + n, d in packs)
  Matrix still_;  // (n, 1), or nothing
};

}  // namespace lrft
