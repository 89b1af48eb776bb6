// The reduced space: inputs as far as Gaussian dynamics can see them.
//
// For x ~ N(0, I_d) the student's rows A (n x d) enter only through
//   P = A Q  (n x s),   L L^T = (A - P Q^T)(A - P Q^T)^T  (n x n, L lower triangular),
// Q an orthonormal basis of S = span(rows of W, rows of u).  A batch of b inputs is
//   X_S (b x s), Z (b x n) standard normal, and T, a factor of the Gram matrix of
//   what is left in d - s - n dimensions,
// with W x = R X_S, <u, x> = a X_S, A x = P X_S + L Z, and the update A <- A - G^T X is
//   P <- P - G^T X_S,   [L - G^T Z, -G^T T] back to lower-triangular form by reflections
// or rotations from the right.  T is the Bartlett factor (b x b) for b <= n; for b > n only its
// product with G^T matters, which has the law of chol(G^T G) times an n x n factor.
//
// This is the same Markov chain as in R^d, exactly in law, at any d >= s + n + b (docs/reduced.md).
// What is drawn of inputs is in space/reduced_inputs.hpp.
// Eight replicas run side by side, each with its own task.  In the general step the student's rows
// are some of N, and the complement of S may have several isotropic parts, one an eigenvalue block
// of the covariance: each has an L, Z and T of its own, times the root of its variance.
//
// Cost of a step of one replica: b (s + n) normals, min(b, n) chi variates, and b (nnz(R) + 2 n s)
// + n^2 (n + b) multiplications, or 4 b n^2 for the last where b is small beside n.
#pragma once

#include <algorithm>
#include <vector>

#include "lrft/poll.hpp"
#include "population/statistics.hpp"
#include "simd/aligned.hpp"
#include "simd/few.hpp"
#include "simd/layout.hpp"
#include "space/dots.hpp"
#include "space/reduced_inputs.hpp"
#include "space/reduced_moves.hpp"
#include "space/reduced_rows.hpp"
#include "space/rotations.hpp"
#include "space/space.hpp"
#include "space/subspace.hpp"
#include "space/triangular.hpp"

namespace lrft {

// Fixed when compiled: rows and batch where not 0, as loops that run once are most of the cost of
// the paper's own case, one row of unit length and one input; whether there are further rows.
template <int Rows = 0, int Batch = 0, bool Memory = false>
class ReducedSpace : public ReducedInputs<Rows, Batch, Memory> {
  using Inputs = ReducedInputs<Rows, Batch, Memory>;

 public:
  using Layout = ReplicaLanes;
  using Scalar = Pack;
  using Input = TaughtInput<Pack>;
  static constexpr bool replays = false;  // a path can go on from any step
  static constexpr bool labelled = false;

  ReducedSpace(const Shape& shape, const RunSpec& spec)
      : Inputs(shape, spec),
        seed_(spec.seed),
        P_(shape.rows * shape.s),
        L_(J() * shape.rows * (shape.rows + m()), broadcast(0.0)),
        rows_(shape.batch * shape.n, broadcast(0.0)),
        work_(shape.n * shape.n),
        // On spheres velocities move along rows too, and that leaves no triangle.
        rotates_(by_rotations(N(), batch()) && !(shape.unit && shape.first_row > 0)),
        rotations_(rotates() ? shape.rows : 0, rotates() ? shape.batch : 0) {}

  // rows: P (N, s) then L (J, N, N).
  void set_rows(int lane, const std::vector<double>& rows) {
    const double* from = rows.data();
    for (int i = 0; i < N() * shape_.s; ++i) put(P_[i], lane, *from++);
    for (int j = 0; j < J() * N(); ++j)
      for (int i = 0; i < N(); ++i) put(L_[j * width() + i], lane, *from++);
  }
  std::vector<double> rows_of(int lane) const {
    std::vector<double> rows;
    for (int i = 0; i < N() * shape_.s; ++i) rows.push_back(get(P_[i], lane));
    for (int j = 0; j < J() * N(); ++j)
      for (int i = 0; i < N(); ++i) rows.push_back(get(L_[j * width() + i], lane));
    return rows;
  }
  std::vector<double> rows_now(int lane) const { return rows_of(lane); }
  static std::vector<double> with_memory(std::vector<double> rows) { return rows; }
  std::size_t bias_at(std::size_t j) const { return j * static_cast<std::size_t>(shape_.s); }
  static std::int64_t steps_back(std::int64_t) { return 0; }
  std::vector<double> draw_rows(const TaskData& task, std::uint32_t replica, bool unit) const {
    return draw_reduced_rows(shape_, seed_, task, replica, unit);
  }
  static std::vector<double> given_rows(const StudentSpec& student) {
    return given_reduced_rows(student);
  }
  Statistics statistics(int lane, const TaskData& task) const {
    return reduced_view(shape_, task, rows_of(lane));
  }

  LRFT_INLINE void draw(const std::uint64_t* steps) {
    Inputs::draw(steps);
    fields();
  }
  // The same with X_S (b, s) and Z (b, J N) from outside, in one lane; for tests.
  void set_coordinates(int lane, const double* X_S, const double* Z) {
    Inputs::set_coordinates(lane, X_S, Z);
    fields();
  }

  LRFT_INLINE Input input(int b) const {
    return {{given_.identity() ? x_S(b) : given(b), rows_.data() + b * n()}, given(b) + shape_.k};
  }
  LRFT_INLINE void move(const Move<Scalar>& move) {
    if constexpr (Rows == 1 && Batch == 1) return move_row(move.G[0], move.M[0]);
    if (!shape_.slow()) return move_rows<false>(move.G, move.M, move.unit);
    or_as_before([&] { move_rows<true>(move.G, move.M, move.unit); });
  }
  // The same with the T (J, b, b) of `lane` given, whatever b; for tests.
  void move_given(const Scalar* G, const Scalar* scale, bool unit, int lane,
                  const double* numbers) {
    const int n = this->n(), b = batch();
    AlignedPacks rest(b * b), M(n * (n + b));
    move_seen<false>(G, scale);
    for (int c = 0; c < J(); ++c, numbers += b * b) {
      for (int i = 0; i < b * b; ++i) put(rest[i], lane, numbers[i]);
      if (rotates()) {
        rotations_.update(L(c), width(), G, z(0, c), 2 * pairs_, rest.data(), [](std::int64_t) {});
        continue;
      }
      for (int j = 0; j < n; ++j) {
        std::copy_n(L(c) + j * width(), n, M.data() + j * (n + b));
        move_rest<false>({G + j, n}, rest.data(), b, M.data() + j * (n + b) + n);
      }
      triangular(M.data(), n, n + b, [](std::int64_t) {});
      for (int j = 0; j < n; ++j) std::copy_n(M.data() + j * (n + b), n, L(c) + j * width());
    }
    if (unit) normalise();
  }
  Scalar health() const { return health_; }  // squared lengths together, before they were made 1
  // The rows' inner products with each other, (n, n) lower triangle, and with u, (n, r).
  void products(Scalar* gram, Scalar* teacher) const {
    const int n = this->n(), s = shape_.s, r = shape_.rank, first = shape_.first();
    const int first_a = std::max(first_a_, first);
    const Pack *own_P = P_.data() + first_row() * s, *own_L = L_.data() + first_row() * width();
    for (int j = 0; j < n; ++j) {
      spend(std::int64_t{s} * (j + r));
      const Pack *P = own_P + j * s, *L = own_L + j * width();
      for (int i = 0; i <= j; ++i)
        dots<1>({own_P + i * s + first, s, P + first, s - first},
                {own_L + i * width(), width(), L, first_row() + i + 1}, long_rows(),
                gram + j * n + i);
      for (int c = 1; c < J(); ++c)
        for (int i = 0; i <= j; ++i)
          gram[j * n + i] +=
              in_chains(broadcast(0.0), first_row() + i + 1, [&](int q, const Pack& sum) {
                return fma(this->L(c, first_row() + i)[q], this->L(c, first_row() + j)[q], sum);
              });
      for (int i = 0; i < r; ++i) {
        Pack m = broadcast(0.0);
        for (int q = first_a; q < s; ++q) m = fma(P[q], given_.a()[i * s + q], m);
        teacher[j * r + i] = m;
      }
    }
  }
  Scalar overlap() const {
    const Pack* P = P_.data() + first_row() * shape_.s;
    Pack m = broadcast(0.0);
    for (int q = std::max(first_a_, shape_.first()); q < shape_.s; ++q)
      m = fma(P[q], given_.a()[q], m);
    return m;
  }

 protected:
  using Inputs::N, Inputs::batch, Inputs::J;
  using Inputs::shape_, Inputs::first_a_, Inputs::given_, Inputs::pairs_;
  using Inputs::x_S, Inputs::z, Inputs::T, Inputs::given, Inputs::spend;

  int n() const { return Inputs::n(); }
  int m() const { return Inputs::m(); }
  int first_row() const { return Memory ? shape_.first_row : 0; }  // of the student's
  // f(part) of each; what is mostly the only one apart, where its places are constants.
  template <class F>
  LRFT_INLINE void each_part(const F& f) const {
    f(0);
    further_parts(f);
  }
  template <class F>
  LRFT_INLINE void further_parts(const F& f) const {
    if constexpr (Memory)
      if (J() > 1) [[unlikely]]
        from_second_part(f);
  }
  template <class F>
  __attribute__((noinline, cold)) void from_second_part(const F& f) const {
    for (int c = 1; c < J(); ++c) f(c);
  }
  // Of part c of the complement: row j of its factor.
  Pack* L(int c, int j = 0) { return L_.data() + (c * N() + j) * width(); }
  const Pack* L(int c, int j = 0) const { return L_.data() + (c * N() + j) * width(); }
  int width() const { return N() + m(); }

  LRFT_INLINE void fields() {
    const int s = shape_.s, n = this->n(), first = shape_.first();
    for (int b = 0; b < batch(); ++b) {
      if constexpr (Batch == 0) spend(shape_.units / shape_.batch / 4);
      const Pack* x = x_S(b);
      const auto some = [&]<int Count>(std::integral_constant<int, Count>, int j) {
        const int at = first_row() + j;
        dots<Count>({P_.data() + at * s + first, s, x + first, s - first},
                    {L_.data() + at * width(), width(), z(b), at + Count}, long_rows(),
                    &rows_[b * n + j]);
        further_parts([&](int c) {
          Pack more[Count];
          dots<Count>({L(c, at), width(), z(b, c), at + Count}, {}, long_rows(), more);
          for (int l = 0; l < Count; ++l) rows_[b * n + j + l] += more[l];
        });
      };
      int j = 0;
      if constexpr (Rows != 1)
        for (; j + 2 <= n; j += 2) some(std::integral_constant<int, 2>{}, j);
      if (j < n) some(std::integral_constant<int, 1>{}, j);
    }
  }
  bool long_rows() const { return shape_.s - shape_.first() + N() >= 8; }
  bool rotates() const { return Rows != 1 && rotates_; }
  // The part of the move along the coordinates X_S, and along Z where it is not left to rotations.
  // Returns the sum of the squares of P, while its rows are near.
  template <bool Polls>
  Pack move_seen(const Scalar* G, const Scalar* scale) {
    const int n = this->n(), first = shape_.moving, count = shape_.s - first;
    Pack sum = broadcast(0.0);
    for (int j = 0; j < n; ++j) {
      Pack* P = &P_[j * shape_.s + first];
      move_along<Polls>({x_S(0) + first, 2 * pairs_}, {G + j, n}, batch(), scale[j], count, P);
      sum = squares(P, count, sum);
      each_part([&](int c) __attribute__((always_inline)) {
        if (!rotates())
          move_along<Polls>({z(0, c), 2 * pairs_}, {G + j, n}, batch(), scale[j], n, L(c, j));
        else if (any(~(scale[j] == 1.0)))
          for (int i = 0; i <= j; ++i) L(c, j)[i] *= scale[j];
      });
    }
    return sum;
  }
  template <bool Polls>
  void move_rows(const Scalar* G, const Scalar* scale, bool unit) {
    health_ = move_seen<Polls>(G, scale);
    const int n = this->n();
    const auto poll = [](std::int64_t units) { spend_in<Polls>(units); };
    each_part([&](int c) __attribute__((always_inline)) {
      if (rotates()) {
        health_ += rotations_.update(L(c), width(), G, z(0, c), 2 * pairs_, T(c), poll);
        return;
      }
      rest_of<Polls>({G, n}, batch(), T(c), m(), work_.data(), L(c) + n, width());
      triangular(L(c), n, width(), poll);
      for (int j = 0; j < n; ++j) health_ = squares(L(c, j), j + 1, health_);
    });
    if (unit) normalise();
  }
  template <class F>
  void or_as_before(const F& move) {
    before_.assign(P_.data(), P_.data() + P_.size());
    before_.insert(before_.end(), L_.data(), L_.data() + J() * N() * width());
    try {
      move();
    } catch (const Cancelled&) {
      std::copy_n(before_.data(), P_.size(), P_.data());
      std::copy_n(before_.data() + P_.size(), J() * N() * width(), L_.data());
      throw;
    }
  }
  void normalise() {
    const int s = shape_.s, n = this->n(), first = shape_.first();
    for (int j = 0; j < n; ++j) {
      const int at = first_row() + j;
      Pack* P = P_.data() + at * s + first;
      Pack square = squares(P, s - first, broadcast(0.0));
      for (int c = 0; c < J(); ++c) square = squares(L(c, at), at + 1, square);
      if constexpr (!Memory) health_ = j == 0 ? square : health_ + square;
      const Pack scale = 1.0 / sqrt(square);
      for (int q = 0; q < s - first; ++q) P[q] *= scale;
      for (int c = 0; c < J(); ++c)
        for (int i = 0; i <= at; ++i) L(c, at)[i] *= scale;
    }
  }
  // The whole move of one row of unit length under one input, in one pass, without waiting
  // for one root before the next.
  LRFT_INLINE void move_row(const Pack g, const Pack factor) {
    const Pack l = fma(factor, L_[0], -(g * z(0)[0])), t = g * T()[0];
    const Pack rest = fma(l, l, t * t);
    const int first = shape_.first(), s = shape_.s;
    Pack square = rest;
    if (long_rows())
      square = move_long_row(g, factor, rest);
    else
      for (int q = first; q < s; ++q) square = move_entry(q, g, factor, square);
    health_ = square;
    const Pack scale = sqrt(square) * (1.0 / square);
    L_[0] = sqrt(rest) * scale;
    for (int q = first; q < s; ++q) P_[q] *= scale;
  }
  LRFT_INLINE Pack move_entry(int q, const Pack& g, const Pack& factor, const Pack& sum) {
    const Pack p = fma(factor, P_[q], -(g * x_S(0)[q]));
    P_[q] = p;
    return fma(p, p, sum);
  }
  __attribute__((noinline)) Pack move_long_row(const Pack g, const Pack factor, const Pack rest) {
    const int first = shape_.first();
    return in_chains(rest, shape_.s - first,
                     [&](int i, const Pack& sum) { return move_entry(first + i, g, factor, sum); });
  }

  std::uint64_t seed_;
  AlignedPacks P_;                                // (n, s)
  Few<Pack, Rows == 1 && Batch == 1 ? 2 : 0> L_;  // (J, n, n + m): L, then what a step adds
  Few<Pack, Batch * Rows> rows_;
  Pack health_ = broadcast(0.0);
  AlignedPacks work_;  // (n, n)
  bool rotates_;
  Rotations rotations_;
  std::vector<Pack> before_;  // P and L before a long move
};

using RankOneSpace = ReducedSpace<1, 1>;

}  // namespace lrft
