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
// Cost a sample: 2k values and k derivatives of the activation, about 6 k n operations.
#pragma once

#include "activation/activation.hpp"
#include "simd/aligned.hpp"
#include "simd/layout.hpp"
#include "space/shape.hpp"

namespace lrft {

LRFT_INLINE double sqrt(double x) { return std::sqrt(x); }
LRFT_INLINE double abs(double x) { return std::abs(x); }

template <class Layout>
class LowRank {
 public:
  using Scalar = typename Layout::Scalar;

  LowRank(const Shape& shape, const StudentSpec& spec, const Activation& activation)
      : shape_(shape),
        packs_(Layout::packs(shape.k)),
        spherical_(spec.spherical),
        train_own_(spec.train_own),
        activation_(activation),
        own_(packs_ * shape.n),
        gradient_(packs_ * shape.n),
        c_(packs_ * shape.rank),
        lam_(packs_),
        z_(packs_),
        sigma_(packs_),
        slope_(packs_),
        target_(packs_),
        G_(static_cast<std::size_t>(shape.batch * shape.n), Layout::constant(0)),
        factor_(static_cast<std::size_t>(shape.n), Layout::constant(1)) {}

  // ---- one replica in and out of a lane --------------------------------------
  void set_task(int lane, const TaskData& task) {
    for (int i = 0; i < shape_.k; ++i) {
      lam_.doubles()[Layout::at(i, lane)] = task.lam[static_cast<std::size_t>(i)];
      for (int j = 0; j < shape_.rank; ++j)
        c_.doubles()[Layout::at(i, lane) + j * packs_ * lanes] =
            task.c[static_cast<std::size_t>(i * shape_.rank + j)];
    }
    put(xi_, lane, task.xi);
    put(neuron_scale_, lane, task.neuron_scale);
    put(output_scale_, lane, task.output_scale);
  }
  void set_own(int lane, const std::vector<double>& own) {
    for (int i = 0; i < shape_.k; ++i)
      for (int j = 0; j < shape_.n; ++j)
        own_.doubles()[Layout::at(i, lane) + j * packs_ * lanes] =
            own[static_cast<std::size_t>(i * shape_.n + j)];
  }
  std::vector<double> own_of(int lane) const {
    std::vector<double> own;
    for (int i = 0; i < shape_.k; ++i)
      for (int j = 0; j < shape_.n; ++j)
        own.push_back(own_.doubles()[Layout::at(i, lane) + j * packs_ * lanes]);
    return own;
  }

  // ---- the step -----------------------------------------------------------------
  // Forward, gradient and update of one batch; returns a number that is finite
  // only if the state still is.  noise (b) is what was added to the labels.
  template <class Space>
  Scalar step(Space& space, const Scalar* noise, const Scalar& lr, const Scalar& lr_own) {
    const int n = shape_.n;
    if (train_own_)
      for (int i = 0; i < packs_ * n; ++i) gradient_[i] = broadcast(0.0);
    for (int j = 0; j < n; ++j) factor_[static_cast<std::size_t>(j)] = Layout::constant(1);

    Scalar worst = Layout::constant(0);
    for (int b = 0; b < shape_.batch; ++b) {
      const Scalar* rows = space.rows(b);
      const Scalar error = forward(space.features(b), space.teacher(b), rows) - noise[b];
      worst = worst + error * error;
      // 2 (f - y) / b times the slope of f in the pre-activations.
      const Scalar pull = error * output_scale_ * neuron_scale_ * xi_ * (2.0 / shape_.batch);
      for (int i = 0; i < packs_; ++i) slope_[i] = lam_[i] * slope_[i] * Layout::spread(pull);
      for (int j = 0; j < n; ++j) {
        const Pack* B = own_.data() + j * packs_;
        Pack g = broadcast(0.0);
        for (int i = 0; i < packs_; ++i) g = fma(slope_[i], B[i], g);
        const Scalar step = lr * Layout::reduce(g);
        G_[static_cast<std::size_t>(b * n + j)] = step;
        if (spherical_)
          factor_[static_cast<std::size_t>(j)] =
              factor_[static_cast<std::size_t>(j)] + step * rows[j];
        if (train_own_)
          for (int i = 0; i < packs_; ++i)
            gradient_[j * packs_ + i] =
                fma(slope_[i], Layout::spread(rows[j]), gradient_[j * packs_ + i]);
      }
    }
    space.move(G_.data(), factor_.data(), spherical_);
    worst = worst + space.health();
    if (train_own_) worst = worst + move_own(lr_own);
    return worst;
  }

 private:
  // f - f*; leaves sigma' of the student's neurons in slope_.
  Scalar forward(const Pack* features, const Scalar* teacher, const Scalar* rows) {
    perturbed(features, c_, teacher, shape_.rank);
    activation_.value(activation_.data, z_.doubles(), target_.doubles(), packs_);
    perturbed(features, own_, rows, shape_.n);
    activation_.both(activation_.data, z_.doubles(), sigma_.doubles(), slope_.doubles(), packs_);
    Pack difference = broadcast(0.0);
    for (int i = 0; i < packs_; ++i)
      difference = fma(lam_[i], sigma_[i] - target_[i], difference);
    return output_scale_ * Layout::reduce(difference);
  }
  // z_ = neuron_scale (features + xi sum_j B_j field_j)
  void perturbed(const Pack* features, const AlignedPacks& B, const Scalar* field, int rank) {
    const Pack scale = Layout::spread(neuron_scale_);
    for (int i = 0; i < packs_; ++i) z_[i] = scale * features[i];
    for (int j = 0; j < rank; ++j) {
      const Pack f = Layout::spread(neuron_scale_ * xi_ * field[j]);
      const Pack* b = B.data() + j * packs_;
      for (int i = 0; i < packs_; ++i) z_[i] = fma(b[i], f, z_[i]);
    }
  }
  // Returns what is finite only if B still is.
  Scalar move_own(const Scalar& lr) {
    Scalar health = Layout::constant(0);
    for (int j = 0; j < shape_.n; ++j) {
      Pack* B = own_.data() + j * packs_;
      const Pack* g = gradient_.data() + j * packs_;
      const Pack rate = Layout::spread(lr);
      if (!spherical_) {
        for (int i = 0; i < packs_; ++i) B[i] = fma(-rate, g[i], B[i]);
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
      const Scalar length = sqrt(Layout::reduce(square));
      const Pack scale = Layout::spread(1.0 / length);
      for (int i = 0; i < packs_; ++i) B[i] *= scale;
      health = health + length;
    }
    return health;
  }
  static void put(Pack& p, int lane, double x) { reinterpret_cast<double*>(&p)[lane] = x; }
  static void put(double& p, int, double x) { p = x; }

  Shape shape_;
  int packs_;
  bool spherical_, train_own_;
  Activation activation_;
  AlignedPacks own_;       // (n, k)  B, transposed
  AlignedPacks gradient_;  // (n, k)
  AlignedPacks c_;         // (r, k)
  AlignedPacks lam_;       // (k)
  AlignedPacks z_, sigma_, slope_, target_;
  Scalar xi_ = Layout::constant(0), neuron_scale_ = Layout::constant(0),
         output_scale_ = Layout::constant(0);
  std::vector<Scalar> G_, factor_;
};

}  // namespace lrft
