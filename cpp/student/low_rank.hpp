// The low-rank student: neurons w_i + scale sum_j B_ij A_j, A (n x d), B (k x n).
//
// rank-one (the paper's): n = 1, A = u-hat and B = c-hat both on their unit spheres,
// scale = xi, and the update is Eq. 4:
//   u <- proj(u - lr (I - u u^T) Pi grad_u),   c <- proj(c - lr_c (I - c c^T) grad_c),
// both from the state before the step.  Euclidean students leave out the
// projections.  The gradient is the mean over the batch of that of (f* - f)^2.
//
// What the student sees of an input is its fields; what it does to its rows is a
// coefficient a sample, G (b x n), and a factor a row: rows <- factor rows - G^T X.
//
// Linearised, sigma_i is replaced by sigma(z_i) + sigma'(z_i) t_i with z_i that of the start:
//   rank-one    z_i = <w_i, x>,  t_i = scale B_i A x, still a product of the two
//   LoRA        z_i = <w_i + scale (B0 A0)_i, x>,  t_i = scale (B0 (A - A0) + (B - B0) A0)_i x
// (times neuron_scale).  The start's own rows A0 are features of the task.
//
// Cost a sample: 2k values and k derivatives of the activation, about 6 k n operations.
#pragma once

#include "activation/activation.hpp"
#include "simd/aligned.hpp"
#include "simd/few.hpp"
#include "simd/layout.hpp"
#include "space/shape.hpp"

namespace lrft {

LRFT_INLINE double sqrt(double x) { return std::sqrt(x); }
LRFT_INLINE double abs(double x) { return std::abs(x); }

// Rows and batch are fixed when compiled where they are not 0.
template <class Layout, int Rows = 0, int Batch = 0>
class LowRank {
 public:
  using Scalar = typename Layout::Scalar;
  // May be LoRA, whose overlap is that of subspaces; the fastest type is rank-one only.
  static constexpr bool follows = Rows == 0;

  LowRank(const Shape& shape, const StudentSpec& spec, const Activation& activation)
      : shape_(shape),
        packs_(Layout::packs(shape.k)),
        spherical_(spec.spherical()),
        train_own_(spec.train_own),
        linear_(spec.linearized),
        expanded_(spec.linearized && !spec.spherical()),
        single_(shape.n == 1 && shape.rank == 1 && !spec.linearized && !shape.labelled),
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
        sum_(1 + shape.n, broadcast(0.0)),
        G_(shape.batch * shape.n, Layout::constant(0)),
        factor_(shape.n, Layout::constant(1)) {}

  // ---- one replica in and out of a lane --------------------------------------
  void set_task(int lane, const TaskData& task, const StudentSpec& student) {
    for (int i = 0; i < shape_.k; ++i) {
      lam_.doubles()[Layout::at(i, lane)] = task.lam[static_cast<std::size_t>(i)];
      for (int j = 0; j < shape_.rank; ++j)
        c_.doubles()[Layout::at(i, lane) + j * packs_ * lanes] =
            task.c[static_cast<std::size_t>(i * shape_.rank + j)];
    }
    put(xi_, lane, task.xi);
    put(neuron_scale_, lane, task.neuron_scale);
    put(output_scale_, lane, task.output_scale);
    put(scale_, lane, student.scale);
    put(pull_scale_, lane, 2.0 / batch() * task.output_scale * task.neuron_scale * student.scale);
  }
  void set_own(int lane, const std::vector<double>& own) {
    put(own_, lane, own);
    weigh();
  }
  // The own parameters around which a linearised student is expanded.
  void set_start(int lane, const std::vector<double>& own) { put(own_start_, lane, own); }
  std::vector<double> own_of(int lane) const {
    std::vector<double> own;
    for (int i = 0; i < shape_.neurons; ++i)
      for (int j = 0; j < n(); ++j)
        own.push_back(own_.doubles()[Layout::at(i, lane) + j * packs_ * lanes]);
    return own;
  }

  // ---- the step -----------------------------------------------------------------
  // Forward, gradient and update of one batch; returns the sum of the squares of errors, rows and
  // own parameters, by which divergence is told.  noise (b) is what was added to the labels.
  template <class Space>
  LRFT_INLINE Scalar step(Space& space, const Scalar* noise, const Scalar& lr,
                          const Scalar& lr_own) {
    const int n = this->n();
    if (train_own_)
      for (int i = 0; i < packs_ * n; ++i) gradient_[i] = broadcast(0.0);
    for (int j = 0; j < n; ++j) factor_[j] = Layout::constant(1);

    Scalar worst = Layout::constant(0);
    const int inputs = Batch > 0 ? Batch : inputs_of(space, batch());
    for (int b = 0; b < inputs; ++b) {
      if constexpr (Batch == 0)
        if (shape_.slow()) Poll::spend(shape_.units / shape_.batch);
      const Scalar* rows = space.rows(b);
      const Scalar error = forward(space.features(b), space.teacher(b), rows) - noise[b];
      worst = worst + error * error;
      // 2 (f - y) / b times the slope of f in the fields of the rows, over B.
      const Scalar pull = error * pull_scale_;
      for (int j = 0; j < n; ++j) {
        const Scalar step = error * (lr * pull_scale_ * Layout::reduce(sum_[1 + j]));
        G_[b * n + j] = step;
        if (spherical_) factor_[j] = factor_[j] + step * rows[j];
        if (train_own_) {
          const Pack along = Layout::spread(pull * field(j, rows));
          for (int i = 0; i < packs_; ++i)
            gradient_[j * packs_ + i] = fma(lam_[i] * slope_[i], along, gradient_[j * packs_ + i]);
        }
      }
    }
    if constexpr (Rows == 0) squared_error_ = worst;
    space.move(G_.data(), factor_.data(), spherical_);
    worst = worst + space.health();
    if (train_own_) {
      worst = worst + move_own(lr_own);
      weigh();
    }
    return worst;
  }

  // Of the last step's samples together, before their update.
  const Scalar& squared_error() const { return squared_error_; }
  // f - f*; leaves sigma' of the student's neurons in slope_ and its sums with the
  // columns of lambda B in sum_[1 ..].
  LRFT_INLINE Scalar forward(const Pack* features, const Scalar* teacher, const Scalar* rows) {
    if (single_) return forward_single(features, teacher, rows);
    perturb(features, teacher, rows);
    if constexpr (Rows == 0)
      if (linear_) return forward_linear(features, rows);
    teach();
    activation_.both(activation_.data, sigma_.doubles(), sigma_.doubles(), slope_.doubles(),
                     packs_);
    sum_[0] = dot([this](int i) { return sigma_[i] - target_[i]; }, lam_.data());
    for (int j = 0; j < n(); ++j)
      sum_[1 + j] = dot([this](int i) { return slope_[i]; }, weighted_.data() + j * packs_);
    return output_scale_ * Layout::reduce(sum_[0]);
  }

 private:
  int n() const { return Rows > 0 ? Rows : shape_.n; }
  int batch() const { return Batch > 0 ? Batch : shape_.batch; }

  // sigma of the teacher's neurons; none where labels are given.
  void teach() {
    if (Rows == 0 && shape_.labelled)
      for (int i = 0; i < packs_; ++i) target_[i] = broadcast(0.0);
    else
      activation_.value(activation_.data, target_.doubles(), target_.doubles(), packs_);
  }
  // The same of one row and one direction: the paper's case, in one pass over the neurons.
  LRFT_INLINE Scalar forward_single(const Pack* features, const Scalar* teacher,
                                    const Scalar* rows) {
    const OneRow fields{features,
                        c_.data(),
                        own_.data(),
                        lam_.data(),
                        weighted_.data(),
                        Layout::spread(neuron_scale_),
                        Layout::spread(neuron_scale_ * xi_ * teacher[0]),
                        Layout::spread(neuron_scale_ * scale_ * rows[0]),
                        slope_.data(),
                        packs_};
    // The way there and back would take as long as relu itself.
    const OneRowSums sums = activation_.one_row == one_row<Relu>
                                ? one_row<Relu>(activation_.data, fields)
                                : activation_.one_row(activation_.data, fields);
    sum_[1] = sums.pull;
    return output_scale_ * Layout::reduce(sums.error);
  }
  Scalar forward_linear(const Pack* features, const Scalar* rows) {
    const Pack scale = Layout::spread(neuron_scale_);
    for (int i = 0; i < packs_; ++i) {
      sigma_[i] = scale * features[i];
      tangent_[i] = broadcast(0.0);
    }
    for (int j = 0; j < n(); ++j) {
      const Pack a = Layout::spread(neuron_scale_ * scale_ * rows[j]);
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
    teach();
    activation_.both(activation_.data, sigma_.doubles(), sigma_.doubles(), slope_.doubles(),
                     packs_);
    sum_[0] = dot([this](int i) { return fma(slope_[i], tangent_[i], sigma_[i] - target_[i]); },
                  lam_.data());
    for (int j = 0; j < n(); ++j)
      sum_[1 + j] = dot([this](int i) { return slope_[i]; }, weighted_.data() + j * packs_);
    start_fields_ = features;
    return output_scale_ * Layout::reduce(sum_[0]);
  }
  // The field along which column j of B moves.
  Scalar field(int j, const Scalar* rows) const {
    if constexpr (Rows == 0)
      if (expanded_) return Layout::entry(start_fields_, start_ + j);
    return rows[j];
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
  // Pre-activations neuron_scale (features + xi sum_j c_j field_j) of the teacher's
  // neurons, in target_, and of the student's, with its scale and B, in sigma_.
  void perturb(const Pack* features, const Scalar* teacher, const Scalar* rows) {
    const Pack scale = Layout::spread(neuron_scale_);
    const Pack v = Layout::spread(neuron_scale_ * xi_ * teacher[0]);
    const Pack a = Layout::spread(neuron_scale_ * scale_ * rows[0]);
    for (int i = 0; i < packs_; ++i) {
      const Pack base = scale * features[i];
      target_[i] = fma(c_[i], v, base);
      sigma_[i] = fma(own_[i], a, base);
    }
    for (int j = 1; j < shape_.rank; ++j) add(c_, j, xi_ * teacher[j], target_);
    for (int j = 1; j < n(); ++j) add(own_, j, scale_ * rows[j], sigma_);
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
  // Returns the square of B, before it was made unit.
  Scalar move_own(const Scalar& lr) {
    Scalar health = Layout::constant(0);
    for (int j = 0; j < n(); ++j) {
      Pack* B = own_.data() + j * packs_;
      const Pack* g = gradient_.data() + j * packs_;
      const Pack rate = Layout::spread(lr);
      if (!spherical_) {
        Pack square[2] = {broadcast(0.0), broadcast(0.0)};  // one waits for its own sums
        for (int i = 0; i < packs_; ++i) {
          B[i] = fma(-rate, g[i], B[i]);
          square[i % 2] = fma(B[i], B[i], square[i % 2]);
        }
        health = health + Layout::reduce(square[0] + square[1]);
        continue;
      }
      Pack along = broadcast(0.0);
      for (int i = 0; i < packs_; ++i) along = fma(B[i], g[i], along);
      const Pack tangent = Layout::spread(Layout::reduce(along));
      Pack square = broadcast(0.0);
      for (int i = 0; i < packs_; ++i) {
        B[i] = fma(-rate, fma(-tangent, B[i], g[i]), B[i]);
        square = fma(B[i], B[i], square);
      }
      const Scalar whole = Layout::reduce(square);
      const Pack scale = Layout::spread(1.0 / sqrt(whole));
      for (int i = 0; i < packs_; ++i) B[i] *= scale;
      health = health + whole;
    }
    return health;
  }
  void put(AlignedPacks& B, int lane, const std::vector<double>& own) {
    for (int i = 0; i < shape_.neurons; ++i)
      for (int j = 0; j < n(); ++j)
        B.doubles()[Layout::at(i, lane) + j * packs_ * lanes] =
            own[static_cast<std::size_t>(i * n() + j)];
  }
  static void put(Pack& p, int lane, double x) { reinterpret_cast<double*>(&p)[lane] = x; }
  static void put(double& p, int, double x) { p = x; }

  Shape shape_;
  int packs_;
  bool spherical_, train_own_;
  bool linear_, expanded_;  // linearised; in the parameters
  bool single_;             // one row, one direction, not linearised
  int start_;               // the feature that is the first row of the start
  const Pack* start_fields_ = nullptr;
  Activation activation_;
  AlignedPacks own_;        // (n, k)  B, transposed
  AlignedPacks own_start_;  // (n, k)  the same at the start, of a linearised student
  AlignedPacks weighted_;   // (n, k)  lambda B
  AlignedPacks gradient_;   // (n, k)
  AlignedPacks c_;          // (r, k)
  AlignedPacks lam_;        // (k)
  AlignedPacks sigma_, slope_, target_, tangent_;
  Few<Pack, Rows == 0 ? 0 : Rows + 1> sum_;  // (1 + n)
  Scalar squared_error_ = Layout::constant(0);
  Scalar xi_ = Layout::constant(0), scale_ = Layout::constant(0),
         neuron_scale_ = Layout::constant(0), output_scale_ = Layout::constant(0),
         pull_scale_ = Layout::constant(0);
  Few<Scalar, Rows * Batch> G_;
  Few<Scalar, Rows> factor_;
};

}  // namespace lrft
