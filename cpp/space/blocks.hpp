// Spaces whose inputs are vectors in R^d: drawn (ambient.hpp) or given (dataset.hpp).
//
// The inputs do not depend on the state, so they are taken in blocks and meet the network as matrix
// products.  For a block X (d x N) of inputs and the student's rows A (n x d) at its start,
//   Y = [W; u; A] X   and   G = X^T X
// are all that the steps inside need: after some of them
//   A_t = diag(alpha) (A - Gamma X^T),   A_t x = alpha (A x - Gamma (X^T x)),
// with a coefficient Gamma (n x N) an input, as step by step up to rounding.  With Pi, inputs are
// replaced by their part x~ outside span(W), whose Gram matrix is G - F^T F, F = pinv W X.
//
// A is formed once a block, a tile of coordinates at a time: where the next block is drawn, so that
// W passes once for both, or when the rows are asked for.  Blocks are fixed in absolute steps and
// of full width, so that no bit depends on where a run starts, records or ends.  A batch wider than
// a block is one of its own and needs no G.  Inputs are kept for the update where they fit in
// `kept_inputs` bytes and else asked for again: memory is that of W plus a few MiB.
//
// Cost an input: the input, 2 (k + r + n) d flops + N d flops; A is touched once a block.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "lrft/poll.hpp"
#include "population/statistics.hpp"
#include "simd/aligned.hpp"
#include "simd/layout.hpp"
#include "space/block_projection.hpp"
#include "space/rows.hpp"
#include "space/space.hpp"

namespace lrft {

// The block that a step is in.
struct BlockSize {
  explicit BlockSize(const Shape& shape)
      : steps(shape.plain && !shape.narrow() ? block_steps(shape.d, shape.batch) : 1),
        used(steps * shape.batch),
        N((used + lanes - 1) / lanes * lanes) {}
  int steps, used, N;  // its inputs; the same, rounded up to packs
};

// Where the inputs of blocks come from, and their labels.
class Inputs {
 public:
  virtual ~Inputs() = default;
  virtual void set_task(const TaskData& task, std::uint32_t replica) = 0;
  // The first step of a block.
  virtual void begin(std::int64_t step) = 0;
  // A step, and its position in the block; after that there are `count` inputs with labels.
  virtual void draw(std::int64_t step, int at) = 0;
  virtual int count() const = 0;
  virtual double label(int b) const = 0;
  // X (depth, N) = coordinates [begin, begin + depth) of the block's inputs, begin even; zero where
  // a step has fewer than its batch.
  virtual void tile(Index begin, Index depth, double* X) const = 0;
};

class Blocks {
 public:
  using Layout = NeuronLanes;
  using Scalar = double;
  static constexpr bool replays = true;

  Blocks(const Shape& shape, const RunSpec& spec, std::unique_ptr<Inputs> inputs);

  // Steps since the last state from which the path can be replayed.
  std::int64_t steps_back(std::int64_t step) const { return step % steps_; }

  // ---- one replica in and out ----------------------------------------------------
  void set_task(int, const TaskData& task, std::uint32_t replica);
  void set_rows(int, const std::vector<double>& rows);
  // The rows at the start of the block: what a replay needs.
  std::vector<double> rows_of(int);
  std::vector<double> rows_now(int);
  static std::vector<double> with_memory(std::vector<double> rows) { return rows; }
  std::size_t bias_at(std::size_t j) const { return (j + 1) * static_cast<std::size_t>(d_) - 1; }
  std::vector<double> draw_rows(const TaskData& task, std::uint32_t replica, bool unit) const;
  std::vector<double> given_rows(const StudentSpec& student) const;
  Statistics statistics(int, const TaskData& task);

  // ---- the step --------------------------------------------------------------------
  void draw(const std::uint64_t* steps);
  void undo_draw() {}
  // Of this step; fewer than a batch only where given inputs end.
  int inputs() const { return count_; }
  double share() const { return static_cast<double>(shape_.batch) / count_; }
  TaughtInput<double> input(int b) const {
    return {{features_.data() + (current_ + b) * packs_, rows_.data() + b * shape_.n},
            teacher_.data() + (current_ + b) * shape_.rank};
  }
  double label(int b) const { return inputs_->label(b); }
  void move(const Move<Scalar>& move);
  Scalar overlap() const { return alpha_[0] * teacher_now_(0, 0); }
  // The rows' inner products with each other, (n, n) lower triangle, and with u, (n, r).
  void products(Scalar* gram, Scalar* teacher) const;
  Scalar health() const { return health_; }

 protected:
  static constexpr std::size_t kept_inputs = std::size_t{4} << 20;

  void fields();

  void move_rows(const Move<Scalar>& move);
  void make_unit();
  // <A_i, A_j> after the rows have become M A - G^T X.
  LRFT_INLINE void move_product(int i, int j, const Scalar* G, const Scalar* M);

  void draw_block();
  // A tile x of the block's inputs meets the teacher, the features and the rows.
  void meet(Index begin, const double* x);

  // A tile of the block's inputs, drawn again where they are not kept, with zeros up to whole
  // packs: what the tile before left there would move the rows beyond their last coordinate.
  const double* tile_again(Index begin, Index depth) {
    double* x = X_.data() + (keep_ ? begin * N_ : 0);
    if (keep_) return x;
    inputs_->tile(begin, depth, x);
    std::fill(x + depth * N_, x + whole_packs(depth) * N_, 0.0);
    return x;
  }
  // What `form` needs of the block.
  void prepare();
  // A tile of the rows <- alpha (rows - Gamma X~^T).
  void form(Rows& rows, Index begin);
  // Forming rows polls, as drawing again does: at once, in a copy, or not at all.
  bool can_be_left() const { return slow_ || !keep_; }
  // Forms what is not formed yet, of the tiles from `begin` on, in a copy where that can be left.
  // `unit`: makes the rows unit, which no step before has done.
  void settle(Index begin = 0, bool unit = false);
  // With Pi, what rounding left of the rows inside span(W), which would grow as their length
  // shrinks
  // (`Shape::narrow`).
  void put_outside(Rows& rows);
  // Inputs' inner products with each other are.
  bool grams() const { return steps_ > 1; }
  // The inner products that steps need, afresh: a tile of them, and all.
  void sum(const Rows& rows, Index begin);
  void sum(const Rows& rows);
  void settled();
  void look_at_start(const Rows& rows);
  // Statistics of rows A (n, d), from these alone: n d (k + r + n) multiplications.
  Statistics look(const TaskData& task, std::vector<double> A) const;

  Shape shape_;
  std::uint64_t seed_;
  int steps_;  // of a block
  int used_;   // inputs of a block
  int N_;      // the same, rounded up to packs
  std::unique_ptr<Inputs> inputs_;
  int packs_;
  const TaskData* task_ = nullptr;
  Index d_ = 0;
  bool keep_ = true;
  bool waiting_ = false;  // the block is used up, its rows are not formed yet
  bool slow_ = false;     // to form rows takes long, and polls
  bool start_known_ = false;
  int count_ = 0;     // inputs of the current step
  int current_ = 0;   // the first of them
  int position_ = 0;  // inputs of this block already used
  BlockProjection projection_;
  Rows A_;                // at the block's start, or where `waiting_` at the one before
  Rows next_;             // the same to come, where forming them can be left
  Matrix X_;              // (d or tile, N)
  Matrix Y_;              // (k in packs + r + n, N)
  Matrix gram_;           // (N, N)  of x~
  Matrix teacher_moved_;  // (r, N)  <u, x~>
  Matrix gamma_;          // (n, N)
  Matrix turned_;         // (N, tile)  X^T
  Matrix back_;           // (n, N)  -Gamma
  Matrix sums_;           // (n, r + n)  A u^T, A A^T, being added up
  Matrix rows_start_;     // (n, N)  A x
  Matrix rows_now_;       // (n, N)  A x - Gamma (X^T x), without alpha
  Matrix features_start_, gram_start_;  // A W^T, A A^T; where asked for
  Matrix gram_now_;              // (n, n)  A A^T: its diagonal, or with `follow` its lower triangle
  Matrix teacher_now_;           // (n, r)  A u^T - Gamma <u, x~>, without alpha
  AlignedPacks features_;        // (N, k)
  std::vector<double> teacher_;  // (N, r)
  std::vector<double> rows_;     // (b, n)
  Eigen::VectorXd alpha_;        // (n)
  double health_ = 0;
};

LRFT_INLINE void Blocks::move_product(int i, int j, const double* G, const double* M) {
  const int n = shape_.n, batch = count_;
  const double *x = rows_.data(), still_i = A_.still(i), still_j = A_.still(j);
  double sum = gram_now_(j, i) * M[j] * M[i];
  for (int b = 0; b < batch; ++b, x += n) {
    const double gi = G[b * n + i], gj = G[b * n + j];
    sum -= M[j] * gi * (x[j] - still_j) + M[i] * gj * (x[i] - still_i);
    if (steps_ > 1)
      for (int l = 0; l < batch; ++l) sum += gj * G[l * n + i] * gram_(current_ + b, current_ + l);
  }
  gram_now_(j, i) = sum;
}

inline Input<double> without_teacher(const TaughtInput<double>& x) { return x; }
inline GeneralInput<Input<double>> without_teacher(const GeneralInput<TaughtInput<double>>& x) {
  return {x, x.from};
}

// Such blocks of inputs of one kind: drawn, or given with labels.
template <class Base, class Of>
class BlocksOf : public Base {
 public:
  static constexpr bool labelled = Of::labelled;
  using Whole = decltype(std::declval<const Base&>().input(0));
  using Input =
      std::conditional_t<labelled, decltype(without_teacher(std::declval<Whole>())), Whole>;

  BlocksOf(const Shape& shape, const RunSpec& spec)
      : Base(shape, spec, std::make_unique<Of>(shape, spec)) {}
  Input input(int b) const {
    if constexpr (labelled)
      return without_teacher(Base::input(b));
    else
      return Base::input(b);
  }
};

}  // namespace lrft
