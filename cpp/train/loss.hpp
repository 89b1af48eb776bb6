// The loss of one sample, as a function of its error f - y.
#pragma once

#include <concepts>

#include "lrft/run.hpp"
#include "simd/layout.hpp"

namespace lrft {

// Its derivative in f is factor slope(error).  The factor is apart because it costs nothing in the
// learning rate.
template <class L>
concept Loss =
    std::constructible_from<L, const RunSpec&> && requires(const L& loss, double x, const Pack& p) {
      { L::factor } -> std::convertible_to<double>;
      { loss.slope(x) } -> std::convertible_to<double>;
      { loss.slope(p) } -> std::convertible_to<Pack>;
    };

// (f - y)^2
struct Squared {
  explicit Squared(const RunSpec&) {}
  static constexpr double factor = 2;
  template <class Scalar>
  static LRFT_INLINE const Scalar& slope(const Scalar& error) {
    return error;
  }
};

}  // namespace lrft
