// erf(z / sqrt 2) = 2 Phi(z) - 1, the convention of the soft committee machine.
// Below |z| = 1.25: z times a minimax polynomial in z^2 (relative error 4.0e-19);
// beyond: 1 - 2 Q(|z|).  The derivative is 2 phi(z).  Errors: 1.3 and 1.3.
#pragma once

#include "activation/pieces.hpp"
#include "math/gaussian.hpp"

namespace lrft {

struct Erf {
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
};

}  // namespace lrft
