// The paper's own case, on one screen: neurons w_i + xi c-hat_i u-hat, u-hat and c-hat on their
// unit spheres, a teacher of rank 1, and one input a step.  The update is Eq. 4,
//   u <- proj(u - lr (I - u u^T) Pi grad_u),   c <- proj(c - lr_c (I - c c^T) grad_c),
// both from the state before the step.
//
// `LowRank` is the same student for every batch, in every space, and linearised.  Here eight
// replicas in the reduced space take a step in so few operations that what is fixed, one row and
// one input, is most of its speed.
//
// Cost a step: 2k values and k derivatives of the activation, about 6 k operations.
#pragma once

#include "activation/activation.hpp"
#include "simd/columns.hpp"
#include "space/space.hpp"
#include "student/on_sphere.hpp"
#include "student/one_row.hpp"
#include "student/own_parameters.hpp"

namespace lrft {

class RankOne {
 public:
  using Layout = ReplicaLanes;
  using Scalar = Pack;
  static constexpr bool follows = false;

  RankOne(const Shape& shape, const StudentSpec& spec, const Activation& activation)
      : k_(shape.k),
        train_own_(spec.train_own),
        activation_(activation),
        c_(k_),
        lam_(k_),
        own_(k_),
        weighted_(k_),
        slope_(k_),
        gradient_(k_) {}

  // ---- one replica in and out of a lane --------------------------------------
  void set_task(int lane, const TaskData& task, const StudentSpec& student) {
    put_columns<Layout>(lam_, lane, task.lam, k_, 1);
    put_columns<Layout>(c_, lane, task.c, k_, 1);
    put(scale_, lane, task.neuron_scale);
    put(teacher_scale_, lane, task.neuron_scale * task.xi);
    put(row_scale_, lane, task.neuron_scale * student.scale);
    put(output_scale_, lane, task.output_scale);
    put(pull_scale_, lane, task.output_scale * task.neuron_scale * student.scale);
  }
  void set_start(int, const std::vector<double>&) {}
  void set_own(int lane, const std::vector<double>& own) {
    put_columns<Layout>(own_, lane, own, k_, 1);
    weigh();
  }
  std::vector<double> own_of(int lane) const { return columns_of<Layout>(own_, lane, k_, 1); }

  // ---- the step -----------------------------------------------------------------
  void begin() {}
  // f - f*; leaves sigma' of the student's neurons in slope_, and their sum with lambda c-hat.
  LRFT_INLINE Pack forward(const TaughtInput<Pack>& x) {
    const OneRowSums sums = sums_of(
        activation_, {x.features, c_.data(), own_.data(), lam_.data(), weighted_.data(), scale_,
                      teacher_scale_ * x.teacher[0], row_scale_ * x.rows[0], slope_.data(), k_});
    pull_ = sums.pull;
    return output_scale_ * sums.error;
  }
  LRFT_INLINE void gradient(int, const TaughtInput<Pack>& x, const Pack& slope, const Pack& lr) {
    G_ = slope * (lr * pull_scale_ * pull_);
    M_ = 1.0 + G_ * x.rows[0];  // of the tangent
    if (!train_own_) return;
    const Pack along = slope * pull_scale_ * x.rows[0];
    for (int i = 0; i < k_; ++i) gradient_[i] = lam_[i] * slope_[i] * along;
  }
  LRFT_INLINE Move<Pack> moves() const { return {&G_, &M_, true}; }
  LRFT_INLINE Pack move_own(const Pack& lr) {
    if (!train_own_) return broadcast(0.0);
    const Pack square = move_on_sphere<Layout>(gradient_.data(), k_, lr, own_.data());
    weigh();
    return square;
  }
  OwnParameters own_parameters() {
    return {own_.data(), gradient_.data(), 1, k_, k_, train_own_, true};
  }
  void own_moved() { weigh(); }

 private:
  void weigh() {
    for (int i = 0; i < k_; ++i) weighted_[i] = lam_[i] * own_[i];
  }

  int k_;
  bool train_own_;
  Activation activation_;
  AlignedPacks c_, lam_, own_, weighted_, slope_, gradient_;  // (k)
  Pack scale_ = {}, teacher_scale_ = {}, row_scale_ = {}, output_scale_ = {}, pull_scale_ = {};
  Pack pull_ = {}, G_ = {}, M_ = {};
};

}  // namespace lrft
