// Spaces of inputs in R^d where a batch is used more than once.
//
// In a block with a Gram matrix another move along the same inputs is an addition to their
// coefficients,
//   A_t = diag(alpha) (A - Gamma X^T),   alpha <- M alpha,   Gamma <- Gamma + G^T / alpha,
// and the fields of the moved rows are read off the Gram matrix.  A batch that is a block of its
// own has none: rows are formed after each use, and meet its inputs again.
//
// Cost of a use: b N n in a block; else that of the first, the features apart.
#pragma once

#include "space/blocks.hpp"

namespace lrft {

template <class Inputs>
class BlocksAgain : public Blocks<Inputs> {
  using Base = Blocks<Inputs>;
  using Base::alpha_, Base::count_, Base::current_, Base::gamma_, Base::gram_, Base::gram_now_,
      Base::health_, Base::rows_, Base::rows_now_, Base::shape_, Base::steps_, Base::teacher_now_;

 public:
  using Input = AgainInput<typename Base::Input>;
  using Scalar = double;

  BlocksAgain(const Shape& shape, const RunSpec& spec)
      : Base(shape, spec), from_(shape.ahead ? rows_.size() : 0), marked_A_(this->A_) {}

  void draw(const std::uint64_t* steps) {
    Base::draw(steps);
    // Theirs in the block before.
    if (shape_.uses > 1) coefficients().setZero();
  }
  Input input(int b) const {
    const auto x = Base::input(b);
    return {x, shape_.ahead ? from_.data() + b * shape_.n : x.rows};
  }
  void move(const Move<Scalar>& move) {
    if (shape_.uses == 1 || steps_ == 1) return Base::move(move);
    const int n = shape_.n;
    health_ = 0;
    for (int j = 0; j < n; ++j) {
      for (int i = shape_.follow ? 0 : j; i <= j; ++i) this->move_product(i, j, move.G, move.M);
      health_ += gram_now_(j, j);
      alpha_[j] *= move.M[j];
      for (int b = 0; b < count_; ++b) {
        const int q = current_ + b;
        const double step = move.G[b * n + j] / alpha_[j];
        gamma_(j, q) += step;
        rows_now_.row(j) -= step * gram_.row(q);
        teacher_now_.row(j) -= step * this->teacher_moved_.col(q).transpose();
      }
    }
    if (move.unit) this->make_unit();
  }
  void again() {
    if (steps_ == 1) meet_again();
    this->fields();
  }
  void done() {
    if (steps_ == 1) return;  // the rows are formed
    this->position_ = current_ + shape_.batch;
    this->waiting_ = this->position_ == this->used_;
    if (this->waiting_ && this->can_be_left()) this->settle();
  }
  void mark() {
    marked_.alpha = alpha_;
    marked_.gram = gram_now_;
    marked_.rows = rows_now_;
    marked_.teacher = teacher_now_;
    marked_.fields = rows_;
    std::copy_n(rows_.begin(), from_.size(), from_.begin());
    if (steps_ > 1) return;
    marked_A_ = this->A_;
    marked_.features_start = this->features_start_;
    marked_.gram_start = this->gram_start_;
  }
  void back() {
    alpha_ = marked_.alpha;
    gram_now_ = marked_.gram;
    rows_now_ = marked_.rows;
    teacher_now_ = marked_.teacher;
    rows_ = marked_.fields;
    coefficients().setZero();
    this->position_ = current_;
    this->waiting_ = false;
    if (steps_ > 1) return;
    this->A_ = marked_A_;
    this->features_start_ = marked_.features_start;
    this->gram_start_ = marked_.gram_start;
  }

 private:
  // Those of the step's inputs in Gamma.
  auto coefficients() { return gamma_.middleCols(current_, shape_.batch); }
  // The fields of the rows as they are formed now.
  void meet_again() {
    rows_now_.setZero();
    for (Index begin = 0; begin < this->d_; begin += tile_depth) {
      const Index depth = std::min(tile_depth, this->d_ - begin);
      double* x = this->X_.data() + (this->keep_ ? begin * this->N_ : 0);
      if (this->slow_) Poll::spend(depth * this->N_ * shape_.n / 8);
      if (!this->keep_) this->inputs_.tile(begin, depth, x);
      product({this->A_.at(shape_.rank, begin), this->A_.stride(), 1}, shape_.n, {x, this->N_},
              depth, this->N_, rows_now_.data(), this->N_);
    }
  }

  std::vector<double> from_;  // (b, n)  the fields of the rows at the mark
  Rows marked_A_;             // the rows there, where they are formed
  struct {
    Eigen::VectorXd alpha;
    Matrix gram, rows, teacher, features_start, gram_start;
    std::vector<double> fields;
  } marked_;
};

}  // namespace lrft
