// The step: every experiment is this, for every space, student and loss.
#pragma once

#include "space/space.hpp"
#include "student/student.hpp"
#include "train/loss.hpp"
#include "train/optimiser.hpp"

namespace lrft {

template <class Scalar>
struct Stepped {
  // The squares of errors, rows and own parameters together, by which divergence is told
  // (`diverged_above` in lrft/run.hpp).
  Scalar health;
  Scalar squared_error;  // the sum over the batch, before its update
};

// One update on the batch that the space has drawn; rows and own parameters move from the state
// before it.  Costs what space and student say.
template <Batch B, Student<B> T, Loss<typename B::Layout> L, Optimiser<typename B::Layout> O>
LRFT_INLINE Stepped<typename B::Scalar> step(B& space, T& student, const L& loss, O& optimiser) {
  using Scalar = typename B::Scalar;
  const double factor = L::factor * space.share();
  const Scalar rate = factor * optimiser.lr();
  Scalar squared_error = B::Layout::constant(0);
  student.begin();
  const int inputs = space.inputs();
  for (int b = 0; b < inputs; ++b) {
    const auto x = space.input(b);
    const Scalar error = student.forward(x) - space.label(b);
    squared_error = squared_error + error * error;
    student.gradient(b, x, loss.slope(error), rate);
  }
  optimiser.move_rows(space, student, factor);
  const Scalar health = squared_error + space.health();
  return {health + optimiser.move_own(student, factor), squared_error};
}

}  // namespace lrft
