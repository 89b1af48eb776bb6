// The loss of one sample, as a function of its error f - y.
#pragma once

#include <concepts>
#include <type_traits>

#include "lrft/run.hpp"
#include "simd/layout.hpp"

namespace lrft {

// Its derivative in f is factor slope(error).  The factor is apart because it costs nothing in the
// learning rate.
template <class L, class Layout>
concept Loss = std::default_initializable<L> &&
               requires(L& loss, const L& seen, int lane, const TrainingData& plan,
                        const typename Layout::Scalar& error) {
                 loss.set(lane, plan);  // that of the lane
                 { L::factor } -> std::convertible_to<double>;
                 { seen.slope(error) } -> std::convertible_to<typename Layout::Scalar>;
               };

// (f - y)^2
template <class Layout>
struct Squared {
  using Scalar = typename Layout::Scalar;
  static constexpr double factor = 2;
  void set(int, const TrainingData&) {}
  static LRFT_INLINE const Scalar& slope(const Scalar& error) { return error; }
};

// f(type) for the loss that the trainings of a run ask for.
template <class Layout, class F>
auto with_loss(const RunSpec&, const F& f) {
  return f(std::type_identity<Squared<Layout>>{});
}

}  // namespace lrft
