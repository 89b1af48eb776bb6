// From gradients to moves: the optimiser of all lanes, each with a plan and a clock of its own.
#pragma once

#include <concepts>

#include "lrft/run.hpp"
#include "simd/layout.hpp"
#include "space/space.hpp"

namespace lrft {

inline bool varies(const Schedule& rate) {
  return rate.kind != Schedule::Kind::constant || rate.warm_up > 0;
}

// It has the rates, and moves what a student asks to move: `move_rows(space, student, factor)` and
// `move_own(student, factor)`, where factor is that of the loss.
template <class O, class Layout>
concept Optimiser =
    std::constructible_from<O, const Shape&> &&
    requires(O& optimiser, const O& seen, int lane, const TrainingData& plan, std::int64_t t) {
      optimiser.set(lane, plan, t);  // what the lane does in step t; again at every one that varies
      { O::varies(plan) } -> std::same_as<bool>;
      optimiser.rest(lane);                                           // nothing moves
      { seen.lr() } -> std::convertible_to<typename Layout::Scalar>;  // of the student's moves
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
    return lrft::varies(plan.lr) || lrft::varies(plan.lr_own);
  }
  void rest(int lane) {
    put(lr_, lane, 0);
    put(lr_own_, lane, 0);
  }
  const Scalar& lr() const { return lr_; }
  const Scalar& lr_own() const { return lr_own_; }
  template <class Space, class Student>
  LRFT_INLINE void move_rows(Space& space, const Student& student, double) const {
    space.move(student.moves());
  }
  template <class Student>
  LRFT_INLINE Scalar move_own(Student& student, double factor) const {
    return student.move_own(factor * lr_own_);
  }
  // It remembers nothing.
  template <class Student>
  static std::vector<double> remembered(int, const Student&) {
    return {};
  }
  template <class Student>
  static void remember(int, const Student&, const std::vector<double>&) {}
  template <class Student>
  static std::vector<double> averaged_own(int lane, const Student& student, double) {
    return student.own_of(lane);
  }

 protected:
  Scalar lr_ = Layout::constant(0), lr_own_ = Layout::constant(0);
};

}  // namespace lrft
