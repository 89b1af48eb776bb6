// The reduced space: inputs as far as Gaussian dynamics can see them.
//
// For x ~ N(0, I_d) the student's rows A (n x d) enter only through
//   P = A Q  (n x s),   L L^T = (A - P Q^T)(A - P Q^T)^T  (n x n, L lower triangular),
// Q an orthonormal basis of S = span(rows of W, rows of u).  A batch of b inputs is
//   X_S (b x s), Z (b x n) standard normal, and T, a factor of the Gram matrix of
//   what is left in d - s - n dimensions,
// with W x = R X_S, <u, x> = a X_S, A x = P X_S + L Z, and the update A <- A - G^T X is
//   P <- P - G^T X_S,   [L - G^T Z, -G^T T] back to lower-triangular form by reflections
// from the right.  T is the Bartlett factor (b x b) for b <= n; for b > n only its
// product with G^T matters, which has the law of chol(G^T G) times an n x n factor.
//
// This is the same Markov chain as in R^d, exactly in law, at any d >= s + n + b;
// d enters only as a number of degrees of freedom.  Eight replicas run side by
// side, each with its own task.  docs/reduced.md has the derivation.
//
// Cost of a step of one replica: b (s + n) normals, min(b, n) chi variates,
// b (nnz(R) + 2 n s) + n^2 (n + b) multiplications; nothing depends on d.
#pragma once

#include <algorithm>
#include <vector>

#include "lrft/poll.hpp"
#include "population/statistics.hpp"
#include "random/chi.hpp"
#include "random/fill.hpp"
#include "simd/aligned.hpp"
#include "simd/few.hpp"
#include "simd/layout.hpp"
#include "space/noise.hpp"
#include "space/space.hpp"
#include "space/subspace.hpp"
#include "space/triangular.hpp"

namespace lrft {

// Rows and batch are fixed when compiled where they are not 0: loops that run
// once are most of the cost of the paper's own case, one row, always of unit length,
// and one input a step.
template <int Rows = 0, int Batch = 0>
class ReducedSpace {
 public:
  using Layout = ReplicaLanes;
  using Scalar = Pack;
  using Input = TaughtInput<Pack>;
  static constexpr bool replays = false;  // a path can go on from any step

  ReducedSpace(const Shape& shape, const RunSpec& spec)
      : shape_(shape),
        seed_(spec.seed),
        random_(spec.seed),
        noise_(shape.batch, spec.seed),
        pairs_((shape.s + shape.n + 1) / 2),
        at_(ahead() - 1),
        R_(shape.k * shape.s),
        a_(shape.rank * shape.s),
        X_(ahead() * shape.batch * 2 * pairs_),
        T_(ahead() * m() * m()),
        P_(shape.n * shape.s),
        L_(shape.n * (shape.n + m()), broadcast(0.0)),
        features_(shape.batch * shape.k),
        teacher_(shape.batch * shape.rank),
        rows_(shape.batch * shape.n, broadcast(0.0)),
        dof_(broadcast(1.0)),
        chi_(dof_),
        work_(shape.n * shape.n) {}

  // ---- one replica in and out of a lane -------------------------------------
  void set_task(int lane, const TaskData& task, std::uint32_t replica) {
    put(R_, task.R, lane);
    put(a_, task.a, lane);
    noise_.set_task(lane, task, replica);
    replica_[lane] = replica;
    set(dof_, lane, task.d - shape_.s - n());
    chi_ = ChiSampler(dof_);
    at_ = ahead() - 1;  // what was drawn ahead is no longer this lane's
    find_extents();
  }
  // rows: P (n, s) then L (n, n).
  void set_rows(int lane, const std::vector<double>& rows) {
    for (int j = 0; j < n(); ++j) {
      for (int q = 0; q < shape_.s; ++q)
        set(P_[j * shape_.s + q], lane, rows[static_cast<std::size_t>(j * shape_.s + q)]);
      for (int i = 0; i < n(); ++i)
        set(L_[j * width() + i], lane,
            rows[static_cast<std::size_t>(n() * shape_.s + j * n() + i)]);
    }
  }
  std::vector<double> rows_of(int lane) const {
    std::vector<double> rows;
    for (int j = 0; j < n(); ++j)
      for (int q = 0; q < shape_.s; ++q) rows.push_back(get(P_[j * shape_.s + q], lane));
    for (int j = 0; j < n(); ++j)
      for (int i = 0; i < n(); ++i) rows.push_back(get(L_[j * width() + i], lane));
    return rows;
  }
  std::vector<double> rows_now(int lane) const { return rows_of(lane); }
  static std::int64_t steps_back(std::int64_t) { return 0; }
  // Rows uniform on the unit sphere of the space they may move in (n = 1), or
  // standard normal; drawn from streams of the replica's own.
  std::vector<double> draw_rows(const TaskData& task, std::uint32_t replica, bool unit) const {
    const int n = this->n(), s = shape_.s, first = shape_.first();
    std::vector<double> z(static_cast<std::size_t>(n * (s + n))), nu(static_cast<std::size_t>(n)),
        chi(nu);
    fill_normals(seed_, replica, Purpose::init_rows, 0, z.size(), z.data());
    for (int j = 0; j < n; ++j) nu[static_cast<std::size_t>(j)] = task.d - s - j;
    fill_chi(seed_, replica, Purpose::init_chi, 0, nu.size(), nu.data(), chi.data());
    std::vector<double> rows(static_cast<std::size_t>(n * (s + n)), 0.0);
    for (int j = 0; j < n; ++j) {
      double* P = rows.data() + j * s;
      double* L = rows.data() + n * s + j * n;
      for (int q = first; q < s; ++q) P[q] = z[static_cast<std::size_t>(j * s + q)];
      for (int i = 0; i < j; ++i) L[i] = z[static_cast<std::size_t>(n * s + j * n + i)];
      L[j] = chi[static_cast<std::size_t>(j)];
      if (unit) {
        double square = 0;
        for (int q = 0; q < s; ++q) square += P[q] * P[q];
        for (int i = 0; i <= j; ++i) square += L[i] * L[i];
        const double scale = 1 / std::sqrt(square);
        for (int q = 0; q < s; ++q) P[q] *= scale;
        for (int i = 0; i <= j; ++i) L[i] *= scale;
      }
    }
    return rows;
  }
  static std::vector<double> given_rows(const StudentSpec& student) {
    std::vector<double> rows = student.rows_S;
    rows.insert(rows.end(), student.rows_rest.begin(), student.rows_rest.end());
    return rows;
  }
  Statistics statistics(int lane, const TaskData& task) const {
    const std::vector<double> rows = rows_of(lane);
    Statistics out = reduced_statistics(shape_, task, rows);
    if (shape_.follow) out.cosines = cosines(task, rows, out);
    return out;
  }

  // ---- the step ----------------------------------------------------------------
  // Makes the inputs of the steps, one a lane, available.
  LRFT_INLINE void draw(const std::uint64_t* steps) {
    const Bits t = load_bits(steps);
    noise_.draw(t);
    if (++at_ == ahead()) {
      draw_block(t);
      at_ = 0;
    }
    fields();
  }
  // After a step that was left: its numbers are drawn again.
  void undo_draw() { at_ = ahead() - 1; }
  // The same with coordinates from outside: X_S (b, s), Z (b, n) and T (b, b),
  // in one lane; for tests, which drive the space along an ambient path.
  void set_coordinates(int lane, const double* X_S, const double* Z) {
    const int stride = 2 * pairs_;
    at_ = 0;
    for (int b = 0; b < batch(); ++b) {
      for (int q = 0; q < shape_.s; ++q) set(X_[b * stride + q], lane, X_S[b * shape_.s + q]);
      for (int j = 0; j < n(); ++j) set(X_[b * stride + shape_.s + j], lane, Z[b * n() + j]);
    }
    fields();
  }

  int inputs() const { return batch(); }
  static constexpr double share() { return 1; }
  LRFT_INLINE Input input(int b) const {
    return {{identity_ ? x_S(b) : features_.data() + b * shape_.k, rows_.data() + b * n()},
            teacher_.data() + b * shape_.rank};
  }
  const Scalar& label(int b) const { return noise_[b]; }

  LRFT_INLINE void move(const Move<Scalar>& move) {
    if constexpr (Rows == 1 && Batch == 1) return move_row(move.G[0], move.M[0]);
    if (!shape_.slow()) return move_rows<false>(move.G, move.M, move.unit);
    before_.assign(P_.data(), P_.data() + P_.size());
    before_.insert(before_.end(), L_.data(), L_.data() + n() * width());
    try {
      move_rows<true>(move.G, move.M, move.unit);
    } catch (const Cancelled&) {
      std::copy_n(before_.data(), P_.size(), P_.data());
      std::copy_n(before_.data() + P_.size(), n() * width(), L_.data());
      throw;
    }
  }
  // The same with the T (b, b) of `lane` given, whatever b; for tests.
  void move_given(const Scalar* G, const Scalar* scale, bool unit, int lane, const double* T) {
    move_seen<false>(G, scale);
    const int n = this->n(), b = batch(), wide = n + b;
    AlignedPacks M(n * wide);
    for (int j = 0; j < n; ++j) {
      for (int i = 0; i < n; ++i) M[j * wide + i] = L_[j * width() + i];
      for (int i = 0; i < b; ++i) {
        double g = 0;
        for (int l = i; l < b; ++l) g += get(G[l * n + j], lane) * T[l * b + i];
        M[j * wide + n + i] = broadcast(g);
      }
    }
    triangular(M.data(), n, wide, [](std::int64_t) {});
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < n; ++i) L_[j * width() + i] = M[j * wide + i];
    if (unit) normalise();
  }
  // The squared lengths of the rows together, before they were made unit.
  Scalar health() const { return health_; }
  // The rows' inner products with each other, (n, n) lower triangle, and with u, (n, r).
  void products(Scalar* gram, Scalar* teacher) const {
    const int n = this->n(), s = shape_.s, first = shape_.first();
    for (int j = 0; j < n; ++j) {
      spend(std::int64_t{s} * (j + shape_.rank));
      for (int i = 0; i <= j; ++i) {
        Pack g = broadcast(0.0);
        for (int q = first; q < s; ++q) g = fma(P_[j * s + q], P_[i * s + q], g);
        for (int q = 0; q <= i; ++q) g = fma(L_[j * width() + q], L_[i * width() + q], g);
        gram[j * n + i] = g;
      }
      for (int i = 0; i < shape_.rank; ++i) {
        Pack m = broadcast(0.0);
        for (int q = std::max(first_a_, first); q < s; ++q)
          m = fma(P_[j * s + q], a_[i * s + q], m);
        teacher[j * shape_.rank + i] = m;
      }
    }
  }
  // <A_0, u_0>.
  Scalar overlap() const {
    Pack m = broadcast(0.0);
    for (int q = std::max(first_a_, shape_.first()); q < shape_.s; ++q) m = fma(P_[q], a_[q], m);
    return m;
  }

 private:
  // Of the row spaces of [P, L] and [a, 0].
  std::vector<double> cosines(const TaskData& task, const std::vector<double>& rows,
                              const Statistics& statistics) const {
    const int n = this->n(), s = shape_.s, r = shape_.rank;
    const Eigen::Map<const Matrix> P(rows.data(), n, s), L(rows.data() + n * s, n, n);
    const Eigen::Map<const Matrix> a(task.a.data(), r, s);
    return subspace_cosines(n, r, statistics.gram, gram_of(a), statistics.teacher, [&] {
      RowSets sets{Matrix::Zero(n, s + n), Matrix::Zero(r, s + n)};
      sets.A << P, L;
      sets.u.leftCols(s) = a;
      return sets;
    });
  }

  int n() const { return Rows > 0 ? Rows : shape_.n; }
  int batch() const { return Batch > 0 ? Batch : shape_.batch; }
  int m() const { return std::min(n(), batch()); }    // chi variates a step
  int ahead() const { return batch() == 1 ? 4 : 1; }  // steps whose numbers are drawn together

  // Draws the numbers of steps t .. t + ahead - 1, which do not depend on the state;
  // four steps at a time hide the latency of each other's arithmetic.
  void draw_block(const Bits& t) {
    const int slots = batch() * pairs_;
    const Bits replica = load_bits(replica_);
    if (ahead() == 4) {
      const FourSteps steps(t, replica);
      normals_from(steps, Purpose::coordinates, random_, slots, X_.data(), 2 * slots);
      chi_from(steps, random_, chi_, T_.data());
      return;
    }
    const auto at = [&](int slot, Purpose purpose) {
      return Address(broadcast_bits(static_cast<std::uint64_t>(slot)), t, replica, purpose);
    };
    const int most = shape_.slow() ? 4096 : slots;  // between polls
    for (int slot = 0; slot < slots; slot += most) {
      spend(10 * most);
      normals_from(at(slot, Purpose::coordinates), random_, std::min(most, slots - slot),
                   X_.data() + 2 * slot);
    }
    int slot = slots;
    for (int i = 0; i < m(); ++i) {
      spend(20 * i);
      for (int j = 0; j < i; ++j)
        T_[i * m() + j] = normals_at(at(slot++, Purpose::coordinates), random_).first;
    }
    for (int i = 0; i < m(); ++i)
      T_[i * m() + i] =
          chi_at(at(i, Purpose::chi), random_, ChiSampler(dof_ - static_cast<double>(i)));
  }
  const Pack* T() const { return T_.data() + at_ * m() * m(); }
  int width() const { return n() + m(); }
  const Pack* x_S(int b) const { return X_.data() + 2 * pairs_ * (at_ * batch() + b); }
  const Pack* z(int b) const { return x_S(b) + shape_.s; }

  LRFT_INLINE void fields() {
    const int k = shape_.k, s = shape_.s, n = this->n(), first = shape_.first();
    for (int b = 0; b < batch(); ++b) {
      if constexpr (Batch == 0) spend(shape_.units / shape_.batch / 4);
      const Pack* x = x_S(b);
      if (!identity_)
        for (int i = 0; i < k; ++i) {
          const Pack* R = R_.data() + i * s;
          Pack h = broadcast(0.0);
          for (int q = begin_[static_cast<std::size_t>(i)]; q < end_[static_cast<std::size_t>(i)];
               ++q)
            h = fma(R[q], x[q], h);
          features_[b * k + i] = h;
        }
      for (int j = 0; j < shape_.rank; ++j) {
        Pack v = broadcast(0.0);
        for (int q = first_a_; q < s; ++q) v = fma(a_[j * s + q], x[q], v);
        teacher_[b * shape_.rank + j] = v;
      }
      for (int j = 0; j < n; ++j) {
        Pack v = broadcast(0.0);
        for (int q = first; q < s; ++q) v = fma(P_[j * s + q], x[q], v);
        for (int i = 0; i <= j; ++i) v = fma(L_[j * width() + i], z(b)[i], v);
        rows_[b * n + j] = v;
      }
    }
  }
  // The part of the move along the coordinates X_S and Z.
  // Polls only where a step is slow: short ones would lose speed to it.
  template <bool Polls>
  void move_seen(const Scalar* G, const Scalar* scale) {
    const int s = shape_.s, n = this->n();
    for (int j = 0; j < n; ++j) {
      for (int q = shape_.first(); q < s; ++q) {
        spend_in<Polls>(batch());
        Pack p = G[j] * x_S(0)[q];
        for (int b = 1; b < batch(); ++b) p = fma(G[b * n + j], x_S(b)[q], p);
        P_[j * s + q] = fma(scale[j], P_[j * s + q], -p);
      }
      for (int i = 0; i < n; ++i) {
        spend_in<Polls>(batch());
        Pack l = G[j] * z(0)[i];
        for (int b = 1; b < batch(); ++b) l = fma(G[b * n + j], z(b)[i], l);
        L_[j * width() + i] = fma(scale[j], L_[j * width() + i], -l);
      }
    }
  }
  // work_ = the lower Cholesky factor of G^T G (n x n); a pivot that rounding
  // leaves at or below zero belongs to a dependent column, whose factor is zero.
  template <bool Polls>
  void factor_of_gram(const Scalar* G) {
    const int n = this->n();
    for (int j = 0; j < n; ++j)
      for (int i = 0; i <= j; ++i) {
        spend_in<Polls>(batch());
        Pack g = broadcast(0.0);
        for (int b = 0; b < batch(); ++b) g = fma(G[b * n + j], G[b * n + i], g);
        for (int l = 0; l < i; ++l) g = g - work_[j * n + l] * work_[i * n + l];
        if (i == j) {
          work_[j * n + j] = sqrt(select(g < 0.0, broadcast(0.0), g));
        } else {
          const Pack pivot = work_[i * n + i];
          work_[j * n + i] = select(pivot > 0.0, g / pivot, broadcast(0.0));
        }
      }
  }
  template <bool Polls>
  void move_rows(const Scalar* G, const Scalar* scale, bool unit) {
    move_seen<Polls>(G, scale);
    const int n = this->n();
    if (batch() <= n) {
      for (int j = 0; j < n; ++j) {
        spend_in<Polls>(std::int64_t{m()} * m() / 2);
        for (int i = 0; i < m(); ++i) {
          Pack g = broadcast(0.0);
          for (int b = i; b < m(); ++b) g = fma(G[b * n + j], T()[b * m() + i], g);
          L_[j * width() + n + i] = g;
        }
      }
    } else {
      factor_of_gram<Polls>(G);
      for (int j = 0; j < n; ++j)
        for (int i = 0; i < n; ++i) {
          Pack g = broadcast(0.0);
          for (int l = i; l <= j; ++l) g = fma(work_[j * n + l], T()[l * m() + i], g);
          L_[j * width() + n + i] = g;
        }
    }
    triangular(L_.data(), n, width(), [](std::int64_t units) { spend_in<Polls>(units); });
    if (unit)
      normalise();
    else
      sum_up();
  }
  template <bool Polls>
  static void spend_in(std::int64_t units) {
    if constexpr (Polls) Poll::spend(units);
  }
  // In long steps only.
  void spend(std::int64_t units) const {
    if (shape_.slow()) [[unlikely]]
      Poll::spend(units);
  }
  void normalise() {
    const int s = shape_.s, n = this->n();
    for (int j = 0; j < n; ++j) {
      Pack square = broadcast(0.0);
      for (int q = shape_.first(); q < s; ++q) square = fma(P_[j * s + q], P_[j * s + q], square);
      for (int i = 0; i <= j; ++i) square = fma(L_[j * width() + i], L_[j * width() + i], square);
      health_ = j == 0 ? square : health_ + square;
      const Pack scale = 1.0 / sqrt(square);
      for (int q = shape_.first(); q < s; ++q) P_[j * s + q] *= scale;
      for (int i = 0; i <= j; ++i) L_[j * width() + i] *= scale;
    }
  }
  // Only compared with a bound, so in any order: four chains, since one waits for its own sums.
  void sum_up() {
    Pack sum[4] = {broadcast(0.0), broadcast(0.0), broadcast(0.0), broadcast(0.0)};
    const auto add = [&sum](const Pack* x, int count) {
      int i = 0;
      for (; i + 4 <= count; i += 4)
        for (int l = 0; l < 4; ++l) sum[l] = fma(x[i + l], x[i + l], sum[l]);
      for (; i < count; ++i) sum[i % 4] = fma(x[i], x[i], sum[i % 4]);
    };
    add(P_.data(), P_.size());
    for (int j = 0; j < n(); ++j) add(L_.data() + j * width(), j + 1);
    health_ = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  }
  // The whole move of one row of unit length under one input, in one pass, without waiting
  // for one root before the next.
  LRFT_INLINE void move_row(const Pack g, const Pack factor) {
    const Pack l = fma(factor, L_[0], -(g * z(0)[0])), t = g * T()[0];
    const Pack rest = fma(l, l, t * t);
    Pack square = rest;
    for (int q = shape_.first(); q < shape_.s; ++q) {
      const Pack p = fma(factor, P_[q], -(g * x_S(0)[q]));
      square = fma(p, p, square);
      P_[q] = p;
    }
    health_ = square;
    const Pack scale = sqrt(square) * (1.0 / square);
    L_[0] = sqrt(rest) * scale;
    for (int q = shape_.first(); q < shape_.s; ++q) P_[q] *= scale;
  }
  // Where R and a have entries that are not zero, over all lanes; adding exact
  // zeros changes no bit, so this depends on company only in speed.
  void find_extents() {
    const int k = shape_.k, s = shape_.s;
    const auto zero = [](const Pack& p, double x) { return !any(~(p == x)); };
    identity_ = true;
    begin_.assign(static_cast<std::size_t>(k), 0);
    end_.assign(static_cast<std::size_t>(k), 0);
    for (int i = 0; i < k; ++i) {
      int begin = s, end = 0;
      for (int q = 0; q < s; ++q) {
        identity_ = identity_ && zero(R_[i * s + q], q == i ? 1.0 : 0.0);
        if (!zero(R_[i * s + q], 0.0)) {
          begin = std::min(begin, q);
          end = q + 1;
        }
      }
      begin_[static_cast<std::size_t>(i)] = std::min(begin, end);
      end_[static_cast<std::size_t>(i)] = end;
    }
    first_a_ = s;
    for (int j = 0; j < shape_.rank; ++j)
      for (int q = s - 1; q >= 0; --q)
        if (!zero(a_[j * s + q], 0.0)) first_a_ = std::min(first_a_, q);
  }

  static double get(const Pack& p, int lane) { return reinterpret_cast<const double*>(&p)[lane]; }
  static void set(Pack& p, int lane, double x) { reinterpret_cast<double*>(&p)[lane] = x; }
  static void put(AlignedPacks& to, const std::vector<double>& from, int lane) {
    for (int i = 0; i < to.size(); ++i) set(to[i], lane, from[static_cast<std::size_t>(i)]);
  }

  Shape shape_;
  std::uint64_t seed_;
  Philox random_;
  LabelNoise<Layout> noise_;
  int pairs_;       // counters an input
  int at_;          // the current one among the steps drawn together
  AlignedPacks R_;  // (k, s)
  AlignedPacks a_;  // (r, s)
  AlignedPacks X_;  // (ahead, b, s + n, rounded up to even): X_S then Z
  AlignedPacks T_;  // (ahead, m, m) lower triangular
  AlignedPacks P_;  // (n, s)
  Few<Pack, Rows == 1 && Batch == 1 ? 2 : 0> L_;  // (n, n + m): L, then what a step adds
  AlignedPacks features_, teacher_;
  Few<Pack, Batch * Rows> rows_;
  Pack dof_;
  ChiSampler chi_;  // of dof_
  Pack health_ = broadcast(0.0);
  AlignedPacks work_;         // (n, n)
  std::vector<Pack> before_;  // P and L before a long move
  std::uint64_t replica_[lanes] = {};
  std::vector<int> begin_, end_;
  int first_a_ = 0;
  bool identity_ = false;
};

// Of the paper's own case, `RankOne`.
using RankOneSpace = ReducedSpace<1, 1>;

}  // namespace lrft
