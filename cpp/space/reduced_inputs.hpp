// What is known of the inputs of the reduced space before a step: everything but the rows' fields.
//
// The coordinates X_S and Z of inputs, T, and the features W x = R x_S with u x = a x_S
// (space/reduced.hpp says what they are).  None of these depends on the state, so those of four
// steps of one input are made together.  Where few replicas run, packs of X_S and Z, and of the
// product with R where inputs have no law of their own, hold several inputs (space/fold.hpp): up to
// eight of a batch, or those four steps.  T of a batch, noise and laws are of eight lanes always.
//
// Cost of a step of one replica, m chi variates in each of J parts: b (s + J N) + J m (m - 1) / 2
// normals, J m chi variates and b multiplications for each entry of R and a that is not zero.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "lrft/poll.hpp"
#include "random/address.hpp"
#include "random/chi.hpp"
#include "simd/aligned.hpp"
#include "simd/layout.hpp"
#include "simd/table.hpp"
#include "space/fold.hpp"
#include "space/given_fields.hpp"
#include "space/law.hpp"
#include "space/noise.hpp"
#include "space/shape.hpp"

namespace lrft {

// Rows, Batch, Memory: as of `ReducedSpace`.
template <int Rows, int Batch, bool Memory>
class ReducedInputs {
 public:
  using Layout = ReplicaLanes;

  ReducedInputs(const Shape& shape, const RunSpec& spec)
      : shape_(shape),
        J_(shape.complements()),
        m_(shape.uses > 1 ? shape.batch : std::min(shape.n, shape.batch)),
        pairs_((shape.s + J() * shape.rows + 1) / 2),
        given_(shape.k, shape.rank, shape.s),
        T_(ahead() * J() * m() * m()),
        random_(spec.seed),
        noise_(shape.batch, spec.seed),
        at_(ahead() - 1),
        law_(shape, spec.seed, ahead() * shape.batch),
        X_(ahead() * shape.batch * 2 * pairs_),
        fields_(ahead() * shape.batch * (shape.k + shape.rank)),
        dof_(J()),
        root_(J()),
        chi_(broadcast(1.0)),
        folded_given_(shape.k, shape.rank, shape.s),
        folded_chi_(broadcast(1.0)),
        folded_X_((ahead() * shape.batch + 1) / 2 * 2 * pairs_),
        folded_fields_((ahead() * shape.batch + 1) / 2 * (shape.k + shape.rank)) {
    std::fill_n(runs_, lanes, true);
  }

  void set_task(int lane, const TaskData& task, std::uint32_t replica) {
    given_.set(lane, task.R, task.a);
    noise_.set_task(lane, task, replica);
    law_.set_task(lane, task, replica);
    replica_[lane] = replica;
    for (int c = 0; c < J(); ++c) {
      const auto at = static_cast<std::size_t>(c);
      const bool one = shape_.blocks == 0;
      put(dof_[c], lane, (one ? task.d - shape_.s : task.block_d[at] - task.block_s[at]) - N());
      put(root_[c], lane, one ? 1 : std::sqrt(task.variances[at]));
    }
    chi_ = ChiSampler(dof_[0]);
    at_ = ahead() - 1;  // what was drawn ahead is no longer this lane's
    first_a_ = given_.first_of_a();
    fold_known_ = false;
  }
  LRFT_INLINE void draw(const std::uint64_t* steps) {
    const Bits t = load_bits(steps);
    noise_.draw(t);
    if (at_ + 1 == ahead()) {
      draw_ahead(t);
      at_ = -1;  // not before: what throws there leaves all to be drawn again
    }
    ++at_;
    if (law_.shifts()) [[unlikely]]
      noise_.draw(t, law_.shifts(at_ * batch()));
  }
  // The coordinates X_S (b, s) and Z (b, J N) of one lane, from outside; for tests.
  void set_coordinates(int lane, const double* X_S, const double* Z) {
    const int stride = 2 * pairs_;
    at_ = 0;
    given_.look();
    for (int b = 0; b < batch(); ++b) {
      for (int q = 0; q < shape_.s; ++q) put(X_[b * stride + q], lane, X_S[b * shape_.s + q]);
      for (int j = 0; j < J() * N(); ++j)
        put(X_[b * stride + shape_.s + j], lane, Z[b * J() * N() + j]);
    }
    find_given(batch());
  }
  // Whether there is a replica in a lane: else it may get the inputs of one that runs, finite
  // numbers, so that it does not interrupt the others.
  void set_runs(int lane, bool runs) {
    if (runs_[lane] == runs) return;
    runs_[lane] = runs;
    fold_known_ = false;
  }
  int inputs() const { return batch(); }
  static constexpr double share() { return 1; }
  const Pack& label(int b) const { return noise_[b]; }
  void undo_draw() { at_ = ahead() - 1; }  // of a step that was left: drawn again

 protected:
  int n() const { return Rows > 0 ? Rows : shape_.n; }
  int N() const { return Memory ? shape_.rows : n(); }
  int batch() const { return Batch > 0 ? Batch : shape_.batch; }
  // Parts of the complement of S.
  int J() const { return Memory ? J_ : 1; }
  // Chi variates a step, of each.
  int m() const { return Rows == 1 && Batch == 1 ? 1 : m_; }
  int ahead() const { return batch() == 1 && J() == 1 ? 4 : 1; }  // steps drawn together

  // Of the step that is next.
  const Pack* x_S(int b) const { return X_.data() + 2 * pairs_ * (at_ * batch() + b); }
  const Pack* z(int b, int c = 0) const { return x_S(b) + shape_.s + c * N(); }
  const Pack* T(int c = 0) const { return T_.data() + (at_ * J() + c) * m() * m(); }
  const Pack* given(int b) const {
    return fields_.data() + (at_ * batch() + b) * (shape_.k + shape_.rank);
  }
  void spend(std::int64_t units) const {
    if (shape_.slow()) [[unlikely]]
      Poll::spend(units);
  }

  Shape shape_;
  int J_, m_;
  int pairs_;  // counters an input
  GivenFields given_;
  AlignedPacks T_;  // (ahead, J, m, m) lower triangular
  int first_a_ = 0;

 private:
  void draw_ahead(const Bits& t) {
    given_.look();
    if (!fold_known_) find_fold();
    if (fold_.there()) [[unlikely]]
      draw_folded(t);
    else
      draw_each(t);
    if constexpr (Memory)
      if (shape_.blocks > 0) [[unlikely]]
        scale_parts();
    if (law_.there()) [[unlikely]]
      law_.apply(t, ahead(), batch(), X_.data(), 2 * pairs_, [this](auto units) { spend(units); });
    if (fold_.there() && !law_.there()) [[unlikely]]
      find_given_folded();
    else
      find_given(ahead() * batch());
  }
  // Steps t .. t + ahead - 1: four hide the latency of each other's arithmetic.
  void draw_each(const Bits& t) {
    const Bits replica = load_bits(replica_);
    if (ahead() == 4) {
      const FourSteps steps(random_, t, replica);
      NormalPair first[4];
      steps.normals(Purpose::chi, first, Purpose::coordinates, pairs_, X_.data(), 2 * pairs_);
      chi_from(first, steps, chi_, T_.data());
      return;
    }
    const Address at(random_, t, replica);
    coordinates(at, broadcast_bits(0), batch() * pairs_, X_.data());
    draw_T(at);
  }
  // The numbers of `slots` counters from `first` on.
  void coordinates(const Address& at, const Bits& first, int slots, Pack* out) const {
    const int most = shape_.slow() ? 4096 : slots;  // between polls
    for (int done = 0; done < slots; done += most) {
      spend(10 * most);
      at.normals(Purpose::coordinates, first + broadcast_bits(static_cast<std::uint64_t>(done)),
                 2 * std::min(most, slots - done), reinterpret_cast<double*>(out + 2 * done),
                 lanes);
    }
  }
  void draw_T(const Address& at) {
    auto slot = static_cast<std::uint64_t>(batch() * pairs_);
    std::uint64_t chi = 0;
    for (int c = 0; c < J(); ++c) {
      Pack* T = T_.data() + c * m() * m();
      for (int i = 0; i < m(); ++i) {
        spend(20 * i);
        for (int j = 0; j < i; ++j)
          T[i * m() + j] = at.normals(Purpose::coordinates, broadcast_bits(slot++)).first;
      }
      for (int i = 0; i < m(); ++i)
        T[i * m() + i] = chi_at(at, Purpose::chi, broadcast_bits(chi++),
                                ChiSampler(dof_[c] - static_cast<double>(i)));
    }
  }
  // What was drawn outside S, to the variance of its part.
  void scale_parts() {
    for (int b = 0; b < ahead() * batch(); ++b)
      for (int i = 0; i < J() * N(); ++i) X_[2 * pairs_ * b + shape_.s + i] *= root_[i / N()];
    const int square = m() * m();
    for (int i = 0; i < ahead() * J() * square; ++i) T_[i] *= root_[i / square % J()];
  }
  void find_given(int inputs) { multiply(given_, X_.data(), inputs, fields_.data()); }
  void multiply(const GivenFields& given, const Pack* X, int inputs, Pack* to) const {
    given.multiply(X, 2 * pairs_, inputs, to, [this](std::int64_t units) { spend(units); });
  }

  // ---- where few replicas run -------------------------------------------------------------
  __attribute__((noinline)) void find_fold() {
    fold_ = Fold(runs_, ahead() * batch());
    if (fold_.there()) {
      folded_given_.fold(given_, fold_, [this](std::int64_t units) { spend(units); });
      folded_chi_ = ChiSampler(fold_.folded(dof_[0]));
    }
    fold_known_ = true;
  }
  __attribute__((noinline)) void draw_folded(const Bits& t) {
    const Bits replica = fold_.folded(load_bits(replica_)), step = fold_.folded(t);
    const int row = 2 * pairs_, inputs = fold_.inputs();
    if (ahead() > 1) {  // inputs are steps: each has an address and a chi of its own
      for (int i = 0; i < inputs; ++i) {
        const Bits later = fold_.first() + broadcast_bits(static_cast<std::uint64_t>(i));
        const Address at(random_, step + later, replica);
        coordinates(at, broadcast_bits(0), pairs_, &folded_X_[i * row]);
        const Pack chi = chi_at(at, Purpose::chi, broadcast_bits(0), folded_chi_);
        unfold(&chi, 1, 0, 1, i, T_.data());
      }
    } else {  // inputs are those of one batch: they differ in their slots
      const Bits pairs = broadcast_bits(static_cast<std::uint64_t>(pairs_));
      coordinates(Address(random_, step, replica), multiply_low32(fold_.first(), pairs),
                  inputs * pairs_, folded_X_.data());
      draw_T(Address(random_, t, load_bits(replica_)));
    }
    unfold(folded_X_.data(), row, 0, inputs, 0, X_.data());
  }
  void find_given_folded() {
    const int inputs = fold_.inputs(), row = shape_.k + shape_.rank;
    multiply(folded_given_, folded_X_.data(), inputs, folded_fields_.data());
    unfold(folded_fields_.data(), row, given_.identity() ? shape_.k : 0, inputs, 0, fields_.data());
  }
  // Packs of inputs `at` .. of each group, from their number `first` of `row`, to their own places.
  void unfold(const Pack* from, int row, int first, int inputs, int at, Pack* to) const {
    for (int g = 0; g < fold_.groups(); ++g) {
      const Bits back = fold_.back(g);
      for (int i = 0; i < inputs; ++i) {
        const int input = g * fold_.inputs() + at + i;
        if (input >= ahead() * batch()) return;
        spend(row - first);
        for (int q = first; q < row; ++q) to[input * row + q] = permuted(from[i * row + q], back);
      }
    }
  }

  Philox random_;
  LabelNoise<Layout> noise_;
  int at_;  // the current one among the steps drawn together
  ReducedLaw law_;
  AlignedPacks X_;       // (ahead, b, s + J n, rounded up to even): X_S then Z
  AlignedPacks fields_;  // (ahead, b, k + r)
  AlignedPacks dof_;     // (J)
  AlignedPacks root_;    // (J)  of the variance
  ChiSampler chi_;       // of the first of dof_
  std::uint64_t replica_[lanes] = {};
  bool runs_[lanes];
  bool fold_known_ = false;
  Fold fold_;
  GivenFields folded_given_;
  ChiSampler folded_chi_;
  AlignedPacks folded_X_, folded_fields_;  // of the inputs of a group
};

}  // namespace lrft
