// z / (1 + e^-z); with s the sigmoid, silu' = s (1 + z (1 - s)), zero at z = -1.2785.
// The error of the derivative is relative to s (1 + |z| (1 - s)), which is far from |silu'|
// only around that zero.
#pragma once

#include "activation/mixture.hpp"
#include "activation/record.hpp"
#include "math/exp.hpp"

namespace lrft {

struct Silu {
  static constexpr ActivationFacts facts{
      .name = "silu",
      .formula = "z/(1 + e⁻ᶻ)",
      .value_error = 1.9,
      .slope_error = 2.1,
      .law = "the logistic density as a mixture of Gaussians (Andrews and Mallows 1974)",
      .torch = "SiLU"};
  using Exact = ScaleMixture<Silu>;

  static LRFT_INLINE ValueAndSlope at(const ActivationData&, const Pack& z) {
    const Mask negative = z < 0.0;
    const Pack bounded = copysign(bounded_abs(z, 800.0), z);
    const ExpPieces pieces = exp_pieces(-abs(bounded));
    const Pack m = pieces.p + 1.0;
    const Pack e = scale(m, pieces.n);
    const Pack inverse = 1.0 / (e + 1.0);
    // s = top 2^n; the power of two comes last, since z e^z is a normal number
    // down to z = -715 but e^z only down to -708.
    const Pack top = select(negative, m, broadcast(1.0)) * inverse;
    const Pack n = select(negative, pieces.n, broadcast(0.0));
    const Pack other = select(negative, broadcast(1.0), e) * inverse;  // 1 - s
    return {scale(select(negative, bounded, z) * top, n), scale(fma(bounded, other, 1.0) * top, n)};
  }

  // u + u tanh(u), u = z/2
  static constexpr MixtureForm mixture{Member::u_tanh, 0.5, 0.0, 1.0, 1.0};
  static constexpr MixtureForm slope_mixture{Member::u_tanh_slope, 0.5, 0.5, 0.0, 0.5};
};

}  // namespace lrft
