// The low-rank student: neurons w_i + scale sum_j B_ij A_j, A (n x d), B (k x n).
//
// rank-one (the paper's): n = 1, A = u-hat and B = c-hat both on their unit spheres,
// scale = xi, and the update is Eq. 4:
//   u <- proj(u - lr (I - u u^T) Pi grad_u),   c <- proj(c - lr_c (I - c c^T) grad_c),
// both from the state before the step.  LoRA leaves out the projections, or has that of A's rows.
// The gradient is the mean over the batch of that of (f* - f)^2.
//
// What the student sees of an input is its fields; what it does to its rows is a coefficient a
// sample, G (b x n), and a factor a row, M.
//
// Linearised, sigma_i is replaced by sigma(z_i) + sigma'(z_i) t_i with z_i that of the start:
//   rank-one    z_i = <w_i, x>,  t_i = scale B_i A x, still a product of the two
//   LoRA        z_i = <w_i + scale (B0 A0)_i, x>,  t_i = scale (B0 (A - A0) + (B - B0) A0)_i x
// (times neuron_scale).  The start's own rows A0 are features of the task.
//
// Cost a sample: 2k values and k derivatives of the activation, about 6 k n operations.
#pragma once

#include "activation/activation.hpp"
#include "simd/columns.hpp"
#include "simd/few.hpp"
#include "space/space.hpp"
#include "student/on_sphere.hpp"
#include "student/one_row.hpp"
#include "student/own_parameters.hpp"

namespace lrft {

template <class Layout>
class LowRank {
 public:
  using Scalar = typename Layout::Scalar;
  static constexpr bool follows = true;

  LowRank(const Shape& shape, const StudentSpec& spec, const Activation& activation)
      : shape_(shape),
        packs_(Layout::packs(shape.k)),
        unit_rows_(spec.facts().unit_rows),
        unit_own_(spec.facts().unit_own),
        train_own_(spec.train_own),
        linear_(spec.linearized),
        expanded_(spec.linearized && !spec.facts().single),
        single_(shape.n == 1 && shape.rank == 1 && !spec.linearized),
        start_(spec.start),
        activation_(activation),
        own_(packs_ * shape.n),
        own_start_(packs_ * shape.n),
        weighted_(packs_ * shape.n),
        gradient_(packs_ * shape.n),
        c_(packs_ * shape.rank),
        lam_(packs_),
        sigma_(packs_),
        slope_(packs_),
        target_(packs_),
        tangent_(packs_),
        sum_(shape.n, broadcast(0.0)),
        G_(shape.batch * shape.n, Layout::constant(0)),
        M_(shape.n, Layout::constant(1)) {}

  // ---- one replica in and out of a lane --------------------------------------
  void set_task(int lane, const TaskData& task, const StudentSpec& student) {
    put_columns<Layout>(lam_, lane, task.lam, shape_.k, 1);
    put_columns<Layout>(c_, lane, task.c, shape_.k, shape_.rank);
    put(xi_, lane, task.xi);
    put(neuron_scale_, lane, task.neuron_scale);
    put(output_scale_, lane, task.output_scale);
    put(scale_, lane, student.scale);
    put(pull_scale_, lane,
        1.0 / shape_.batch * task.output_scale * task.neuron_scale * student.scale);
  }
  void set_own(int lane, const std::vector<double>& own) {
    put_columns<Layout>(own_, lane, own, shape_.neurons, n());
    weigh();
  }
  // The own parameters around which a linearised student is expanded.
  void set_start(int lane, const std::vector<double>& own) {
    put_columns<Layout>(own_start_, lane, own, shape_.neurons, n());
  }
  std::vector<double> own_of(int lane) const {
    return columns_of<Layout>(own_, lane, shape_.neurons, n());
  }

  // ---- the step -----------------------------------------------------------------
  void begin() {
    if (train_own_)
      for (int i = 0; i < packs_ * n(); ++i) gradient_[i] = broadcast(0.0);
    for (int j = 0; j < n(); ++j) M_[j] = Layout::constant(1);
  }
  // f, of a taught input f - f*; leaves sigma' of the student's neurons in slope_ and its sums with
  // the columns of lambda B in sum_.
  template <class X>
  LRFT_INLINE Scalar forward(const X& x) {
    if (shape_.slow()) Poll::spend(shape_.units / shape_.batch);
    if constexpr (Taught<X>)
      if (single_ && taught(x)) return forward_single(x);
    perturb(x);
    if (linear_) return forward_linear(x);
    activation_.both(activation_.data, sigma_.doubles(), sigma_.doubles(), slope_.doubles(),
                     packs_);
    return output([this](int i) { return sigma_[i] - target_[i]; });
  }
  template <class X>
  LRFT_INLINE void gradient(int b, const X& x, const Scalar& slope, const Scalar& lr) {
    // The slope of the loss in the fields of the rows, over B.
    const Scalar pull = slope * pull_scale_;
    for (int j = 0; j < n(); ++j) {
      const Scalar step = slope * (lr * pull_scale_ * Layout::reduce(sum_[j]));
      G_[b * n() + j] = step;
      if (unit_rows_) M_[j] = M_[j] + step * rows_that_move(x)[j];  // of the tangent
      if (train_own_) {
        // The field along which column j of B moves.
        const Scalar field = expanded_ ? Layout::entry(x.features, start_ + j) : x.rows[j];
        const Pack along = Layout::spread(pull * field);
        for (int i = 0; i < packs_; ++i)
          gradient_[j * packs_ + i] = fma(lam_[i] * slope_[i], along, gradient_[j * packs_ + i]);
      }
    }
  }
  Move<Scalar> moves() const { return {G_.data(), M_.data(), unit_rows_}; }
  // Own parameters are to be what they are here.
  void mark() {
    if (train_own_) marked_ = own_;
  }
  void back() {
    if (!train_own_) return;
    own_ = marked_;
    weigh();
  }
  // The square of B, before it was made unit.
  Scalar move_own(const Scalar& lr) {
    if (!train_own_) return Layout::constant(0);
    const Scalar square = move_columns(lr);
    weigh();
    return square;
  }
  OwnParameters own_parameters() {
    return {own_.data(), gradient_.data(), n(), shape_.neurons, packs_, train_own_, unit_own_};
  }
  void own_moved() { weigh(); }

 private:
  int n() const { return shape_.n; }

  // Of one row and one direction, in one pass over the neurons.
  LRFT_INLINE Scalar forward_single(const TaughtInput<Scalar>& x) {
    const OneRowSums sums =
        sums_of(activation_,
                {x.features, c_.data(), own_.data(), lam_.data(), weighted_.data(),
                 Layout::spread(neuron_scale_), Layout::spread(neuron_scale_ * xi_ * x.teacher[0]),
                 Layout::spread(neuron_scale_ * scale_ * x.rows[0]), slope_.data(), packs_});
    sum_[0] = sums.pull;
    return output_scale_ * Layout::reduce(sums.error);
  }
  // sum_i lambda_i out(i), and the sums with sigma'.
  template <class Out>
  LRFT_INLINE Scalar output(const Out& out) {
    const Pack f = dot(out, lam_.data());
    for (int j = 0; j < n(); ++j)
      sum_[j] = dot([this](int i) { return slope_[i]; }, weighted_.data() + j * packs_);
    return output_scale_ * Layout::reduce(f);
  }
  Scalar forward_linear(const Input<Scalar>& x) {
    const Pack* features = x.features;
    const Pack scale = Layout::spread(neuron_scale_);
    for (int i = 0; i < packs_; ++i) {
      sigma_[i] = scale * features[i];
      tangent_[i] = broadcast(0.0);
    }
    for (int j = 0; j < n(); ++j) {
      const Pack a = Layout::spread(neuron_scale_ * scale_ * x.rows[j]);
      const Pack* B = own_.data() + j * packs_;
      const Pack* B0 = own_start_.data() + j * packs_;
      if (!expanded_) {
        for (int i = 0; i < packs_; ++i) tangent_[i] = fma(B[i], a, tangent_[i]);
        continue;
      }
      const Pack a0 = scale * Layout::spread(scale_ * Layout::entry(features, start_ + j));
      for (int i = 0; i < packs_; ++i) {
        sigma_[i] = fma(B0[i], a0, sigma_[i]);
        tangent_[i] = fma(B0[i], a - a0, fma(B[i] - B0[i], a0, tangent_[i]));
      }
    }
    activation_.both(activation_.data, sigma_.doubles(), sigma_.doubles(), slope_.doubles(),
                     packs_);
    return output([this](int i) { return fma(slope_[i], tangent_[i], sigma_[i] - target_[i]); });
  }
  // sum_i a(i) b[i] in four interleaved chains.
  template <class A>
  LRFT_INLINE Pack dot(const A& a, const Pack* b) const {
    Pack chain[4] = {broadcast(0.0), broadcast(0.0), broadcast(0.0), broadcast(0.0)};
    int i = 0;
    for (; i + 4 <= packs_; i += 4)
#pragma GCC unroll 4
      for (int l = 0; l < 4; ++l) chain[l] = fma(a(i + l), b[i + l], chain[l]);
    for (; i < packs_; ++i) chain[0] = fma(a(i), b[i], chain[0]);
    return (chain[0] + chain[1]) + (chain[2] + chain[3]);
  }
  // sigma of the teacher's neurons in target_, which stays 0 where there is none, and the
  // pre-activations of the student's, neuron_scale (features + scale B rows), in sigma_.
  template <class X>
  void perturb(const X& x) {
    const Pack scale = Layout::spread(neuron_scale_);
    const Pack a = Layout::spread(neuron_scale_ * scale_ * x.rows[0]);
    if (!taught(x))
      for (int i = 0; i < packs_; ++i) sigma_[i] = fma(own_[i], a, scale * x.features[i]);
    else if constexpr (Taught<X>) {
      const Pack v = Layout::spread(neuron_scale_ * xi_ * x.teacher[0]);
      for (int i = 0; i < packs_; ++i) {
        const Pack base = scale * x.features[i];
        target_[i] = fma(c_[i], v, base);
        sigma_[i] = fma(own_[i], a, base);
      }
      for (int j = 1; j < shape_.rank; ++j) add(c_, j, xi_ * x.teacher[j], target_);
      activation_.value(activation_.data, target_.doubles(), target_.doubles(), packs_);
    }
    for (int j = 1; j < n(); ++j) add(own_, j, scale_ * x.rows[j], sigma_);
  }
  void add(const AlignedPacks& B, int j, const Scalar& field, AlignedPacks& z) const {
    const Pack f = Layout::spread(neuron_scale_ * field);
    for (int i = 0; i < packs_; ++i) z[i] = fma(B[j * packs_ + i], f, z[i]);
  }
  void weigh() {
    const AlignedPacks& B = expanded_ ? own_start_ : own_;
    for (int j = 0; j < n(); ++j)
      for (int i = 0; i < packs_; ++i) weighted_[j * packs_ + i] = lam_[i] * B[j * packs_ + i];
  }
  Scalar move_columns(const Scalar& lr) {
    Scalar health = Layout::constant(0);
    for (int j = 0; j < n(); ++j) {
      Pack* B = own_.data() + j * packs_;
      const Pack* g = gradient_.data() + j * packs_;
      if (!unit_own_) {
        const Pack rate = Layout::spread(lr);
        health =
            health + Layout::reduce(in_chains(broadcast(0.0), packs_, [&](int i, const Pack& sum) {
              const Pack moved = fma(-rate, g[i], B[i]);
              B[i] = moved;
              return fma(moved, moved, sum);
            }));
        continue;
      }
      health = health + move_on_sphere<Layout>(g, packs_, lr, B);
    }
    return health;
  }

  Shape shape_;
  int packs_;
  bool unit_rows_, unit_own_, train_own_;
  bool linear_, expanded_;  // linearised; in the parameters
  bool single_;             // one row, one direction, not linearised
  int start_;               // the feature that is the first row of the start
  Activation activation_;
  AlignedPacks own_;        // (n, k)  B, transposed
  AlignedPacks own_start_;  // (n, k)  the same at the start, of a linearised student
  AlignedPacks marked_;     // (n, k)  B at the mark
  AlignedPacks weighted_;   // (n, k)  lambda B
  AlignedPacks gradient_;   // (n, k)
  AlignedPacks c_;          // (r, k)
  AlignedPacks lam_;        // (k)
  AlignedPacks sigma_, slope_, target_, tangent_;
  Few<Pack, 0> sum_;  // (n)
  Scalar xi_ = Layout::constant(0), scale_ = Layout::constant(0),
         neuron_scale_ = Layout::constant(0), output_scale_ = Layout::constant(0),
         pull_scale_ = Layout::constant(0);
  Few<Scalar, 0> G_, M_;  // (b, n), (n)
};

}  // namespace lrft
