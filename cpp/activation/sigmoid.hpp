// 1 / (1 + e^-z), from e = e^-|z|: no cancellation, no overflow.
#pragma once

#include "activation/mixture.hpp"
#include "activation/record.hpp"
#include "math/exp.hpp"

namespace lrft {

struct Sigmoid {
  static constexpr ActivationFacts facts{
      .name = "sigmoid",
      .formula = "1/(1 + e⁻ᶻ)",
      .value_error = 1.4,
      .slope_error = 2.2,
      .law = "the logistic density as a mixture of Gaussians (Andrews and Mallows 1974)",
      .torch = "Sigmoid"};
  using Exact = ScaleMixture<Sigmoid>;

  static LRFT_INLINE ValueAndSlope at(const ActivationData&, const Pack& z) {
    const Pack e = exp_bounded(-bounded_abs(z, 800.0));
    const Pack h = e + 1.0;
    return {select(z < 0.0, e, broadcast(1.0)) / h, e / (h * h)};
  }

  // 1/2 + tanh(u)/2, u = z/2
  static constexpr MixtureForm mixture{Member::tanh, 0.5, 0.5, 0.0, 0.5};
  static constexpr MixtureForm slope_mixture{Member::sech2, 0.5, 0.0, 0.0, 0.25};
};

}  // namespace lrft
