// The full network: n neurons, the rows V (n x d), and n output weights, all Euclidean.
//
//   f(x) = output_scale sum_j lam_j sigma(neuron_scale <v_j, x>)
//
// From the base this is full fine-tuning, from normal rows learning from scratch.  The
// teacher is the same as for every student, W + xi c u^T.  The gradient is the mean over
// the batch of that of the loss: G (b x n) holds lr d/d<v_j, x>, and M is the identity.
//
// Linearised, lam_j sigma(z_j) becomes lam_j sigma(z0_j) + lam0_j sigma'(z0_j) (z_j - z0_j), the
// expansion in rows and output weights around the start, whose rows are features of the task.
//
// Cost a sample: k + n values and n derivatives of the activation, about 4 n operations.
#pragma once

#include "activation/activation.hpp"
#include "simd/columns.hpp"
#include "space/space.hpp"
#include "student/own_parameters.hpp"

namespace lrft {

template <class Layout>
class Full {
 public:
  using Scalar = typename Layout::Scalar;
  static constexpr bool follows = false;  // no single overlap, no thresholds on it

  Full(const Shape& shape, const StudentSpec& spec, const Activation& activation)
      : shape_(shape),
        packs_(Layout::packs(shape.k)),
        own_packs_(Layout::packs(shape.n)),
        train_own_(spec.train_own),
        linear_(spec.linearized),
        start_(spec.start),
        activation_(activation),
        c_(packs_ * shape.rank),
        lam_(packs_),
        target_(packs_),
        own_(own_packs_),
        own_start_(own_packs_),
        moved_(own_packs_),
        gradient_(own_packs_),
        sigma_(own_packs_),
        slope_(own_packs_),
        push_(own_packs_),
        G_(static_cast<std::size_t>(shape.batch * shape.n), Layout::constant(0)),
        M_(static_cast<std::size_t>(shape.n), Layout::constant(1)) {}

  // ---- one replica in and out of a lane --------------------------------------
  void set_task(int lane, const TaskData& task, const StudentSpec&) {
    put_columns<Layout>(lam_, lane, task.lam, shape_.k, 1);
    put_columns<Layout>(c_, lane, task.c, shape_.k, shape_.rank);
    put(xi_, lane, task.xi);
    put(neuron_scale_, lane, task.neuron_scale);
    put(output_scale_, lane, task.output_scale);
    put(pull_scale_, lane, 1.0 / shape_.batch * task.output_scale);
  }
  void set_own(int lane, const std::vector<double>& own) {
    put_columns<Layout>(own_, lane, own, shape_.n, 1);
  }
  // The output weights around which a linearised student is expanded.
  void set_start(int lane, const std::vector<double>& own) {
    put_columns<Layout>(own_start_, lane, own, shape_.n, 1);
  }
  std::vector<double> own_of(int lane) const { return columns_of<Layout>(own_, lane, shape_.n, 1); }

  // ---- the step -----------------------------------------------------------------
  void begin() {
    if (train_own_)
      for (int j = 0; j < own_packs_; ++j) gradient_[j] = broadcast(0.0);
  }
  // f, of a taught input f - f*; leaves sigma and sigma' of the student's neurons in
  // sigma_ and slope_.
  template <class X>
  Scalar forward(const X& x) {
    if (shape_.slow()) Poll::spend(shape_.units / shape_.batch);
    if constexpr (Taught<X>)
      if (taught(x)) teach(x);
    sigma_[own_packs_ - 1] = broadcast(0.0);  // what only fills up stays finite
    for (int j = 0; j < shape_.n; ++j)
      Layout::set_entry(sigma_.data(), j, neuron_scale_ * x.rows[j]);
    if (linear_) {
      moved_[own_packs_ - 1] = broadcast(0.0);
      for (int j = 0; j < shape_.n; ++j) {
        const Scalar z0 = neuron_scale_ * Layout::entry(x.features, start_ + j);
        Layout::set_entry(moved_.data(), j, neuron_scale_ * x.rows[j] - z0);
        Layout::set_entry(sigma_.data(), j, z0);
      }
    }
    activation_.both(activation_.data, sigma_.doubles(), sigma_.doubles(), slope_.doubles(),
                     own_packs_);
    Pack f = broadcast(0.0), y = broadcast(0.0);
    for (int j = 0; j < own_packs_; ++j) f = fma(own_[j], sigma_[j], f);
    if (linear_)
      for (int j = 0; j < own_packs_; ++j) f = fma(own_start_[j] * slope_[j], moved_[j], f);
    if (taught(x))
      for (int i = 0; i < packs_; ++i) y = fma(lam_[i], target_[i], y);
    return output_scale_ * Layout::reduce(f - y);
  }
  template <class X>
  void gradient(int b, const X&, const Scalar& slope, const Scalar& lr) {
    // The slopes of the loss in the output weights and in the fields.
    const Scalar pull = slope * pull_scale_;
    const Pack along = Layout::spread(pull);
    const Pack* weight = linear_ ? own_start_.data() : own_.data();
    const Pack push = Layout::spread(lr * (pull * neuron_scale_));
    for (int j = 0; j < own_packs_; ++j) push_[j] = push * (weight[j] * slope_[j]);
    if (train_own_)
      for (int j = 0; j < own_packs_; ++j) gradient_[j] = fma(along, sigma_[j], gradient_[j]);
    for (int j = 0; j < shape_.n; ++j)
      G_[static_cast<std::size_t>(b * shape_.n + j)] = Layout::entry(push_.data(), j);
  }
  Move<Scalar> moves() const { return {G_.data(), M_.data(), false}; }
  // Own parameters are to be what they are here.
  void mark() {
    if (train_own_) marked_ = own_;
  }
  void back() {
    if (train_own_) own_ = marked_;
  }
  // The square of the output weights.
  Scalar move_own(const Scalar& lr) {
    if (!train_own_) return Layout::constant(0);
    const Pack rate = Layout::spread(lr);
    for (int j = 0; j < own_packs_; ++j) own_[j] = fma(-rate, gradient_[j], own_[j]);
    clear_padding(own_);
    Pack square = broadcast(0.0);
    for (int j = 0; j < own_packs_; ++j) square = fma(own_[j], own_[j], square);
    return Layout::reduce(square);
  }
  OwnParameters own_parameters() {
    clear_padding(gradient_);
    return {own_.data(), gradient_.data(), 1, shape_.n, own_packs_, train_own_, false};
  }
  void own_moved() {}

 private:
  // sigma of the teacher's neurons in target_.
  void teach(const TaughtInput<Scalar>& x) {
    const Pack scale = Layout::spread(neuron_scale_);
    for (int i = 0; i < packs_; ++i) target_[i] = scale * x.features[i];
    for (int j = 0; j < shape_.rank; ++j) {
      const Pack v = Layout::spread(neuron_scale_ * xi_ * x.teacher[j]);
      for (int i = 0; i < packs_; ++i) target_[i] = fma(c_[j * packs_ + i], v, target_[i]);
    }
    activation_.value(activation_.data, target_.doubles(), target_.doubles(), packs_);
  }
  // Neurons that only fill up a pack have no weight.
  void clear_padding(AlignedPacks& numbers) const {
    if constexpr (Layout::replicas == 1)
      for (int j = shape_.n; j < own_packs_ * lanes; ++j) numbers.doubles()[j] = 0;
  }

  Shape shape_;
  int packs_, own_packs_;
  bool train_own_, linear_;
  int start_;  // the feature that is the first row of the start
  Activation activation_;
  AlignedPacks c_;          // (r, k)
  AlignedPacks lam_;        // (k)  the teacher's output weights
  AlignedPacks target_;     // (k)
  AlignedPacks own_;        // (n)  the student's
  AlignedPacks own_start_;  // (n)  the same at the start, of a linearised student
  AlignedPacks marked_;     // (n)  the student's at the mark
  AlignedPacks moved_;      // (n)  <v - v0, x>
  AlignedPacks gradient_, sigma_, slope_, push_;  // (n)
  Scalar xi_ = Layout::constant(0), neuron_scale_ = Layout::constant(0),
         output_scale_ = Layout::constant(0), pull_scale_ = Layout::constant(0);
  std::vector<Scalar> G_, M_;  // (b, n), (n)
};

}  // namespace lrft
