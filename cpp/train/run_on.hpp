// The groups of every space, step and student.
#pragma once

#include "student/list.hpp"
#include "train/any_optimiser.hpp"
#include "train/group.hpp"

namespace lrft {

template <Space S, Student<S> T, Loss<typename S::Layout> L, Optimiser<typename S::Layout> O>
Groups groups_of() {
  return {Group<S, T, L, O>::width,
          [](const RunSpec& spec, const Shape& shape, const Population& population,
             const NextChain& next) -> std::unique_ptr<AnyGroup> {
            return std::make_unique<Group<S, T, L, O>>(spec, shape, population, next);
          }};
}

// A run of the plain step, which sees f - f* as one sum: for the squared error beside the teacher,
// and for that of labels that are given.
template <Space S, Student<S> T>
Groups plain_groups() {
  using Layout = typename S::Layout;
  return groups_of<S, T, Squared<Layout>, Descent<Layout>>();
}
// The same of the student that the spec asks for.
template <Space S>
Groups plain_groups_in(const RunSpec& spec) {
  return with_student<typename S::Layout>(
      spec.student.kind, []<class T>(std::type_identity<T>) { return plain_groups<S, T>(); });
}
// A run of the general step: all that a training may ask for, chosen while it runs.
template <Space S>
  requires Reusable<S> && Remembering<S>
Groups general_groups_in(const RunSpec& spec) {
  using Layout = typename S::Layout;
  return with_student<Layout>(spec.student.kind, []<class T>(std::type_identity<T>) {
    return groups_of<S, T, AnyLoss<Layout>, AnyOptimiser<Layout>>();
  });
}

}  // namespace lrft
