// The fields of inputs in the reduced space that do not depend on the state, eight replicas side
// by side: the features W x = R x_S and, as more rows of the same product, <u, x> = a x_S.
//
// A tile of rows meets up to four inputs at once: what it adds up stays in registers, and every
// number that is loaded serves a whole row or column of the tile.  Where all lanes have the same R,
// its entries are scalars, an eighth of the memory.  Every field is one sum in the order of
// the coordinates, whichever tile it is in and whether or not R is shared: same bits.  A tile of
// one input has eight rows, so that there are sums enough to add to while one waits for itself.
//
// Cost of an input: the entries of R between the first and the last of a tile that are not zero.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "lrft/fields.hpp"
#include "simd/aligned.hpp"
#include "space/fold.hpp"

namespace lrft {

class GivenFields {
 public:
  GivenFields(int k, int rank, int s) : k_(k), rows_(k + rank), s_(s), R_(rows_ * s) {}

  // R (k, s), which stays where it is, and a (r, s) of one lane; see `look`.  Tasks may share an R:
  // one that the lane has already is not read again.
  void set(int lane, const Given<double>& R, const std::vector<double>& a) {
    const auto put = [&](int row, const auto& numbers) {
      double* to = R_.doubles() + row * s_ * lanes + lane;
      for (const double x : numbers) *to = x, to += lanes;
      seen_ = std::min(seen_, row);
    };
    if (R.begin() != of_lane_[lane]) put(0, R);
    of_lane_[lane] = R.begin();
    put(k_, a);
  }
  // Notes what all lanes have in common; to be called after `set`, before all that follows.
  // Adding exact zeros changes no bit, so this depends on company only in speed.
  void look() {
    if (seen_ == rows_) return;
    if (seen_ == 0) identity_ = features_shared_ = true;
    shared_ = features_shared_;
    begin_.resize(static_cast<std::size_t>(rows_));
    end_.resize(static_cast<std::size_t>(rows_));
    for (int i = seen_; i < rows_; ++i) {
      const auto row = static_cast<std::size_t>(i);
      begin_[row] = s_;
      end_[row] = 0;
      for (int q = 0; q < s_; ++q) {
        const Pack& r = R_[i * s_ + q];
        const double first = entry(i, q);
        identity_ = identity_ && (i >= k_ || same(r, q == i ? 1.0 : 0.0));
        shared_ = shared_ && same(r, first);
        if (first == 0 && same(r, 0.0)) continue;
        begin_[row] = std::min(begin_[row], q);
        end_[row] = q + 1;
      }
      if (i < k_) features_shared_ = shared_;
    }
    // Those of the features stay where only a changes.
    scalars_.resize(features_shared_ ? static_cast<std::size_t>(rows_ * s_) : 0);
    if (features_shared_)
      for (int i = seen_; i < rows_; ++i)
        for (int q = 0; q < s_; ++q) scalars_[static_cast<std::size_t>(i * s_ + q)] = entry(i, q);
    seen_ = rows_;
  }
  // Becomes what `of` is where lanes hold several inputs of few replicas: a few passes over R
  // wherever others run than before.
  template <class Spend>
  void fold(const GivenFields& of, const Fold& fold, const Spend& spend) {
    // Features that are coordinates are never read.  Where a lane that rests has others they are
    // asked for, whatever those that run have.
    seen_ = of.identity_ ? k_ : 0;
    for (int i = seen_; i < rows_; ++i) {
      spend(s_);
      for (int q = 0; q < s_; ++q) R_[i * s_ + q] = fold.folded(of.R_[i * s_ + q]);
    }
    look();
    identity_ = of.identity_;
  }
  // The features are the first coordinates themselves.
  bool identity() const { return identity_; }
  // a (r, s).
  const Pack* a() const { return R_.data() + k_ * s_; }
  // The first coordinate where a row of it has an entry that is not zero, over all lanes; s if
  // none.
  int first_of_a() const {
    int first = s_;
    for (int i = k_; i < rows_; ++i)
      for (int q = 0; q < first; ++q)
        if (!same(R_[i * s_ + q], 0.0)) first = q;
    return first;
  }
  // to[b (k + r) + i] = sum_q [R; a][i, q] x[b stride + q] for b < inputs; without the features
  // where they are the identity.
  // spend(units) is told of the work before it is done, and may throw.
  template <class Spend>
  void multiply(const Pack* x, int stride, int inputs, Pack* to, const Spend& spend) const {
    const auto some = [&]<int Inputs>(std::integral_constant<int, Inputs>) {
      for (; inputs >= Inputs; inputs -= Inputs, x += Inputs * stride, to += Inputs * rows_)
        if (shared_)
          rows_of<Inputs>(Shared{scalars_.data(), s_}, x, stride, to, spend);
        else
          rows_of<Inputs>(Own{R_.data(), s_}, x, stride, to, spend);
    };
    some(std::integral_constant<int, 4>{});
    some(std::integral_constant<int, 2>{});
    some(std::integral_constant<int, 1>{});
  }

 private:
  // As many rows of four inputs as the registers of the set hold.
  static constexpr int tile_rows = native_width == 4 || (native_width == 2 && parts == 4) ? 2 : 4;

  struct Shared {
    const double* r;
    int s;
    LRFT_INLINE NativeDouble at(int i, int q, int) const { return r[i * s + q] - NativeDouble{}; }
  };
  struct Own {
    const Pack* r;
    int s;
    LRFT_INLINE NativeDouble at(int i, int q, int part) const { return r[i * s + q].v[part]; }
  };

  template <int Inputs, class R, class Spend>
  void rows_of(const R& r, const Pack* x, int stride, Pack* to, const Spend& spend) const {
    int i = identity_ ? k_ : 0;
    if constexpr (Inputs == 1)
      for (; i + 8 <= rows_; i += 8) tile<8, 1>(r, i, x, stride, to, spend);
    for (; i + tile_rows <= rows_; i += tile_rows)
      tile<tile_rows, Inputs>(r, i, x, stride, to, spend);
    for (; i + 2 <= rows_; i += 2) tile<2, Inputs>(r, i, x, stride, to, spend);
    if (i < rows_) tile<1, Inputs>(r, i, x, stride, to, spend);
  }
  template <int Rows, int Inputs, class R, class Spend>
  __attribute__((noinline)) void tile(const R& r, int first, const Pack* x, int stride, Pack* to,
                                      const Spend& spend) const {
    const auto row = begin_.begin() + first;
    const int begin = *std::min_element(row, row + Rows);
    const int end = *std::max_element(end_.begin() + first, end_.begin() + first + Rows);
    spend(std::int64_t{Rows * Inputs} * std::max(end - begin, 1));
    for (int part = 0; part < parts; ++part) {
      NativeDouble sum[Rows][Inputs] = {};
      for (int q = begin; q < end; ++q) {
        NativeDouble v[Inputs];
#pragma GCC unroll 4
        for (int b = 0; b < Inputs; ++b) v[b] = x[b * stride + q].v[part];
#pragma GCC unroll 8
        for (int i = 0; i < Rows; ++i) {
          const NativeDouble e = r.at(first + i, q, part);
#pragma GCC unroll 4
          for (int b = 0; b < Inputs; ++b) sum[i][b] = native_fma(e, v[b], sum[i][b]);
        }
      }
#pragma GCC unroll 8
      for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
        for (int b = 0; b < Inputs; ++b) to[b * rows_ + first + i].v[part] = sum[i][b];
    }
  }

  double entry(int i, int q) const { return R_.doubles()[(i * s_ + q) * lanes]; }
  static bool same(const Pack& p, double x) { return !any(~(p == x)); }

  int k_, rows_, s_;
  AlignedPacks R_;               // (k + r, s): R, then a
  std::vector<double> scalars_;  // the same, where all lanes have it
  std::vector<int> begin_, end_;
  const double* of_lane_[lanes] = {};  // its R
  int seen_ = 0;                       // rows that were looked at
  bool identity_ = false, features_shared_ = false, shared_ = false;
};

}  // namespace lrft
