// The reduced space where a batch is used more than once.
//
// Until its last use the rows stay in the frame that they and the batch make,
//   A = P Q^T + L U + K V,   X = X_S Q^T + Z U + T V,
// V (b x d) directions of the batch that are orthogonal to S and to the rows at its start, T (b x
// b) its Bartlett factor there, and K (n x b), which is 0 at the start.  There a use is exact:
//   A x = P X_S + L Z + K T,   [P, L, K] <- M [P, L, K] - G^T [X_S, Z, T].
// After the last [L, K] is brought back to lower-triangular form by reflections from the right.
// docs/reduced.md has the derivation; it needs d >= s + n + b.
//
// Cost of a use beside that of the fields: b n (s + n + b) multiplications; n^2 (n + b) more a
// step.
#pragma once

#include "space/reduced.hpp"

namespace lrft {

class ReducedAgain : public ReducedSpace<0, 0, true> {
  using Base = ReducedSpace<0, 0, true>;

 public:
  using Input = GeneralInput<Base::Input>;

  ReducedAgain(const Shape& shape, const RunSpec& spec)
      : Base(shape, spec), from_(shape.ahead ? shape.batch * shape.n : 0) {}

  LRFT_INLINE Input input(int b) const {
    const auto x = Base::input(b);
    return {x, shape_.ahead ? from_.data() + b * shape_.n : x.rows};
  }
  LRFT_INLINE void move(const Move<Scalar>& move) {
    if (shape_.uses == 1)
      Base::move(move);
    else if (shape_.slow())
      move_in_frame<true>(move);
    else
      move_in_frame<false>(move);
  }
  void again() {
    const int n = shape_.n, first = shape_.first();
    for (int b = 0; b < shape_.batch; ++b) {
      spend(std::int64_t{n} * (shape_.s + n + b));
      for (int j = 0; j < n; ++j) {
        Pack& field = rows_[b * n + j];
        dots<1>({&P_[j * shape_.s + first], shape_.s, x_S(b) + first, shape_.s - first},
                {L(0, j), width(), z(b), n}, long_rows(), &field);
        for (int c = 1; c < J(); ++c) {
          Pack more;
          dots<1>({L(c, j), width(), z(b, c), n}, {}, long_rows(), &more);
          field += more;
        }
        for (int c = 0; c < J(); ++c)
          for (int i = 0; i <= b; ++i) field = fma(L(c, j)[n + i], T(c)[b * m() + i], field);
      }
    }
  }
  void done() {
    for (int c = 0; c < J(); ++c) {
      triangular(L(c), shape_.n, width(), [this](std::int64_t units) { spend(units); });
      for (int j = 0; j < shape_.n; ++j) std::fill_n(L(c, j) + shape_.n, m(), broadcast(0.0));
    }
  }
  void mark() {
    before_.assign(P_.data(), P_.data() + P_.size());
    before_.insert(before_.end(), L_.data(), L_.data() + J() * shape_.n * width());
    std::copy_n(rows_.data(), from_.size(), from_.data());
  }
  void back() {
    std::copy_n(before_.data(), P_.size(), P_.data());
    std::copy_n(before_.data() + P_.size(), J() * shape_.n * width(), L_.data());
  }
  // T (J, b, b) of `lane` from outside, after its other coordinates; for tests.
  void set_rest(int lane, const double* T) {
    for (int i = 0; i < J() * m() * m(); ++i) put(T_[i], lane, T[i]);
  }

 private:
  template <bool Polls>
  void move_in_frame(const Move<Scalar>& move) {
    const int n = shape_.n, first = shape_.moving, count = shape_.s - first;
    health_ = broadcast(0.0);
    for (int j = 0; j < n; ++j) {
      Pack* P = &P_[j * shape_.s + first];
      move_along<Polls>({x_S(0) + first, 2 * pairs_}, {move.G + j, n}, batch(), move.M[j], count,
                        P);
      Pack square = squares(P, count, broadcast(0.0));
      for (int c = 0; c < J(); ++c) {
        Pack* row = L(c, j);
        move_along<Polls>({z(0, c), 2 * pairs_}, {move.G + j, n}, batch(), move.M[j], n, row);
        spend_in<Polls>(std::int64_t{m()} * m() / 2);
        for (int i = 0; i < m(); ++i) {
          Pack g = broadcast(0.0);
          for (int b = i; b < m(); ++b) g = fma(move.G[b * n + j], T(c)[b * m() + i], g);
          row[n + i] = fma(move.M[j], row[n + i], -g);
        }
        square = squares(row, width(), square);
      }
      health_ += square;
      if (!move.unit) continue;
      const Pack scale = 1.0 / sqrt(square);
      for (int q = 0; q < count; ++q) P[q] *= scale;
      for (int c = 0; c < J(); ++c)
        for (int i = 0; i < width(); ++i) L(c, j)[i] *= scale;
    }
  }

  AlignedPacks from_;  // (b, n)  the fields of the rows at the mark
};

}  // namespace lrft
