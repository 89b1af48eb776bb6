// The reduced space of the general step: batches may be used again, or an optimiser remember more
// of the rows than where they are.
//
// Velocities and averages are rows too: P (N, s) and L (N, N) are of all of them, velocities first,
// so that without spheres what they do to each other leaves L a triangle (`MixedMove`).
//
// Cost beside that of N rows: space/mixed_rows.hpp.
#pragma once

#include <vector>

#include "space/mixed_rows.hpp"
#include "space/reduced_again.hpp"

namespace lrft {

class ReducedGeneral : public ReducedAgain {
  using Base = ReducedAgain;

 public:
  ReducedGeneral(const Shape& shape, const RunSpec& spec)
      : Base(shape, spec), mixed_(shape, m()), square_(shape.rows) {}

  std::vector<double> with_memory(const std::vector<double>& rows) const {
    return lrft::with_memory(shape_, rows);
  }
  std::vector<double> rows_now(int lane, double share = 1) const {
    return without_memory(shape_, rows_of(lane), share);
  }
  Statistics statistics(int lane, const TaskData& task, double share = 1) const {
    return reduced_view(shape_, task, rows_now(lane, share));
  }

  // ---- the step ---------------------------------------------------------------------------
  using Base::move, Base::move_given;
  void take_gradient(const Scalar* G) {
    G_ = G;
    mixed_.take(G, x_S(0), 2 * pairs_, batch(), spending());
    if (shape_.slow())
      rest_of<true>(G, mixed_.rest(0), mixed_.width());
    else
      rest_of<false>(G, mixed_.rest(0), mixed_.width());
  }
  Scalar gradient_square() const { return mixed_.square(); }
  Scalar along_velocity(int j) const {
    const int s = shape_.s, first = shape_.first(), at = shape_.first_row + j;
    Pack sum;
    dots<1>({P_.data() + at * s + first, s, P_.data() + j * s + first, s - first},
            {L_.data() + at * width(), width(), L_.data() + j * width(), N()}, long_rows(), &sum);
    return sum;
  }
  void move(const MixedMove<Scalar>& move) {
    if (!shape_.slow()) return mix(move);
    or_as_before([&] { mix(move); });
  }
  // The same with the T (b, b) of `lane` given, whatever b; for tests.
  void move_given(const MixedMove<Scalar>& move, int lane, const double* T) {
    const int n = this->n(), N = this->N(), b = batch();
    const AlignedPacks given = packed(lane, T, b * b);
    mixed_.move_P(move, P_.data(), spending());
    if (rotates()) {
      const Pack* G = mixed_.spread(move, G_, b, L_.data(), width());
      rotations_.update(L_.data(), width(), G, z(0), 2 * pairs_, given.data(), spending());
    } else {
      AlignedPacks rest(n * b), M(N * (N + b));
      for (int j = 0; j < n; ++j) move_rest<false>(G_, given.data(), b, j, &rest[j * b]);
      for (int i = 0; i < N; ++i) std::copy_n(&L_[i * width()], N, &M[i * (N + b)]);
      mixed_.move_L(move, M.data(), N + b, spending());
      mixed_.move_rest(move, M.data(), N + b, b, [&](int j) { return &rest[j * b]; });
      if (N == 2) {
        set_pair(factor_of_pair(M.data(), N + b));
      } else {
        triangular(M.data(), N, N + b, spending());
        for (int i = 0; i < N; ++i) std::copy_n(&M[i * (N + b)], N, &L_[i * width()]);
      }
    }
    if (move.unit) normalise();
  }
  Scalar gradient_square_given(int lane, const double* T) const {
    const int b = batch(), first = shape_.first();
    const AlignedPacks given = packed(lane, T, b * b);
    AlignedPacks rest(b);
    Pack sum = broadcast(0.0);
    for (int j = 0; j < n(); ++j) {
      move_rest<false>(G_, given.data(), b, j, rest.data());
      sum = squares(mixed_.g(j) + first, shape_.s + N() - first, sum);
      sum = squares(rest.data(), b, sum);
    }
    return sum;
  }

 private:
  LRFT_INLINE void mix(const MixedMove<Scalar>& move) {
    const int N = this->N(), s = shape_.s, first = shape_.first(), from = shape_.first_row;
    mixed_.move_P(move, P_.data(), spending());
    health_ = broadcast(0.0);
    for (int i = 0; i < N; ++i) {
      square_[i] = squares(&P_[i * s + first], s - first, broadcast(0.0));
      health_ = health_ + square_[i];
    }
    if (rotates()) {
      const Pack* G = mixed_.spread(move, G_, batch(), L_.data(), width());
      health_ =
          health_ + rotations_.update(L_.data(), width(), G, z(0), 2 * pairs_, T(), spending());
      if (move.unit) normalise();
      return;
    }
    mixed_.move_L(move, L_.data(), width(), spending());
    mixed_.move_rest(move, L_.data(), width(), m(), [&](int j) { return mixed_.rest(j); });
    // Reflections change no length, so lengths need not wait for them.
    for (int i = 0; i < N; ++i) {
      const Pack square = squares(&L_[i * width()], width(), broadcast(0.0));
      health_ = health_ + square;
      square_[i] = square_[i] + square;
    }
    if (N == 2)
      set_pair(factor_of_pair(L_.data(), width()));
    else
      triangular(L_.data(), N, width(), spending());
    if (!move.unit) return;
    for (int i = from; i < from + n(); ++i) {
      const Pack scale = 1.0 / sqrt(square_[i]);
      for (int q = first; q < s; ++q) P_[i * s + q] *= scale;
      for (int q = 0; q <= i; ++q) L_[i * width() + q] *= scale;
    }
  }
  void set_pair(const PairFactor& factor) {
    L_[0] = factor.x0;
    L_[1] = broadcast(0.0);
    L_[width()] = factor.y0;
    L_[width() + 1] = factor.y1;
  }
  // Polls, in long steps.
  struct Spend {
    const ReducedGeneral& space;
    void operator()(std::int64_t units) const { space.spend(units); }
  };
  Spend spending() const { return {*this}; }
  static AlignedPacks packed(int lane, const double* numbers, int count) {
    AlignedPacks packs(count);
    for (int i = 0; i < count; ++i) put(packs[i], lane, numbers[i]);
    return packs;
  }

  MixedRows mixed_;
  AlignedPacks square_;        // (N) of the rows that a move has made
  const Scalar* G_ = nullptr;  // (b, n) of the gradient taken
};

}  // namespace lrft
