// The ambient space: inputs drawn in R^d, as the paper writes them.
#pragma once

#include "random/address.hpp"
#include "space/blocks.hpp"
#include "space/noise.hpp"

namespace lrft {

class GaussianInputs final : public Inputs {
 public:
  static constexpr bool labelled = false;

  GaussianInputs(const Shape& shape, const RunSpec& spec)
      : random_(spec.seed),
        noise_(shape.batch, spec.seed),
        batch_(shape.batch),
        used_(BlockSize(shape).used),
        N_(BlockSize(shape).N) {}

  void set_task(const TaskData& task, std::uint32_t replica) override {
    noise_.set_task(0, task, replica);
    replica_ = replica;
    pairs_ = (static_cast<std::uint64_t>(task.d) + 1) / 2;
  }
  void begin(std::int64_t step) override { first_step_ = static_cast<std::uint64_t>(step); }
  void draw(std::int64_t step, int) override {
    noise_.draw(broadcast_bits(static_cast<std::uint64_t>(step)));
  }
  int count() const override { return batch_; }
  double label(int b) const override { return noise_[b]; }
  void tile(Index begin, Index depth, double* X) const override {
    for (int column = 0; column < N_; column += lanes) {
      Poll::spend(2 * depth * lanes);
      std::uint64_t step[lanes], offset[lanes];
      for (int q = 0; q < lanes; ++q) {
        const auto input = static_cast<std::uint64_t>(std::min(column + q, used_ - 1));
        const auto batch = static_cast<std::uint64_t>(batch_);
        step[q] = first_step_ + input / batch;
        offset[q] = input % batch * pairs_;
      }
      const Bits slot = load_bits(offset) + broadcast_bits(static_cast<std::uint64_t>(begin) / 2);
      Address(random_, load_bits(step), broadcast_bits(replica_))
          .normals(Purpose::inputs, slot, depth, X + column, N_);
    }
  }

 private:
  Philox random_;
  LabelNoise<NeuronLanes> noise_;
  int batch_;
  int used_, N_;  // inputs of a block; the same, rounded up to packs
  std::uint32_t replica_ = 0;
  std::uint64_t pairs_ = 0;  // counters an input
  std::uint64_t first_step_ = 0;
};

using AmbientSpace = BlocksOf<Blocks, GaussianInputs>;

}  // namespace lrft
