// tanh z = -g / (2 + g) with g = e^(-2|z|) - 1, and tanh' = 4 e^(-2|z|) / (2 + g)^2,
// which unlike 1 - tanh^2 stays accurate in the tails.
#pragma once

#include "activation/mixture.hpp"
#include "activation/record.hpp"
#include "math/exp.hpp"

namespace lrft {

struct Tanh {
  static constexpr ActivationFacts facts{
      .name = "tanh",
      .formula = "tanh z",
      .value_error = 1.5,
      .slope_error = 2.8,
      .law = "the logistic density as a mixture of Gaussians (Andrews and Mallows 1974)",
      .torch = "Tanh"};
  using Exact = ScaleMixture<Tanh>;

  static LRFT_INLINE ValueAndSlope at(const ActivationData&, const Pack& z) {
    const ExpPieces e = exp_pieces(bounded_abs(z, 400.0) * -2.0);
    const Pack power = scale(broadcast(1.0), e.n);
    // (1 + p) 2^n - 1; for n = 0 it is p, so small z keep their relative accuracy.
    const Pack g = fma(power, e.p, power - 1.0);
    const Pack h = g + 2.0;
    return {copysign(g / h, z), (e.p + 1.0) * (4.0 * power) / (h * h)};
  }

  static constexpr MixtureForm mixture{Member::tanh, 1.0, 0.0, 0.0, 1.0};
  static constexpr MixtureForm slope_mixture{Member::sech2, 1.0, 0.0, 0.0, 1.0};
};

}  // namespace lrft
