// What a student is: what it makes of an input's fields, and how its parameters move.
#pragma once

#include <concepts>
#include <vector>

#include "activation/activation.hpp"
#include "space/space.hpp"
#include "student/own_parameters.hpp"

namespace lrft {

// In one of the spaces: it may use of an input only what `Batch::Input` has.
template <class T, class B>
concept Student =
    Batch<B> && std::constructible_from<T, const Shape&, const StudentSpec&, const Activation&> &&
    requires(B& batch, T& student, const T& seen, int lane, const TaskData& task,
             const StudentSpec& spec, const std::vector<double>& own, int b,
             const typename B::Input& x, const typename B::Scalar& number) {
      // One replica in and out of a lane.
      student.set_task(lane, task, spec);
      student.set_start(lane, own);  // around which a linearised student is expanded
      student.set_own(lane, own);
      { seen.own_of(lane) } -> std::same_as<std::vector<double>>;
      // One batch: for each input f, of a taught one f - f*, and then the share of its gradient:
      // (b, x, slope of the loss in f, learning rate).
      student.begin();
      { student.forward(x) } -> std::same_as<typename B::Scalar>;
      student.gradient(b, x, number, number);
      batch.move(seen.moves());  // how its rows move
      // Own parameters at a learning rate; returns their squares before they were made unit.
      { student.move_own(number) } -> std::same_as<typename B::Scalar>;
      // The same for whoever moves them himself, and then says so.
      { student.own_parameters() } -> std::same_as<OwnParameters>;
      student.own_moved();
      // May its overlap be that of subspaces, which then is followed at every step?
      { T::follows } -> std::convertible_to<bool>;
    };

}  // namespace lrft
