// The ambient space: inputs drawn in R^d, as the paper writes them.
//
// Where they have a law of their own within S (space/law.hpp) they are drawn once more, where a
// block begins, for what they are along its directions; but for eigenvalue blocks of their
// covariance, which scale coordinates.
// Cost an input: its normals; with a law, those again and 4 q d operations.
#pragma once

#include <algorithm>
#include <vector>

#include "random/address.hpp"
#include "space/blocks.hpp"
#include "space/law.hpp"
#include "space/noise.hpp"
#include "space/product.hpp"

namespace lrft {

class GaussianInputs final : public Inputs {
 public:
  static constexpr bool labelled = false;

  GaussianInputs(const Shape& shape, const RunSpec& spec)
      : random_(spec.seed),
        noise_(shape.batch, spec.seed),
        law_(shape, spec.seed),
        q_(shape.directions),
        constant_(shape.constant),
        // Row 0 of V_x is the constant's.
        first_(shape.blocks > 0 ? q_
               : shape.constant ? 1
                                : 0),
        // Rows that do not move along it keep their part of it apart.
        one_(shape.still ? 0 : 1),
        batch_(shape.batch),
        used_(BlockSize(shape).used),
        N_(BlockSize(shape).N),
        added_(q_ * N_ / lanes),
        shifts_(static_cast<std::size_t>(law_.there() ? N_ : 0)) {}

  void set_task(const TaskData& task, std::uint32_t replica) override {
    noise_.set_task(0, task, replica);
    if (law_.there()) law_.set_task(0, task, replica);
    task_ = &task;
    d_ = static_cast<Index>(task.d);
    replica_ = replica;
    pairs_ = (static_cast<std::uint64_t>(task.d) + (constant_ ? 0 : 1)) / 2;  // none for that
  }
  void begin(std::int64_t step) override {
    places_.clear();
    for (int column = 0; column < N_; column += lanes)
      places_.push_back(place(static_cast<std::uint64_t>(step), column));
    if (law_.there()) find_law();
  }
  void draw(std::int64_t step, int at) override {
    const Bits t = broadcast_bits(static_cast<std::uint64_t>(step));
    if (law_.shifts())
      noise_.draw(t, shifts_.data() + at * batch_);
    else
      noise_.draw(t);
  }
  int count() const override { return batch_; }
  double label(int b) const override { return noise_[b]; }
  void tile(Index begin, Index depth, double* X) const override {
    normals(begin, depth, X);
    scale_blocks(begin, depth, X);
    if (first_ < q_)
      product({task_->V_x + first_ * d_ + begin, 1, d_}, static_cast<int>(depth),
              {added_.doubles() + first_ * N_, N_}, q_ - first_, N_, X, N_);
    if (constant_ && begin + depth == d_) std::fill_n(X + (depth - 1) * N_, N_, one_);
  }

 private:
  // Eight inputs of a block from `column` on.  Their divisions, once a tile, would cost a fiftieth
  // of all.
  struct Place {
    Address address;
    Bits step, slot;  // of the first of their numbers
    Bits input;       // within their batch
  };
  Place place(std::uint64_t first_step, int column) const {
    std::uint64_t step[lanes], input[lanes], slot[lanes];
    for (int q = 0; q < lanes; ++q) {
      const auto i = static_cast<std::uint64_t>(std::min(column + q, used_ - 1));
      const auto batch = static_cast<std::uint64_t>(batch_);
      step[q] = first_step + i / batch;
      input[q] = i % batch;
      slot[q] = input[q] * pairs_;
    }
    const Bits steps = load_bits(step);
    return {Address(random_, steps, broadcast_bits(replica_)), steps, load_bits(slot),
            load_bits(input)};
  }
  void normals(Index begin, Index depth, double* X) const {
    const Bits from = broadcast_bits(static_cast<std::uint64_t>(begin) / 2);
    for (const Place& at : places_) {
      Poll::spend(2 * depth * lanes);
      const Address address = at.address;
      address.normals(Purpose::inputs, at.slot + from, depth, X, N_);
      X += lanes;
    }
  }
  // Coordinates of each eigenvalue block, to its variance.
  void scale_blocks(Index begin, Index depth, double* X) const {
    double block = 0;
    for (std::size_t c = 0; c < task_->block_d.size(); block += task_->block_d[c++]) {
      const Index first = std::max(static_cast<Index>(block), begin);
      const Index end = std::min(static_cast<Index>(block + task_->block_d[c]), begin + depth);
      const double root = std::sqrt(task_->variances[c]);
      for (Index i = (first - begin) * N_; i < (end - begin) * N_; ++i) X[i] *= root;
    }
  }
  // What the law adds to the inputs of the block along its directions, and to their labels.
  void find_law() {
    std::fill_n(added_.doubles(), q_ * N_, 0.0);
    std::vector<double> X(static_cast<std::size_t>(first_ < q_ ? tile_depth * N_ : 0));
    for (Index begin = 0; begin < d_ && first_ < q_; begin += tile_depth) {
      const Index depth = std::min(tile_depth, d_ - begin);
      normals(begin, depth, X.data());
      product({task_->V_x + first_ * d_ + begin, d_, 1}, q_ - first_, {X.data(), N_}, depth, N_,
              added_.doubles() + first_ * N_, N_);
    }
    for (int column = 0; column < N_; column += lanes) {
      const Place& at = places_[static_cast<std::size_t>(column / lanes)];
      law_.draw(at.step, at.input);
      for (int j = first_; j < q_; ++j) {
        double* added = added_.doubles() + j * N_ + column;
        store(added, law_.added(j, load(added)));
      }
      store(shifts_.data() + column, law_.shift());
    }
  }

  Philox random_;
  LabelNoise<NeuronLanes> noise_;
  LawAlong<NeuronLanes> law_;
  int q_;
  bool constant_;
  int first_;  // direction of the law that is drawn
  double one_;
  int batch_;
  int used_, N_;                // inputs of a block; the same, rounded up to packs
  AlignedPacks added_;          // (q, N)
  std::vector<double> shifts_;  // (N)
  const TaskData* task_ = nullptr;
  Index d_ = 0;
  std::uint32_t replica_ = 0;
  std::uint64_t pairs_ = 0;  // counters an input
  std::vector<Place> places_;
};

using AmbientSpace = BlocksOf<Blocks, GaussianInputs>;

}  // namespace lrft
