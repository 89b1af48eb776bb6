// Every optimiser as one type, descent alone among them: what a lane does not ask for is neutral
// for it.
//
// With the gradient g of a row A (of its tangent where rows are unit, g - <A, g> A) and c = 1, or
// what makes its length right, the length being that of rows and own parameters together,
//   V <- beta (V - <A, V> A) + c g,   D = v V + w c g, or c g without momentum
//   A <- (1 - lr decay) A - lr D, made unit where rows are;
// the velocity is made tangent before it is used, not after, which is the same path.  The average
// is that of the states from a given step on, and takes a state in before the next move.
//
// What it remembers of rows is rows of the space (`Shape`), what it remembers of own parameters is
// here.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "simd/columns.hpp"
#include "space/dots.hpp"
#include "space/space.hpp"
#include "student/own_parameters.hpp"
#include "train/optimiser.hpp"

namespace lrft {

// The share of the state at step t in the average of the states from a given one to it.
inline double share_of(const OptimiserSpec& optimiser, std::int64_t t) {
  return 1 / static_cast<double>(std::max<std::int64_t>(0, t - optimiser.average) + 1);
}

template <class Layout>
class AnyOptimiser : public Descent<Layout> {
  using Base = Descent<Layout>;
  using Base::lr_, Base::lr_own_;

 public:
  using Scalar = typename Layout::Scalar;

  explicit AnyOptimiser(const Shape& shape)
      : Base(shape),
        shape_(shape),
        groups_(shape.rows / shape.n),
        velocity_(shape.first_row > 0),
        average_(shape.rows > shape.first_row + shape.n),
        M_(static_cast<std::size_t>(groups_ * groups_ * shape.n), Layout::constant(0)),
        gamma_(static_cast<std::size_t>(groups_ * shape.n), Layout::constant(0)) {}

  // ---- a lane -------------------------------------------------------------------------------
  void set(int lane, const TrainingData& plan, std::int64_t t) {
    const OptimiserSpec& o = plan.optimiser;
    Base::set(lane, plan, t);
    put(beta_, lane, o.momentum);
    put(by_velocity_, lane, velocity_ ? o.velocity : 0);
    put(by_gradient_, lane, o.velocity + o.gradient);
    put(decay_, lane, o.decay);
    put(share_, lane, average_ ? share_of(o, t) : 0);
    put(unit_length_, lane, o.normalise ? 1 : 0);
    put(clip_, lane, o.clip > 0 ? o.clip : std::numeric_limits<double>::infinity());
    // What never moves is no part of the gradient's length.
    put(rows_count_, lane, still(plan.lr) ? 0 : 1);
    put(own_count_, lane, still(plan.lr_own) ? 0 : 1);
  }
  static bool varies(const TrainingData& plan) {
    return Base::varies(plan) || plan.optimiser.average >= 0;
  }
  void rest(int lane) {
    TrainingData nothing;
    set(lane, nothing, 0);
  }
  // Beside more than descent, gradients are asked for as they are.
  Scalar lr() const { return shape_.plain ? lr_ : Layout::constant(1); }

  // What it remembers of the own parameters of a lane: velocities, then averages.
  template <class Student>
  std::vector<double> remembered(int lane, Student& student) {
    const OwnParameters own = student.own_parameters();
    fit(own);
    std::vector<double> all;
    for (const AlignedPacks* one : {&own_velocity_, &own_average_}) {
      if (one->size() == 0) continue;
      const std::vector<double> some = columns_of<Layout>(*one, lane, own.count, own.columns);
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }
  // The same back, after the `own` parameters themselves; nothing where there is no more.
  template <class Student>
  void remember(int lane, Student& student, const std::vector<double>& all) {
    const OwnParameters own = student.own_parameters();
    fit(own);
    const auto size = static_cast<std::ptrdiff_t>(own.count * own.columns);
    auto from = all.begin() + std::min<std::ptrdiff_t>(size, all.end() - all.begin());
    for (AlignedPacks* one : {&own_velocity_, &own_average_}) {
      if (one->size() == 0) continue;
      if constexpr (Layout::replicas == 1)  // what is not finite stays in padding
        std::fill_n(one->doubles(), one->size() * lanes, 0.0);
      std::vector<double> some(static_cast<std::size_t>(size), 0.0);
      if (all.end() - from >= size) {
        std::copy_n(from, size, some.begin());
        from += size;
      }
      put_columns<Layout>(*one, lane, some, own.count, own.columns);
    }
  }
  // The average of the own parameters, with this share of those now.
  template <class Student>
  std::vector<double> averaged_own(int lane, Student& student, double share) {
    std::vector<double> now = student.own_of(lane);
    const OwnParameters own = student.own_parameters();
    if (!own.trained || share == 1) return now;
    const std::vector<double> past = columns_of<Layout>(own_average_, lane, own.count, own.columns);
    for (std::size_t i = 0; i < now.size(); ++i) now[i] = share * now[i] + (1 - share) * past[i];
    return now;
  }

  // ---- the step -------------------------------------------------------------------------------
  // The derivative of the loss is that of the student times `factor`, of own parameters.
  template <class Space, class Student>
  LRFT_INLINE void move_rows(Space& space, Student& student, double factor) {
    if (shape_.plain) return Base::move_rows(space, student, factor);
    const Move<Scalar> move = student.moves();
    space.take_gradient(move.G);
    if (shape_.sized) find_scale(space, move, student.own_parameters(), factor);
    const int n = shape_.n, A = velocity_ ? 1 : 0;
    const auto at = [&](int a, int c) -> Scalar* { return M_.data() + (a * groups_ + c) * n; };
    const Scalar pull = lr_ * by_velocity_ * beta_, push = lr_ * by_gradient_;
    for (int j = 0; j < n; ++j) {
      Scalar kept = 1.0 - lr_ * decay_, turn = Layout::constant(0);
      if (move.unit) {
        const Scalar along = scale_ * (move.M[j] - 1.0);
        kept = kept + push * along;
        turn = along;
        if (velocity_) {
          const Scalar back = space.along_velocity(j);
          kept = kept + pull * back;
          turn = turn + beta_ * back;
        }
      }
      if (velocity_) {
        at(0, 0)[j] = beta_;
        at(0, A)[j] = -turn;
        at(A, 0)[j] = -pull;
        gamma_[static_cast<std::size_t>(j)] = -scale_;
      }
      at(A, A)[j] = kept;
      gamma_[static_cast<std::size_t>(A * n + j)] = push * scale_;
      if (average_) {
        at(A + 1, A)[j] = share_;
        at(A + 1, A + 1)[j] = 1.0 - share_;
      }
    }
    space.move(MixedMove<Scalar>{M_.data(), gamma_.data(), move.unit});
  }
  // Returns the squares of the own parameters, before they were made unit.
  template <class Student>
  LRFT_INLINE Scalar move_own(Student& student, double factor) {
    if (shape_.plain) return Base::move_own(student, factor);
    const OwnParameters own = student.own_parameters();
    if (!own.trained) return Layout::constant(0);
    Scalar square = Layout::constant(0);
    for (int j = 0; j < own.columns; ++j) {
      const int from = j * own.packs;
      square = square +
               move_column(own.now + from, own.gradient + from, own.packs, own.unit, from, factor);
    }
    student.own_moved();
    return square;
  }

 private:
  static bool still(const Schedule& rate) { return !lrft::varies(rate) && rate.rate == 0; }
  // Room for what is remembered of them.
  void fit(const OwnParameters& own) {
    const int size = own.columns * own.packs;
    if (velocity_ && own_velocity_.size() != size) own_velocity_ = AlignedPacks(size);
    if (average_ && own_average_.size() != size) own_average_ = AlignedPacks(size);
  }
  static Scalar dot(const Pack* a, const Pack* b, int packs) {
    return Layout::reduce(in_chains(broadcast(0.0), packs,
                                    [&](int i, const Pack& sum) { return fma(a[i], b[i], sum); }));
  }
  // What makes the gradient's length right, from that of rows and own parameters together.
  template <class Space>
  void find_scale(const Space& space, const Move<Scalar>& move, const OwnParameters& own,
                  double factor) {
    Scalar square = space.gradient_square();
    if (move.unit)
      for (int j = 0; j < shape_.n; ++j) {
        const Scalar along = move.M[j] - 1.0;
        square = square - along * along;
      }
    square = rows_count_ * square;
    if (own.trained) {
      Scalar more = Layout::constant(0);
      for (int j = 0; j < own.columns; ++j) {
        const Pack* g = own.gradient + j * own.packs;
        more = more + dot(g, g, own.packs);
        if (own.unit) {
          const Scalar along = dot(g, own.now + j * own.packs, own.packs);
          more = more - along * along;
        }
      }
      square = square + own_count_ * (factor * factor * more);
    }
    for (int lane = 0; lane < Layout::replicas; ++lane) {
      const double length = std::sqrt(std::max(0.0, get(square, lane)));
      const double most = get(clip_, lane);
      double scale = length > most ? most / length : 1;
      if (get(unit_length_, lane) > 0) scale = length > 0 ? 1 / length : 0;
      put(scale_, lane, scale);
    }
  }
  // x <- its next, of one column; `from`: where what is remembered of it begins.
  Scalar move_column(Pack* x, const Pack* g, int packs, bool unit, int from, double factor) {
    const Pack scale = Layout::spread(factor * scale_), beta = Layout::spread(beta_),
               rate = Layout::spread(lr_own_), share = Layout::spread(share_),
               by_velocity = Layout::spread(by_velocity_),
               // beyond what the velocity brings of it
        alone = Layout::spread(by_gradient_ - by_velocity_),
               kept = Layout::spread(1.0 - lr_own_ * decay_);
    Pack* V = velocity_ ? own_velocity_.data() + from : nullptr;
    Pack* mean = average_ ? own_average_.data() + from : nullptr;
    Pack along = broadcast(0.0), back = broadcast(0.0);
    if (unit) {
      along = Layout::spread(dot(x, g, packs));
      if (velocity_) back = Layout::spread(dot(x, V, packs));
    }
    Pack sum = broadcast(0.0);
    for (int i = 0; i < packs; ++i) {
      const Pack old = x[i], slope = scale * fma(-along, old, g[i]);
      Pack direction = slope;
      if (velocity_) {
        V[i] = fma(beta, fma(-back, old, V[i]), slope);
        direction = fma(by_velocity, V[i], alone * slope);
      }
      if (average_) mean[i] = fma(1.0 - share, mean[i], share * old);
      x[i] = fma(kept, old, -(rate * direction));
      sum = fma(x[i], x[i], sum);
    }
    const Scalar square = Layout::reduce(sum);
    if (unit) {
      const Pack size = Layout::spread(1.0 / sqrt(square));
      for (int i = 0; i < packs; ++i) x[i] *= size;
    }
    return square;
  }

  Shape shape_;
  int groups_;  // velocities, rows, averages
  bool velocity_, average_;
  Scalar beta_ = Layout::constant(0), by_velocity_ = Layout::constant(0),
         by_gradient_ = Layout::constant(1), decay_ = Layout::constant(0),
         share_ = Layout::constant(0), unit_length_ = Layout::constant(0),
         clip_ = Layout::constant(0), rows_count_ = Layout::constant(0),
         own_count_ = Layout::constant(0),
         scale_ = Layout::constant(1);  // c
  std::vector<Scalar> M_, gamma_;       // of a move (`MixedMove`)
  AlignedPacks own_velocity_, own_average_;
};

}  // namespace lrft
