// A step that uses its batch more than once: the step of train/step.hpp, in a loop.
//
//   reuse r          r steps in a row on the same batch
//   lookahead rho    a trial step at rho times the rates, then from where that began the step
//                    whose gradient is that at the trial (extragradient)
//
// The second is the algorithm of Arnaboldi, Dandi, Krzakala, Pesce and Stephan (Repetita iuvant,
// arXiv 2405.15459) at a trial rate of rho lr; the first that of Dandi, Troiani, Arnaboldi, Pesce,
// Zdeborova and Krzakala (The benefits of reusing batches, arXiv 2402.03220).
#pragma once

#include "lrft/poll.hpp"
#include "train/step.hpp"

namespace lrft {

// How the batches are used; the trial's rates are each lane's own.
template <class Layout>
class Reuse {
 public:
  using Scalar = typename Layout::Scalar;

  explicit Reuse(const Shape& shape) : uses_(shape.uses), ahead_(shape.ahead) {}

  void set(int lane, const TrainingData& plan) { put(lookahead_, lane, plan.lookahead); }

  // Losses are those of the first use, when the batch is fresh.  What is left half done, by
  // Cancelled, is as if it had not begun.
  template <bool SumsLosses, Reusable B, Student<B> T, Loss<Layout> L>
  Stepped<Scalar> step(B& space, T& student, const L& loss,
                       const Descent<Layout>& optimiser) const {
    const double factor = L::factor * space.share();
    const Scalar lr = factor * optimiser.lr(), lr_own = factor * optimiser.lr_own();
    space.mark();
    student.mark();
    try {
      Stepped<Scalar> done =
          gradient<SumsLosses>(space, student, loss, ahead_ ? lookahead_ * lr : lr);
      const auto move = [&](const auto& moves, const Scalar& own) {
        space.move(moves);
        done.health = done.health + space.health() + student.move_own(own);
      };
      for (int left = uses_ - 1; left > 0; --left) {
        move(student.moves(), ahead_ ? lookahead_ * lr_own : lr_own);
        space.again();
        gradient<false>(space, student, loss, lr);
      }
      if (ahead_) space.back(), student.back();
      move(student.moves(), lr_own);
      space.done();
      return done;
    } catch (const Cancelled&) {
      space.back();
      student.back();
      throw;
    }
  }

 private:
  int uses_;
  bool ahead_;
  Scalar lookahead_ = Layout::constant(0);
};

}  // namespace lrft
