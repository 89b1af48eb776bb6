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
  // (`diverged_above` in lrft/types.hpp).
  Scalar health;
  Scalar loss;  // the sum over the batch before its update, for a watch that sums losses; else 0
};

// The gradient at the fields of now, left in the student; returns what the errors come to.
template <bool SumsLosses, Batch B, Student<B> T, Loss<typename B::Layout> L>
LRFT_INLINE Stepped<typename B::Scalar> gradient(B& space, T& student, const L& loss,
                                                 const typename B::Scalar& rate) {
  using Scalar = typename B::Scalar;
  Scalar squared_error = B::Layout::constant(0), sum = squared_error;
  student.begin();
  const int inputs = space.inputs();
  for (int b = 0; b < inputs; ++b) {
    const auto x = space.input(b);
    // Both without f* where x is taught.
    const Scalar f = student.forward(x), y = space.label(b), error = f - y;
    squared_error = squared_error + error * error;
    if constexpr (SumsLosses) sum = sum + loss.value(f, y);
    student.gradient(b, x, loss.slope(f, y), rate);
  }
  return {squared_error, sum};
}

// One update on the batch that the space has drawn; rows and own parameters move from the state
// before it.  Costs what space and student say.
template <bool SumsLosses, Batch B, Student<B> T, Loss<typename B::Layout> L,
          Optimiser<typename B::Layout> O>
LRFT_INLINE Stepped<typename B::Scalar> step(B& space, T& student, const L& loss, O& optimiser) {
  using Scalar = typename B::Scalar;
  const double factor = L::factor * space.share();
  const Stepped<Scalar> errors =
      gradient<SumsLosses>(space, student, loss, factor * optimiser.lr());
  optimiser.move_rows(space, student, factor);
  const Scalar health = errors.health + space.health();
  return {health + optimiser.move_own(student, factor), errors.loss};
}

}  // namespace lrft
