// Spaces of inputs in R^d of the general step: batches may be used again, or an optimiser remember
// more of the rows than where they are.
//
// Beside such an optimiser every step is a block of its own, after which all rows are formed: with
// g = G^T X,
//   row (a, j) <- sum_c M[a][c][j] row (c, j) - gamma[a][j] g_j,   a tile of coordinates at a time.
//
// Cost an input: that of a block of one batch, groups^2 n d for the rows, and n d for the length of
// a gradient where it is asked for.
#pragma once

#include <vector>

#include "space/blocks_again.hpp"

namespace lrft {

class BlocksGeneral : public BlocksAgain {
 public:
  using Scalar = double;
  using BlocksAgain::BlocksAgain;
  using BlocksAgain::move;

  std::vector<double> with_memory(const std::vector<double>& rows) const;
  std::vector<double> rows_now(int lane, double share = 1);
  Statistics statistics(int lane, const TaskData& task, double share = 1);
  Scalar overlap() const { return alpha_[0] * teacher_now_(shape_.first_row, 0); }
  void products(Scalar* gram, Scalar* teacher) const;

  // ---- the step ---------------------------------------------------------------------------
  void take_gradient(const Scalar* G);
  Scalar gradient_square() const { return square_; }
  Scalar along_velocity(int j) const { return gram_now_(shape_.first_row + j, j); }
  // Where forming rows can be left, they are formed in a copy.
  void move(const MixedMove<Scalar>& move);

 private:
  // The square of the gradient's length, a tile of coordinates at a time.
  void measure();
  void form(const MixedMove<Scalar>& move, Rows& rows);

  const Scalar* G_ = nullptr;  // (b, n) of the gradient taken
  Scalar square_ = 0;          // of its length
};

}  // namespace lrft
