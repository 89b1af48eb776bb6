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

class BlocksAgain : public Blocks {
 public:
  using Input = GeneralInput<TaughtInput<double>>;
  using Scalar = double;

  BlocksAgain(const Shape& shape, const RunSpec& spec, std::unique_ptr<Inputs> inputs);

  void draw(const std::uint64_t* steps);
  Input input(int b) const {
    const auto x = Blocks::input(b);
    return {x, shape_.ahead ? from_.data() + b * shape_.n : x.rows};
  }
  void move(const Move<Scalar>& move);
  void again();
  void done();
  void mark();
  void back();

 private:
  // Those of the step's inputs in Gamma.
  auto coefficients() { return gamma_.middleCols(current_, shape_.batch); }
  // The fields of the rows as they are formed now.
  void meet_again();

  std::vector<double> from_;  // (b, n)  the fields of the rows at the mark
  Rows marked_A_;             // the rows there, where they are formed
  struct {
    Eigen::VectorXd alpha;
    Matrix gram, rows, teacher, features_start, gram_start;
    std::vector<double> fields;
  } marked_;
};

}  // namespace lrft
