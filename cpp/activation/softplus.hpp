// log(1 + e^z) = max(z, 0) + log(1 + e) with e = e^-|z|; the derivative is the sigmoid.
#pragma once

#include "activation/mixture.hpp"
#include "activation/record.hpp"
#include "math/exp.hpp"
#include "math/log1p.hpp"

namespace lrft {

struct Softplus {
  static constexpr ActivationFacts facts{
      .name = "softplus",
      .formula = "log(1 + eᶻ)",
      .value_error = 1.3,
      .slope_error = 1.4,
      .law = "the logistic density as a mixture of Gaussians (Andrews and Mallows 1974)",
      .torch = "Softplus"};
  using Exact = ScaleMixture<Softplus>;

  static LRFT_INLINE ValueAndSlope at(const ActivationData&, const Pack& z) {
    const Pack e = exp_bounded(-bounded_abs(z, 800.0));
    const Pack h = e + 1.0;
    // 1 + e is in [1, 2]: 1 + f, or 2 (1 + f) from sqrt 2 on.
    const Mask large = e > 0.41421356237309505;
    const Pack f = select(large, (e - 1.0) * 0.5, e);
    const Pack log2 = select(large, broadcast(0.69314718055994530942), broadcast(0.0));
    const Pack ramp = select(z > 0.0, z, broadcast(0.0));
    return {ramp + (log2 + log1p_reduced(f)), select(z < 0.0, e, broadcast(1.0)) / h};
  }

  // u + log(2 cosh u), u = z/2
  static constexpr MixtureForm mixture{Member::log_cosh, 0.5, 0.0, 1.0, 1.0};
  static constexpr MixtureForm slope_mixture{Member::tanh, 0.5, 0.5, 0.0, 0.5};
};

}  // namespace lrft
