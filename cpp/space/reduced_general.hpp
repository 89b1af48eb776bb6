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
    each_part([&](int c) __attribute__((always_inline)) {
      if (shape_.slow())
        rest_of<true>({G, n()}, batch(), T(c), m(), work_.data(), mixed_.rest(0, c),
                      mixed_.width());
      else
        rest_of<false>({G, n()}, batch(), T(c), m(), work_.data(), mixed_.rest(0, c),
                       mixed_.width());
    });
  }
  Scalar gradient_square() const { return mixed_.square(); }
  Scalar along_velocity(int j) const {
    const int s = shape_.s, first = shape_.first(), at = shape_.first_row + j;
    Pack sum;
    dots<1>({P_.data() + at * s + first, s, P_.data() + j * s + first, s - first},
            {L(0, at), width(), L(0, j), N()}, long_rows(), &sum);
    for (int c = 1; c < J(); ++c) {
      Pack more;
      dots<1>({L(c, at), width(), L(c, j), N()}, {}, long_rows(), &more);
      sum += more;
    }
    return sum;
  }
  void move(const MixedMove<Scalar>& move) {
    if (!shape_.slow()) return mix(move);
    or_as_before([&] { mix(move); });
  }
  // The same with the T (J, b, b) of `lane` given, whatever b; for tests.
  void move_given(const MixedMove<Scalar>& move, int lane, const double* T) {
    const int n = this->n(), N = this->N(), b = batch();
    mixed_.move_P(move, P_.data(), spending());
    for (int c = 0; c < J(); ++c) {
      const AlignedPacks given = packed(lane, T + c * b * b, b * b);
      if (rotates()) {
        const Pack* G = mixed_.spread(move, G_, b, L(c), width());
        rotations_.update(L(c), width(), G, z(0, c), 2 * pairs_, given.data(), spending());
        continue;
      }
      AlignedPacks rest(n * b), M(N * (N + b));
      for (int j = 0; j < n; ++j) move_rest<false>({G_ + j, n}, given.data(), b, &rest[j * b]);
      for (int i = 0; i < N; ++i) std::copy_n(L(c, i), N, &M[i * (N + b)]);
      mixed_.move_L(move, c, M.data(), N + b, b, [&](int j) { return &rest[j * b]; }, spending());
      if (N == 2) {
        set_pair(c, factor_of_pair(M.data(), N + b));
      } else {
        triangular(M.data(), N, N + b, spending());
        for (int i = 0; i < N; ++i) std::copy_n(&M[i * (N + b)], N, L(c, i));
      }
    }
    if (move.unit) normalise();
  }
  Scalar gradient_square_given(int lane, const double* T) const {
    const int b = batch(), first = shape_.first();
    AlignedPacks rest(b);
    Pack sum = broadcast(0.0);
    for (int j = 0; j < n(); ++j)
      sum = squares(mixed_.g(j) + first, shape_.s + J() * N() - first, sum);
    for (int c = 0; c < J(); ++c) {
      const AlignedPacks given = packed(lane, T + c * b * b, b * b);
      for (int j = 0; j < n(); ++j) {
        move_rest<false>({G_ + j, n()}, given.data(), b, rest.data());
        sum = squares(rest.data(), b, sum);
      }
    }
    return sum;
  }

 private:
  LRFT_INLINE void mix(const MixedMove<Scalar>& move) {
    if (n() == 1 && N() == 2) return mix_row<2>(move);
    if (n() == 1 && N() == 3) return mix_row<3>(move);
    const int N = this->N(), s = shape_.s, first = shape_.first(), from = shape_.first_row;
    mixed_.move_P(move, P_.data(), spending());
    health_ = broadcast(0.0);
    for (int i = 0; i < N; ++i) {
      square_[i] = squares(&P_[i * s + first], s - first, broadcast(0.0));
      health_ = health_ + square_[i];
    }
    each_part([&](int c) __attribute__((always_inline)) { mix_part(move, c); });
    if (!move.unit) return;
    if (rotates()) return normalise();
    for (int i = from; i < from + n(); ++i) {
      const Pack scale = 1.0 / sqrt(square_[i]);
      for (int q = first; q < s; ++q) P_[i * s + q] *= scale;
      for (int c = 0; c < J(); ++c)
        for (int q = 0; q <= i; ++q) L(c, i)[q] *= scale;
    }
  }
  // The same of one row and what is remembered of it, N rows with a coordinate each of what is
  // left: sizes that are known here.  Out of line, where the registers are its own.
  template <int N>
  __attribute__((noinline)) void mix_row(const MixedMove<Scalar>& move) {
    const MixedRows::Mix<N> mix(move, 1, 0);
    const int s = shape_.s, first = shape_.first();
    const Pack* g = mixed_.g(0);
    Pack *P = P_.data(), square[N];
    spend(std::int64_t{2} * N * s);
    mix.move(P, s, g, shape_.moving, s);
#pragma GCC unroll 3
    for (int i = 0; i < N; ++i) square[i] = squares(P + i * s + first, s - first, broadcast(0.0));
    for (int c = 0; c < J(); ++c) {
      Pack* L = L_.data() + c * N * (N + 1);
      Pack M[N * (N + 1)];
#pragma GCC unroll 12
      for (int i = 0; i < N * (N + 1); ++i) M[i] = L[i];
      mix.move(M, N + 1, g + s + c * N, 0, N);
      mix.begin(M + N, N + 1, mixed_.rest(0, c), 1);
#pragma GCC unroll 3
      for (int i = 0; i < N; ++i) square[i] = squares(M + i * (N + 1), N + 1, square[i]);
      if constexpr (N == 2) {
        set_pair(c, factor_of_pair(M));
      } else {
        std::copy_n(M, N * (N + 1), L);
        triangular(L, N, N + 1, spending());
      }
    }
    health_ = square[0];
#pragma GCC unroll 3
    for (int i = 1; i < N; ++i) health_ = health_ + square[i];
    if (!move.unit) return;
#pragma GCC unroll 3
    for (int i = 0; i < N; ++i) {
      if (i != shape_.first_row) continue;
      const Pack scale = sqrt(square[i]) * (1.0 / square[i]);
      for (int q = first; q < s; ++q) P[i * s + q] *= scale;
      for (int c = 0; c < J(); ++c)
        for (int q = 0; q <= i; ++q) L_[(c * N + i) * (N + 1) + q] *= scale;
    }
  }
  LRFT_INLINE void mix_part(const MixedMove<Scalar>& move, int c) {
    const int N = this->N();
    if (rotates()) {
      const Pack* G = mixed_.spread(move, G_, batch(), L(c), width());
      health_ =
          health_ + rotations_.update(L(c), width(), G, z(0, c), 2 * pairs_, T(c), spending());
      return;
    }
    mixed_.move_L(
        move, c, L(c), width(), m(), [&](int j) { return mixed_.rest(j, c); }, spending());
    // Reflections change no length, so lengths need not wait for them.
    for (int i = 0; i < N; ++i) {
      const Pack square = squares(L(c, i), width(), broadcast(0.0));
      health_ = health_ + square;
      square_[i] = square_[i] + square;
    }
    if (N == 2)
      set_pair(c, factor_of_pair(L(c), width()));
    else
      triangular(L(c), N, width(), spending());
  }
  void set_pair(int c, const PairFactor& factor) {
    Pack *one = L(c, 0), *two = L(c, 1);
    one[0] = factor.x0;
    one[1] = broadcast(0.0);
    two[0] = factor.y0;
    two[1] = factor.y1;
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
