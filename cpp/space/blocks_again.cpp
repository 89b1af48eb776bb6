#include "space/blocks_again.hpp"

#include "space/product.hpp"

namespace lrft {

BlocksAgain::BlocksAgain(const Shape& shape, const RunSpec& spec, std::unique_ptr<Inputs> inputs)
    : Blocks(shape, spec, std::move(inputs)),
      from_(shape.ahead ? rows_.size() : 0),
      marked_A_(A_) {}

void BlocksAgain::draw(const std::uint64_t* steps) {
  Blocks::draw(steps);
  // Theirs in the block before.
  if (shape_.uses > 1) coefficients().setZero();
}

void BlocksAgain::move(const Move<double>& move) {
  if (shape_.uses == 1 || steps_ == 1) return Blocks::move(move);
  const int n = shape_.n;
  health_ = 0;
  for (int j = 0; j < n; ++j) {
    for (int i = shape_.follow ? 0 : j; i <= j; ++i) move_product(i, j, move.G, move.M);
    health_ += gram_now_(j, j);
    alpha_[j] *= move.M[j];
    for (int b = 0; b < count_; ++b) {
      const int q = current_ + b;
      const double step = move.G[b * n + j] / alpha_[j];
      gamma_(j, q) += step;
      rows_now_.row(j) -= step * gram_.row(q);
      teacher_now_.row(j) -= step * teacher_moved_.col(q).transpose();
    }
  }
  if (move.unit) make_unit();
}

void BlocksAgain::again() {
  if (steps_ == 1) meet_again();
  fields();
}

void BlocksAgain::done() {
  if (steps_ == 1) return;  // the rows are formed
  position_ = current_ + shape_.batch;
  waiting_ = position_ == used_;
  if (waiting_ && can_be_left()) settle();
}

void BlocksAgain::mark() {
  marked_.alpha = alpha_;
  marked_.gram = gram_now_;
  marked_.rows = rows_now_;
  marked_.teacher = teacher_now_;
  marked_.fields = rows_;
  std::copy_n(rows_.begin(), from_.size(), from_.begin());
  if (steps_ > 1) return;
  marked_A_ = A_;
  marked_.features_start = features_start_;
  marked_.gram_start = gram_start_;
}

void BlocksAgain::back() {
  alpha_ = marked_.alpha;
  gram_now_ = marked_.gram;
  rows_now_ = marked_.rows;
  teacher_now_ = marked_.teacher;
  rows_ = marked_.fields;
  coefficients().setZero();
  position_ = current_;
  waiting_ = false;
  if (steps_ > 1) return;
  A_ = marked_A_;
  features_start_ = marked_.features_start;
  gram_start_ = marked_.gram_start;
}

void BlocksAgain::meet_again() {
  rows_now_.setZero();
  for (Index begin = 0; begin < d_; begin += tile_depth) {
    const Index depth = std::min(tile_depth, d_ - begin);
    if (slow_) Poll::spend(depth * N_ * shape_.n / 8);
    const double* x = tile_again(begin, depth);
    product({A_.at(shape_.rank, begin), A_.stride(), 1}, shape_.n, {x, N_}, depth, N_,
            rows_now_.data(), N_);
  }
}

}  // namespace lrft
