// Rows of the reduced space together with what an optimiser remembers of them: velocities,
// averages.
//
// The gradient of the student's n rows is g = G^T X.  Its coordinates (n, s + J (N + m)), along S,
// along the N rows in each of the J parts of its complement and along what is left of these, are
// worked out before the rows move, so that its length is known and it may be scaled.  Then row j of
// every group moves by the same few numbers (`MixedMove`).
//
// Cost: b n (s + J (N + m)) for the gradient, groups^2 n (s + J N) for the rows.
#pragma once

#include <cstdint>

#include <algorithm>

#include "simd/aligned.hpp"
#include "space/dots.hpp"
#include "space/space.hpp"

namespace lrft {

class MixedRows {
 public:
  // `rest`: coordinates of what is left of a part, m.
  MixedRows(const Shape& shape, int rest)
      : n_(shape.n),
        N_(shape.rows),
        s_(shape.s),
        first_(shape.moving),
        m_(rest),
        seen_(s_ + shape.complements() * N_),
        width_(seen_ + shape.complements() * m_),
        g_(shape.plain ? 0 : n_ * width_),
        G_(shape.plain ? 0 : shape.batch * N_) {}

  // The numbers of row j of `Groups` groups.
  template <int Groups>
  struct Mix {
    Pack M[Groups][Groups], gamma[Groups];
    LRFT_INLINE Mix(const MixedMove<Pack>& move, int n, int j) {
#pragma GCC unroll 4
      for (int a = 0; a < Groups; ++a) {
        gamma[a] = move.gamma[a * n + j];
#pragma GCC unroll 4
        for (int c = 0; c < Groups; ++c) M[a][c] = move.M[(a * Groups + c) * n + j];
      }
    }
    // Entries [from, to) of rows that are `apart` packs from one group to the next.
    LRFT_INLINE void move(Pack* row, int apart, const Pack* g, int from, int to) const {
      for (int q = from; q < to; ++q) {
        Pack old[Groups];
#pragma GCC unroll 4
        for (int c = 0; c < Groups; ++c) old[c] = row[c * apart + q];
#pragma GCC unroll 4
        for (int a = 0; a < Groups; ++a) {
          Pack sum = -(gamma[a] * g[q]);
#pragma GCC unroll 4
          for (int c = 0; c < Groups; ++c) sum = fma(M[a][c], old[c], sum);
          row[a * apart + q] = sum;
        }
      }
    }
    LRFT_INLINE void begin(Pack* row, int apart, const Pack* g, int count) const {
      for (int a = 0; a < Groups; ++a)
        for (int q = 0; q < count; ++q) row[a * apart + q] = -(gamma[a] * g[q]);
    }
    LRFT_INLINE void only_rows(Pack* row, int apart, int count) const {
      for (int q = 0; q < count; ++q) {
        Pack old[Groups];
        for (int c = 0; c < Groups; ++c) old[c] = row[c * apart + q];
        for (int a = 0; a < Groups; ++a) {
          Pack sum = M[a][0] * old[0];
          for (int c = 1; c < Groups; ++c) sum = fma(M[a][c], old[c], sum);
          row[a * apart + q] = sum;
        }
      }
    }
  };

  // Coordinates of row j of the gradient: along S and then the rows; and of what is left of part c.
  Pack* g(int j) { return g_.data() + j * width_; }
  const Pack* g(int j) const { return g_.data() + j * width_; }
  Pack* rest(int j, int c) { return g(j) + seen_ + c * m_; }
  int width() const { return width_; }

  // Of G (b, n) and the inputs' coordinates x (b, s + J N), `stride` packs apart.
  template <class Spend>
  LRFT_INLINE void take(const Pack* G, const Pack* x, int stride, int inputs, const Spend& spend) {
    for (int j = 0; j < n_; ++j) {
      spend(std::int64_t{inputs} * seen_);
      Pack* to = g(j);
      for (int b = 0; b < inputs; ++b) {
        const Pack c = G[b * n_ + j];
        const Pack* from = x + b * stride;
        if (b == 0)
          for (int q = first_; q < seen_; ++q) to[q] = c * from[q];
        else
          for (int q = first_; q < seen_; ++q) to[q] = fma(c, from[q], to[q]);
      }
    }
  }
  // |g_j|^2 of all rows together.
  Pack square() const {
    Pack sum = broadcast(0.0);
    for (int j = 0; j < n_; ++j) sum = squares(g(j) + first_, width_ - first_, sum);
    return sum;
  }
  // P (N, s).
  template <class Spend>
  void move_P(const MixedMove<Pack>& move, Pack* P, const Spend& spend) const {
    each_row(move, [&](const auto& mix, int j) {
      spend(std::int64_t{2} * s_);
      mix.move(P + j * s_, n_ * s_, g(j), first_, s_);
    });
  }
  // L (N, N + count) of part c, rows `width` packs apart; the columns beyond N are of what is left
  // of it: from(j) has those of row j of the gradient.
  template <class From, class Spend>
  void move_L(const MixedMove<Pack>& move, int c, Pack* L, int width, int count, const From& from,
              const Spend& spend) const {
    each_row(move, [&](const auto& mix, int j) {
      spend(std::int64_t{2} * N_);
      mix.move(L + j * width, n_ * width, g(j) + s_ + c * N_, 0, N_);
      mix.begin(L + j * width + N_, n_ * width, from(j), count);
    });
  }
  // L of a part alone <- M L; and the coefficients (b, N) by which all rows move along the inputs.
  const Pack* spread(const MixedMove<Pack>& move, const Pack* G, int inputs, Pack* L, int width) {
    each_row(move, [&](const auto& mix, int j) { mix.only_rows(L + j * width, n_ * width, N_); });
    for (int b = 0; b < inputs; ++b)
      for (int i = 0; i < N_; ++i) G_[b * N_ + i] = move.gamma[i] * G[b * n_ + i % n_];
    return G_.data();
  }

 private:
  // f(mix, j) for every row j of the student.
  template <class F>
  LRFT_INLINE void each_row(const MixedMove<Pack>& move, const F& f) const {
    const int groups = N_ / n_;
    for (int j = 0; j < n_; ++j)
      if (groups == 1)
        f(Mix<1>(move, n_, j), j);
      else if (groups == 2)
        f(Mix<2>(move, n_, j), j);
      else
        f(Mix<3>(move, n_, j), j);
  }

  int n_, N_, s_, first_, m_;
  int seen_;        // s + J N
  int width_;       // and J m
  AlignedPacks g_;  // (n, width)
  AlignedPacks G_;  // (b, N)
};

}  // namespace lrft
