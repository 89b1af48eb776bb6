// The full network: n neurons, the rows V (n x d), and n output weights, all Euclidean.
//
//   f(x) = output_scale sum_j lam_j sigma(neuron_scale <v_j, x>)
//
// From the base this is full fine-tuning, from normal rows learning from scratch.  The
// teacher is the same as for every student, W + xi c u^T.  The gradient is the mean over
// the batch of that of (f* - f)^2: G (b x n) holds lr d/d<v_j, x>, and rows <- rows - G^T X.
//
// Linearised, lam_j sigma(z_j) becomes lam_j sigma(z0_j) + lam0_j sigma'(z0_j) (z_j - z0_j), the
// expansion in rows and output weights around the start, whose rows are features of the task.
//
// Cost a sample: k + n values and n derivatives of the activation, about 4 n operations.
#pragma once

#include "activation/activation.hpp"
#include "simd/aligned.hpp"
#include "simd/layout.hpp"
#include "space/shape.hpp"

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
        factor_(static_cast<std::size_t>(shape.n), Layout::constant(1)) {}

  // ---- one replica in and out of a lane --------------------------------------
  void set_task(int lane, const TaskData& task, const StudentSpec&) {
    for (int i = 0; i < shape_.k; ++i) {
      lam_.doubles()[Layout::at(i, lane)] = task.lam[static_cast<std::size_t>(i)];
      for (int j = 0; j < shape_.rank; ++j)
        c_.doubles()[Layout::at(i, lane) + j * packs_ * lanes] =
            task.c[static_cast<std::size_t>(i * shape_.rank + j)];
    }
    put(xi_, lane, task.xi);
    put(neuron_scale_, lane, task.neuron_scale);
    put(output_scale_, lane, task.output_scale);
    put(pull_scale_, lane, 2.0 / shape_.batch * task.output_scale);
  }
  void set_own(int lane, const std::vector<double>& own) {
    for (int j = 0; j < shape_.n; ++j)
      own_.doubles()[Layout::at(j, lane)] = own[static_cast<std::size_t>(j)];
  }
  // The output weights around which a linearised student is expanded.
  void set_start(int lane, const std::vector<double>& own) {
    for (int j = 0; j < shape_.n; ++j)
      own_start_.doubles()[Layout::at(j, lane)] = own[static_cast<std::size_t>(j)];
  }
  std::vector<double> own_of(int lane) const {
    std::vector<double> own;
    for (int j = 0; j < shape_.n; ++j) own.push_back(own_.doubles()[Layout::at(j, lane)]);
    return own;
  }

  // ---- the step -----------------------------------------------------------------
  // Forward, gradient and update of one batch; returns the sum of the squares of errors, rows and
  // own parameters, by which divergence is told.  noise (b) is what was added to the labels.
  template <class Space>
  Scalar step(Space& space, const Scalar* noise, const Scalar& lr, const Scalar& lr_own) {
    const int n = shape_.n;
    if (train_own_)
      for (int j = 0; j < own_packs_; ++j) gradient_[j] = broadcast(0.0);
    Scalar worst = Layout::constant(0);
    const int inputs = inputs_of(space, shape_.batch);
    for (int b = 0; b < inputs; ++b) {
      if (shape_.slow()) Poll::spend(shape_.units / shape_.batch);
      const Scalar error = forward(space.features(b), space.teacher(b), space.rows(b)) - noise[b];
      worst = worst + error * error;
      // 2 (f - y) / b times the slopes of f in the output weights and in the fields.
      const Scalar pull = error * pull_scale_;
      const Pack along = Layout::spread(pull);
      const Pack* weight = linear_ ? own_start_.data() : own_.data();
      const Pack push = Layout::spread(lr * (pull * neuron_scale_));
      for (int j = 0; j < own_packs_; ++j) push_[j] = push * (weight[j] * slope_[j]);
      if (train_own_)
        for (int j = 0; j < own_packs_; ++j) gradient_[j] = fma(along, sigma_[j], gradient_[j]);
      for (int j = 0; j < n; ++j)
        G_[static_cast<std::size_t>(b * n + j)] = Layout::entry(push_.data(), j);
    }
    squared_error_ = worst;
    space.move(G_.data(), factor_.data(), false);
    worst = worst + space.health();
    if (train_own_) {
      const Pack rate = Layout::spread(lr_own);
      for (int j = 0; j < own_packs_; ++j) own_[j] = fma(-rate, gradient_[j], own_[j]);
      clear_padding();
      Pack square = broadcast(0.0);
      for (int j = 0; j < own_packs_; ++j) square = fma(own_[j], own_[j], square);
      worst = worst + Layout::reduce(square);
    }
    return worst;
  }

  // Of the last step's samples together, before their update.
  const Scalar& squared_error() const { return squared_error_; }
  // f - f*; leaves sigma and sigma' of the student's neurons in sigma_ and slope_.
  Scalar forward(const Pack* features, const Scalar* teacher, const Scalar* rows) {
    const Pack scale = Layout::spread(neuron_scale_);
    for (int i = 0; i < packs_; ++i) target_[i] = scale * features[i];
    for (int j = 0; j < shape_.rank; ++j) {
      const Pack v = Layout::spread(neuron_scale_ * xi_ * teacher[j]);
      for (int i = 0; i < packs_; ++i) target_[i] = fma(c_[j * packs_ + i], v, target_[i]);
    }
    sigma_[own_packs_ - 1] = broadcast(0.0);  // what only fills up stays finite
    for (int j = 0; j < shape_.n; ++j) Layout::set_entry(sigma_.data(), j, neuron_scale_ * rows[j]);
    if (linear_) {
      moved_[own_packs_ - 1] = broadcast(0.0);
      for (int j = 0; j < shape_.n; ++j) {
        const Scalar z0 = neuron_scale_ * Layout::entry(features, start_ + j);
        Layout::set_entry(moved_.data(), j, neuron_scale_ * rows[j] - z0);
        Layout::set_entry(sigma_.data(), j, z0);
      }
    }
    teach();
    activation_.both(activation_.data, sigma_.doubles(), sigma_.doubles(), slope_.doubles(),
                     own_packs_);
    Pack f = broadcast(0.0), y = broadcast(0.0);
    for (int j = 0; j < own_packs_; ++j) f = fma(own_[j], sigma_[j], f);
    if (linear_)
      for (int j = 0; j < own_packs_; ++j) f = fma(own_start_[j] * slope_[j], moved_[j], f);
    for (int i = 0; i < packs_; ++i) y = fma(lam_[i], target_[i], y);
    return output_scale_ * Layout::reduce(f - y);
  }

 private:
  // sigma of the teacher's neurons; none where labels are given.
  void teach() {
    if (shape_.labelled)
      for (int i = 0; i < packs_; ++i) target_[i] = broadcast(0.0);
    else
      activation_.value(activation_.data, target_.doubles(), target_.doubles(), packs_);
  }
  // Neurons that only fill up a pack have no weight.
  void clear_padding() {
    if constexpr (Layout::replicas == 1)
      for (int j = shape_.n; j < own_packs_ * lanes; ++j) own_.doubles()[j] = 0;
  }
  static void put(Pack& p, int lane, double x) { reinterpret_cast<double*>(&p)[lane] = x; }
  static void put(double& p, int, double x) { p = x; }

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
  AlignedPacks moved_;      // (n)  <v - v0, x>
  AlignedPacks gradient_, sigma_, slope_, push_;  // (n)
  Scalar squared_error_ = Layout::constant(0);
  Scalar xi_ = Layout::constant(0), neuron_scale_ = Layout::constant(0),
         output_scale_ = Layout::constant(0), pull_scale_ = Layout::constant(0);
  std::vector<Scalar> G_, factor_;
};

}  // namespace lrft
