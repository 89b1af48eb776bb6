#include "space/rows.hpp"

#include "lrft/poll.hpp"
#include "space/product.hpp"

namespace lrft {
namespace {

// Coordinates [begin, begin + depth) of `count` rows in R^d.
auto columns(const double* rows, int count, Index begin, Index depth, Index d) {
  return Eigen::Map<const Matrix, 0, Eigen::OuterStride<>>(rows + begin, count, depth,
                                                           Eigen::OuterStride<>(d));
}

// Is the inner product of rows j > i asked for: of the student's, or of one with its velocity?
bool asked_for(const Shape& shape, int j, int i) {
  const int first = shape.first_row;
  if (j < first || j >= first + shape.n) return false;
  return i < first ? shape.unit && i == j - first : shape.follow;
}

}  // namespace

void project_out(const double* W, const Matrix& pinv, bool constant, Matrix& A) {
  const auto all = columns(W, static_cast<int>(pinv.cols()), 0, A.cols(), A.cols());
  for (int pass = 0; pass < 2; ++pass) {
    const Matrix along = A * all.transpose() * pinv.transpose() * pinv;
    subtract_product(along, all, A);
    if (constant) A.rightCols(1).setZero();
  }
}

void Rows::set_u(const double* u, Index d) {
  d_ = d;
  all_.setZero(r_ + n_, whole_packs(d));
  all_.topLeftCorner(r_, d) = columns(u, r_, 0, d, d);
}

void Rows::set(const std::vector<double>& A) {
  all_.bottomLeftCorner(n_, d_) = Eigen::Map<const Matrix>(A.data(), n_, d_);
  if (still_.size() == 0) return;
  still_ = all_.block(r_, d_ - 1, n_, 1);
  clear_still(d_ - 1);
}

std::vector<double> Rows::get(int first, int count) const {
  std::vector<double> A(static_cast<std::size_t>(count * d_));
  Eigen::Map<Matrix> to(A.data(), count, d_);
  to = all_.block(r_ + first, 0, count, d_);
  if (still_.size() > 0) to.rightCols(1) = still_.middleRows(first, count);
  return A;
}

void Rows::clear_still(Index begin) {
  if (still_.size() > 0 && begin + tile_depth >= d_) all_.block(r_, d_ - 1, n_, 1).setZero();
}

void Rows::scale(int j, double factor, Index begin) {
  double* row = at(r_ + j, begin);
  for (Index c = 0; c < whole_packs(depth(begin)); c += lanes)
    store(row + c, factor * load(row + c));
}

void Rows::mix(int n, const double* M, Index begin) {
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

void Rows::add_products(Index begin, const Shape& shape, Matrix& to) const {
  const Index size = whole_packs(depth(begin));
  for (int j = 0; j < n_; ++j)
    for (int i = 0; i <= r_ + j; ++i)
      if (i < r_ || i == r_ + j || asked_for(shape, j, i - r_))
        to(j, i) += inner_product(at(r_ + j, begin), at(i, begin), size);
}

void Rows::look(const double* W, int k, Matrix& features, Matrix& gram) const {
  features = Matrix::Zero(n_, k);
  gram = Matrix::Zero(n_, n_);
  for (Index begin = 0; begin < d_; begin += tile_depth) {
    Poll::spend(depth(begin) * n_ * (k + n_) / 8);
    const auto tile = columns(at(r_, 0), n_, begin, depth(begin), stride());
    add_product_transposed(tile, tile, gram);
    add_product_transposed(tile, columns(W, k, begin, depth(begin), d_), features);
  }
}

void Rows::swap(Rows& other) { all_.swap(other.all_), still_.swap(other.still_); }

}  // namespace lrft
