// From gradients to moves: the optimiser of all lanes, each with a plan and a clock of its own.
#pragma once

#include <concepts>

#include "lrft/run.hpp"
#include "simd/layout.hpp"
#include "space/space.hpp"

namespace lrft {

// It has the rates, and the last word on the move that a student asks for.
template <class O, class Layout>
concept Optimiser =
    std::constructible_from<O, const Shape&> &&
    requires(O& optimiser, const O& seen, int lane, const TrainingData& plan, std::int64_t t,
             const Move<typename Layout::Scalar>& move) {
      optimiser.set(lane, plan, t);  // what the lane does in step t; again at every one that varies
      { O::varies(plan) } -> std::same_as<bool>;
      optimiser.rest(lane);  // nothing moves
      { seen.lr() } -> std::convertible_to<typename Layout::Scalar>;
      { seen.lr_own() } -> std::convertible_to<typename Layout::Scalar>;
      optimiser.moves(move);  // a move that the space knows
    };

// Stochastic gradient descent: moves are the student's, at the learning rates of now.
template <class Layout>
class Descent {
 public:
  using Scalar = typename Layout::Scalar;

  explicit Descent(const Shape&) {}

  void set(int lane, const TrainingData& plan, std::int64_t t) {
    put(lr_, lane, plan.lr.at(t));
    put(lr_own_, lane, plan.lr_own.at(t));
  }
  static bool varies(const TrainingData& plan) {
    return plan.lr.kind != Schedule::Kind::constant || plan.lr_own.kind != Schedule::Kind::constant;
  }
  void rest(int lane) {
    put(lr_, lane, 0);
    put(lr_own_, lane, 0);
  }
  const Scalar& lr() const { return lr_; }
  const Scalar& lr_own() const { return lr_own_; }
  template <class StudentMove>
  LRFT_INLINE const StudentMove& moves(const StudentMove& move) const {
    return move;
  }

 private:
  Scalar lr_ = Layout::constant(0), lr_own_ = Layout::constant(0);
};

}  // namespace lrft
