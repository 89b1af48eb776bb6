// A space of the general step: the same inputs, whose labels are whole where the loss needs more of
// them than the error, or the teacher is no perturbed base.  Then the student sees an input without
// what its teacher sees of it, and gets y = f*(x) + noise, or for a loss of labels +-1 the sign of
// that, turned over with a probability.  Else inputs are taught, as in the plain step.
//
// Labels belong to the batch: they are made where it is drawn, and stay however often it is used.
#pragma once

#include <vector>

#include "random/address.hpp"
#include "space/teacher.hpp"

namespace lrft {

// Which labels become signs, and which of these are turned over.
template <class Layout>
class Signs {
 public:
  using Scalar = typename Layout::Scalar;

  explicit Signs(std::uint64_t seed) : random_(seed) {}

  void set_replica(int lane, std::uint32_t replica) {
    // One replica fills the pack with copies of itself.
    for (int i = lane; i < lanes; i += Layout::replicas) replica_[i] = replica;
  }
  void set_plan(int lane, const TrainingData& plan) {
    const bool wanted = plan.loss.kind == LossData::Kind::logistic;
    for (int i = lane; i < lanes; i += Layout::replicas) {
      signs_[i] = wanted ? 1 : 0;
      flip_[i] = wanted ? plan.loss.flip : 0;
    }
    wanted_ = wanted_ || wanted;
  }
  // The labels (b) of the steps, one a lane.  Without steps none is turned over; for tests.
  void apply(const std::uint64_t* steps, std::vector<Scalar>& labels) const {
    if (!wanted_) return;
    const Mask signs = load(signs_) > 0.0;
    std::uint64_t slot = 0;
    for (Scalar& label : labels) {
      const Pack y = Layout::spread(label);
      Pack one = copysign(broadcast(1.0), y + 0.0);  // that of -0 is +1
      if (steps != nullptr) {
        const Address at(random_, load_bits(steps), load_bits(replica_));
        const Output bits = at.bits(Purpose::flips, broadcast_bits(slot++));
        one = select(low32_to_double(bits.a >> 32) * 0x1p-32 < load(flip_), -one, one);
      }
      const Pack made = select(signs, one, y);
      label = Layout::entry(&made, 0);
    }
  }

 private:
  Philox random_;
  alignas(64) double signs_[lanes] = {}, flip_[lanes] = {};
  alignas(64) std::uint64_t replica_[lanes] = {};
  bool wanted_ = false;
};

// Is the teacher's output asked for by itself, and not only how far the student's is from it?
inline bool needs_whole_labels(const RunSpec& spec) {
  const LossData::Kind loss = spec.trainings.front().loss.kind;
  return loss == LossData::Kind::correlation || loss == LossData::Kind::logistic ||
         spec.tasks.front().link != LinkKind::none;
}

template <class S>
class AnyLabels : public S {
 public:
  using Layout = typename S::Layout;
  using Scalar = typename S::Scalar;
  using Input = typename S::Input;

  AnyLabels(const Shape& shape, const RunSpec& spec)
      : S(shape, spec),
        whole_(needs_whole_labels(spec)),
        teacher_(shape, spec),
        signs_(spec.seed),
        labels_(static_cast<std::size_t>(shape.batch), Layout::constant(0)) {}

  void set_task(int lane, const TaskData& task, std::uint32_t replica) {
    S::set_task(lane, task, replica);
    teacher_.set_task(lane, task);
    signs_.set_replica(lane, replica);
  }
  void set_plan(int lane, const TrainingData& plan) { signs_.set_plan(lane, plan); }
  void draw(const std::uint64_t* steps) {
    S::draw(steps);
    if (whole_) find_labels(steps, [this](int b) { return S::label(b); });
  }
  bool whole() const { return whole_; }
  // Whole labels of the inputs that are there, with noise(b).
  template <class Noise>
  void find_labels(const std::uint64_t* steps, const Noise& noise) {
    for (int b = 0; b < S::inputs(); ++b)
      labels_[static_cast<std::size_t>(b)] = teacher_.output(S::input(b)) + noise(b);
    signs_.apply(steps, labels_);
  }
  LRFT_INLINE Input input(int b) const {
    Input x = S::input(b);
    if (whole_) x.teacher = nullptr;
    return x;
  }
  Scalar label(int b) const { return whole_ ? labels_[static_cast<std::size_t>(b)] : S::label(b); }

 private:
  bool whole_;
  Teacher<Layout> teacher_;
  Signs<Layout> signs_;
  std::vector<Scalar> labels_;  // (b)
};

}  // namespace lrft
