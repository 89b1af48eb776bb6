// z^2, rounded once, and 2 z, exactly.
#pragma once

#include <cmath>

#include "activation/record.hpp"

namespace lrft {

struct Quadratic {
  static constexpr ActivationFacts facts{.name = "quadratic",
                                         .formula = "z²",
                                         .value_error = 0.5,
                                         .slope_error = 0,
                                         .law = "Isserlis' formula"};
  using Exact = ClosedForm<Quadratic>;

  static LRFT_INLINE ValueAndSlope at(const ActivationData&, const Pack& z) {
    return {z * z, z + z};
  }

  static LRFT_INLINE Pack moment(const Pack& a, const Pack& b, const Pack& c, const Pack&) {
    return a * b + 2.0 * c * c;
  }
  static LRFT_INLINE Pack slope_moment(const Pack&, const Pack&, const Pack& c, const Pack&) {
    return 4.0 * c;
  }
  static constexpr int degree = 2;
  static void coefficients(double s, std::vector<double>& mu) {
    if (mu.size() > 0) mu[0] = s * s;
    if (mu.size() > 2) mu[2] = std::sqrt(2.0) * s * s;
  }
};

}  // namespace lrft
