// erf(z / sqrt 2) = 2 Phi(z) - 1, the convention of the soft committee machine.
// Below |z| = 1.25: z times a minimax polynomial in z^2 (relative error 4.0e-19);
// beyond: 1 - 2 Q(|z|).  The derivative is 2 phi(z).
#pragma once

#include "activation/record.hpp"
#include "math/closed_form.hpp"
#include "math/gaussian.hpp"

namespace lrft {

struct Erf {
  static constexpr ActivationFacts facts{.name = "erf",
                                         .formula = "erf(z/√2), as in soft committee machines",
                                         .value_error = 1.3,
                                         .slope_error = 1.3,
                                         .law = "arcsine law (Williams 1997)"};
  using Exact = ClosedForm<Erf>;

  static LRFT_INLINE ValueAndSlope at(const ActivationData&, const Pack& z) {
    static constexpr double c[] = {
        0.7978845608028654,      -0.13298076013381083,  0.019947114020069864,
        -0.002374656430939965,   0.0002308693751038883, -1.8889312053292638e-05,
        1.3319376298347164e-06,  -8.2451714392443e-08,  4.545393155294294e-09,
        -2.2489269137376662e-10, 9.731684828888984e-12, -2.967109592515811e-13};
    const Pack a = bounded_abs(z, 40.0);
    const ExpPieces e = gaussian_exponential(a);
    const Pack exponential = scale(e.p + 1.0, e.n);
    const Pack far = 1.0 - 2.0 * (exponential * tail_ratio(a));
    const Pack near = a * polynomial(a * a, c);
    return {copysign(select(a < 1.25, near, far), z), exponential * (2.0 * inv_sqrt_2pi)};
  }

  static LRFT_INLINE Pack moment(const Pack& a, const Pack& b, const Pack& c, const Pack& det) {
    return closed_form::erf(a, b, c, det);
  }
  static LRFT_INLINE Pack slope_moment(const Pack& a, const Pack& b, const Pack& c,
                                       const Pack& det) {
    return closed_form::erf_derivative(a, b, c, det);
  }
  // Coefficients of erf(s x / sqrt 2), r = s^2/(1+s^2):
  // sqrt(2/pi) r^{p/2} he_{p-1}(0) / sqrt p for odd p.
  static void coefficients(double s, std::vector<double>& mu) {
    const std::vector<double> h = closed_form::hermite_at_zero(mu.size());
    const double root = s / std::sqrt(1.0 + s * s);
    double power = root;
    for (std::size_t p = 1; p < mu.size(); p += 2) {
      mu[p] = std::sqrt(2.0 / (closed_form::pi * static_cast<double>(p))) * power * h[p - 1];
      power *= root * root;
    }
  }
};

}  // namespace lrft
