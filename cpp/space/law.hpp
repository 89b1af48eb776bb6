// The law of the inputs within S, where it is not the standard normal:
//   x <- x + V^T (stretch (V x) + mean_c),   V (q, .) orthonormal rows in S,
// component c of the task's mixture, drawn for each input; shift_c is added to its label.
//
// Only the complement of S must be standard normal and independent of x_S for the reduced space to
// be exact, so x_S may have any law.  A direction of variance 1 + theta has the stretch
// sqrt(1 + theta) - 1, and a constant the stretch -1 and the mean 1.
//
// Cost an input: q values of the law, and what it takes to find V x and to add V^T.
#pragma once

#include <vector>

#include "random/address.hpp"
#include "simd/aligned.hpp"
#include "simd/layout.hpp"
#include "space/matrix.hpp"
#include "space/shape.hpp"

namespace lrft {

// Along the directions: what is added there, of eight inputs side by side.  Eight replicas, each
// with its own law, or eight inputs of one.
template <class Layout>
class LawAlong {
 public:
  LawAlong(const Shape& shape, std::uint64_t seed)
      : q_(shape.directions),
        m_(shape.components),
        random_(seed),
        below_(m_),
        stretch_(q_),
        means_(m_ * q_),
        shifts_(m_),
        mean_(q_) {}

  // Is there a law, and are there shifts of labels?
  bool there() const { return q_ > 0; }
  bool shifts() const { return shifted_; }
  void set_task(int lane, const TaskData& task, std::uint32_t replica) {
    // One replica fills the pack with copies of itself.
    for (int i = lane; i < lanes; i += Layout::replicas) {
      replica_[i] = replica;
      double below = 0;
      for (int c = 0; c < m_; ++c) {
        const auto at = static_cast<std::size_t>(c);
        put(below_[c], i, below);
        below += task.probabilities[at];
        put(shifts_[c], i, task.shifts[at]);
        shifted_ = shifted_ || task.shifts[at] != 0;
      }
      for (int j = 0; j < q_; ++j) put(stretch_[j], i, task.stretch[static_cast<std::size_t>(j)]);
      for (int j = 0; j < m_ * q_; ++j) put(means_[j], i, task.means[static_cast<std::size_t>(j)]);
    }
  }
  // Turns to the inputs with these slots at these steps.
  void draw(const Bits& step, const Bits& slot) {
    for (int j = 0; j < q_; ++j) mean_[j] = means_[j];
    if (shifted_) shift_ = shifts_[0];
    if (m_ == 1) return;
    const Bits bits = Address(random_, step, load_bits(replica_)).bits(Purpose::component, slot).a;
    const Pack uniform = low32_to_double(bits >> 32) * 0x1p-32;
    for (int c = 1; c < m_; ++c) {
      const Mask here = ~(uniform < below_[c]);
      for (int j = 0; j < q_; ++j) mean_[j] = select(here, means_[c * q_ + j], mean_[j]);
      if (shifted_) shift_ = select(here, shifts_[c], shift_);
    }
  }
  // What is added along direction j, where an input is y.
  Pack added(int j, const Pack& y) const { return fma(stretch_[j], y, mean_[j]); }
  const Pack& shift() const { return shift_; }

 private:
  int q_, m_;
  Philox random_;
  AlignedPacks below_;    // (m)  the probability of the components before it
  AlignedPacks stretch_;  // (q)
  AlignedPacks means_;    // (m, q)
  AlignedPacks shifts_;   // (m)
  AlignedPacks mean_;     // (q)  of the component drawn
  Pack shift_ = broadcast(0.0);
  bool shifted_ = false;
  alignas(64) std::uint64_t replica_[lanes] = {};
};

// The inner products (n, q) of rows with the directions V (q, width) of a law.
std::vector<double> along_directions(const TaskData& task, const Eigen::Ref<const Matrix>& rows,
                                     const double* V, Index width);

// The same of rows in R^d, their inner products in each eigenvalue block, and what the variances of
// these outside S add to all: in each block, the inner products there less those of the parts in S.
void look_at_law(const TaskData& task, const Eigen::Ref<const Matrix>& A, Statistics& out);

// In coordinates of S, of eight replicas.
class ReducedLaw {
 public:
  // `inputs`: so many are drawn together.
  ReducedLaw(const Shape& shape, std::uint64_t seed, int inputs)
      : s_(shape.s),
        first_(shape.constant ? 1 : 0),
        q_(shape.directions),
        along_(shape, seed),
        V_(q_ * s_),
        shifts_(along_.there() ? inputs : 0) {}

  bool there() const { return along_.there(); }
  void set_task(int lane, const TaskData& task, std::uint32_t replica) {
    if (!there()) return;
    along_.set_task(lane, task, replica);
    for (int i = 0; i < q_ * s_; ++i) put(V_[i], lane, task.V[static_cast<std::size_t>(i)]);
  }
  // The inputs of `steps` steps from `first` on, x (steps, batch, s) and `stride` packs apart, from
  // standard normals to the law.  Out of line, where the registers are its own.
  template <class Spend>
  __attribute__((noinline)) void apply(const Bits& first, int steps, int batch, Pack* x, int stride,
                                       const Spend& spend) {
    for (int i = 0; i < steps * batch; ++i, x += stride) {
      spend(std::int64_t{2} * q_ * s_);
      along_.draw(first + broadcast_bits(static_cast<std::uint64_t>(i / batch)),
                  broadcast_bits(static_cast<std::uint64_t>(i % batch)));
      for (int j = first_; j < q_; ++j) {
        const Pack* v = V_.data() + j * s_;
        Pack y = broadcast(0.0);
        for (int l = 0; l < s_; ++l) y = fma(v[l], x[l], y);
        y = along_.added(j, y);
        for (int l = 0; l < s_; ++l) x[l] = fma(v[l], y, x[l]);
      }
      if (first_ > 0) x[0] = broadcast(1.0);  // not up to rounding
      shifts_[i] = along_.shift();
    }
  }
  // Is anything added to labels, and what, from input `first` on?
  bool shifts() const { return along_.shifts(); }
  const Pack* shifts(int first) const { return shifts_.data() + first; }

 private:
  int s_, first_, q_;
  LawAlong<ReplicaLanes> along_;
  AlignedPacks V_;       // (q, s)
  AlignedPacks shifts_;  // (inputs)
};

}  // namespace lrft
