#include "space/blocks_general.hpp"

#include "space/product.hpp"

namespace lrft {

std::vector<double> BlocksGeneral::with_memory(const std::vector<double>& rows) const {
  Matrix all = Matrix::Zero(shape_.rows, d_);
  all.middleRows(shape_.first_row, shape_.n) = Eigen::Map<const Matrix>(rows.data(), shape_.n, d_);
  if (shape_.still)  // where no move would bring the averages
    for (int j = shape_.first_row + shape_.n; j < shape_.rows; ++j)
      all(j, d_ - 1) = all(j - shape_.n, d_ - 1);
  return {all.data(), all.data() + all.size()};
}

std::vector<double> BlocksGeneral::rows_now(int lane, double share) {
  if (shape_.plain) return BlocksAgain::rows_now(lane);
  std::vector<double> own = A_.get(shape_.first_row, shape_.n);
  if (share == 1) return own;
  const std::vector<double> averages = A_.get(shape_.rows - shape_.n, shape_.n);
  for (std::size_t i = 0; i < own.size(); ++i) own[i] = share * own[i] + (1 - share) * averages[i];
  return own;
}

Statistics BlocksGeneral::statistics(int lane, const TaskData& task, double share) {
  if (shape_.plain) return BlocksAgain::statistics(lane, task);
  return look(task, rows_now(lane, share));
}

void BlocksGeneral::products(double* gram, double* teacher) const {
  const int n = shape_.n, r = shape_.rank, first = shape_.first_row;
  for (int j = 0; j < n; ++j) {
    for (int i = 0; i <= j; ++i) gram[j * n + i] = gram_now_(first + j, first + i);
    for (int i = 0; i < r; ++i) teacher[j * r + i] = alpha_[j] * teacher_now_(first + j, i);
  }
}

void BlocksGeneral::take_gradient(const double* G) {
  G_ = G;
  if (shape_.sized) measure();
}

void BlocksGeneral::move(const MixedMove<double>& move) {
  back_.setZero(shape_.rows, N_);
  for (int i = 0; i < shape_.rows; ++i)
    for (int b = 0; b < count_; ++b) back_(i, b) = -move.gamma[i] * G_[b * shape_.n + i % shape_.n];
  projection_.prepare(back_);
  if (!can_be_left()) return form(move, A_);
  next_ = A_;
  form(move, next_);
  A_.swap(next_);
}

void BlocksGeneral::measure() {
  const int n = shape_.n, k = shape_.k;
  Matrix g(n, tile_depth);
  back_.setZero(n, N_);
  for (int j = 0; j < n; ++j)
    for (int b = 0; b < count_; ++b) back_(j, b) = G_[b * n + j];
  projection_.prepare(back_);
  square_ = 0;
  for (Index begin = 0; begin < d_; begin += tile_depth) {
    const Index depth = std::min(tile_depth, d_ - begin);
    if (slow_) Poll::spend(depth * n * (N_ + k) / 8);
    const double* x = tile_again(begin, depth);
    g.setZero();
    product_transposed(back_.data(), n, {x, N_}, whole_packs(depth), N_, g.data(), tile_depth,
                       turned_.data());
    projection_.take_back(begin, depth, g.data(), tile_depth);
    if (shape_.still && begin + depth == d_) g.col(depth - 1).setZero();
    square_ += g.leftCols(depth).squaredNorm();
  }
}

void BlocksGeneral::form(const MixedMove<double>& move, Rows& rows) {
  const int N = shape_.rows, k = shape_.k, first = shape_.first_row;
  sums_.setZero();
  for (Index begin = 0; begin < d_; begin += tile_depth) {
    const Index depth = std::min(tile_depth, d_ - begin);
    if (slow_) Poll::spend(depth * N * (N_ + k) / 8);
    const double* x = tile_again(begin, depth);
    rows.mix(shape_.n, move.M, begin);
    double* to = rows.at(shape_.rank, begin);
    product_transposed(back_.data(), N, {x, N_}, whole_packs(depth), N_, to, rows.stride(),
                       turned_.data());
    projection_.take_back(begin, depth, to, rows.stride());
    rows.clear_still(begin);
    sum(rows, begin);
  }
  if (shape_.narrow()) put_outside(rows);
  health_ = sums_.rightCols(N).trace();
  if (move.unit) {
    for (int j = first; j < first + shape_.n; ++j)
      for (Index c = 0; c < d_; c += tile_depth)
        rows.scale(j, 1 / std::sqrt(sums_(j, shape_.rank + j)), c);
    sum(rows);
  }
  settled();
}

}  // namespace lrft
