// relu, exactly.
#pragma once

#include "activation/record.hpp"
#include "math/closed_form.hpp"

namespace lrft {

struct Relu {
  static constexpr ActivationFacts facts{.name = "relu",
                                         .formula = "max(0, z), σ′(0) = 0",
                                         .value_error = 0,
                                         .slope_error = 0,
                                         .law = "arc-cosine kernels (Cho and Saul 2009)",
                                         .torch = "ReLU"};
  using Exact = ClosedForm<Relu>;

  static LRFT_INLINE ValueAndSlope at(const ActivationData&, const Pack& z) {
    // NaN is larger than nothing and stays NaN in both.
    const Pack value = max(broadcast(0.0), z);
    return {value, select(z > 0.0, broadcast(1.0), value)};
  }

  // Arc-cosine kernels of degree 1 and 0; the two-argument arc tangent keeps the accuracy where an
  // arc cosine loses half the digits.
  static LRFT_INLINE Pack moment(const Pack&, const Pack&, const Pack& c, const Pack& det) {
    using namespace closed_form;
    const Pack root = sqrt(det);
    return (root + c * (pi - angle(root, c))) * (0.5 / pi);
  }
  // relu'(0) = 0, so a neuron of norm 0 gives 0.
  static LRFT_INLINE Pack slope_moment(const Pack& a, const Pack& b, const Pack& c,
                                       const Pack& det) {
    using namespace closed_form;
    const Pack value = (pi - angle(sqrt(det), c)) * (0.5 / pi);
    return select((a == 0.0) | (b == 0.0), broadcast(0.0), value);
  }
  // relu'' is a point mass: sqrt(p(p-1)) mu_p = s he_{p-2}(0) / sqrt(2 pi).
  static void coefficients(double s, std::vector<double>& mu) {
    using closed_form::pi;
    const std::vector<double> h = closed_form::hermite_at_zero(mu.size());
    for (std::size_t p = 0; p < mu.size(); ++p) {
      const double pd = static_cast<double>(p);
      if (p == 0) mu[p] = s / std::sqrt(2.0 * pi);
      if (p == 1) mu[p] = 0.5 * s;
      if (p >= 2) mu[p] = s * h[p - 2] / std::sqrt(2.0 * pi * pd * (pd - 1.0));
    }
  }
  // Their decay is too slow for a series; z relu'(z) = relu(z), and relu'' is a point mass.
  static double curvatures(double rho) {
    return 1 / (2 * closed_form::pi * std::sqrt((1 - rho) * (1 + rho)));
  }
};

}  // namespace lrft
