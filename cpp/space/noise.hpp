// Label noise: a normal number a sample, of the standard deviation that the task says, and what
// the law of the inputs adds to labels.
#pragma once

#include <algorithm>
#include <vector>

#include "random/address.hpp"
#include "simd/layout.hpp"
#include "space/shape.hpp"

namespace lrft {

template <class Layout>
class LabelNoise {
 public:
  using Scalar = typename Layout::Scalar;

  LabelNoise(int batch, std::uint64_t seed)
      : random_(seed), noise_(static_cast<std::size_t>(batch), Layout::constant(0)) {}

  void set_task(int lane, const TaskData& task, std::uint32_t replica) {
    // One replica fills the pack with copies of itself.
    for (int i = lane; i < lanes; i += Layout::replicas) {
      scale_[i] = task.noise;
      replica_[i] = replica;
    }
    noisy_ = noisy_ || task.noise > 0;
  }
  // Of the steps `t`, one a lane.
  LRFT_INLINE void draw(const Bits& t) {
    if (noisy_) [[unlikely]]
      draw_noise(t);
  }
  // The same with these shifts (b) added; out of line, as few ask for it.
  __attribute__((noinline)) void draw(const Bits& t, const Scalar* shifts) {
    std::fill(noise_.begin(), noise_.end(), Layout::constant(0));
    draw(t);
    for (Scalar& noise : noise_) noise = noise + *shifts++;
  }
  const Scalar& operator[](int b) const { return noise_[static_cast<std::size_t>(b)]; }

 private:
  // Out of line: most labels have no noise, and asking is all that a step does for them.
  __attribute__((noinline)) void draw_noise(const Bits& t) {
    const Address at(random_, t, load_bits(replica_));
    std::uint64_t slot = 0;
    for (Scalar& noise : noise_) {
      alignas(64) double z[lanes];
      store(z, load(scale_) * at.normals(Purpose::noise, broadcast_bits(slot++)).first);
      noise = Layout::load(z);
    }
  }

  Philox random_;
  std::vector<Scalar> noise_;  // (b)
  alignas(64) double scale_[lanes] = {};
  alignas(64) std::uint64_t replica_[lanes] = {};
  bool noisy_ = false;
};

}  // namespace lrft
