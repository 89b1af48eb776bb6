// chi variates, exact in law for every number of degrees of freedom >= 1.
//
// chi^2_nu = 2 Gamma(nu/2).  Marsaglia and Tsang (A simple method for
// generating gamma variables, 2000): with delta = nu/2 - 1/3, c = 1/sqrt(9 delta)
// and z normal, delta (1 + c z)^3 is accepted with probability
// min(1, exp(z^2/2 + delta - delta v + delta log v)), v = (1 + c z)^3.  In
// w = c z the exponent is 3 delta (log(1+w) - w + w^2/2 - w^3/3): no term of
// order delta cancels, so the law stays exact to rounding at any nu.
// nu = 1 is the absolute value of a normal.
//
// The uniform number is made of the other normal y of z's pair, U = P(|normal| > |y|).
// Since the exponent is above -delta w^4 for |w| < 1/4, and 1 - U above 0.68 min(|y|, 1),
// comparing these settles all but about 0.04/delta of the cases without a logarithm.
//
// Attempt j of entry `slot` reads counter (slot << 8) + j.
#pragma once

#include "math/gaussian.hpp"
#include "math/log.hpp"
#include "math/log1p.hpp"
#include "random/address.hpp"

namespace lrft {

// chi with dof[lane] >= 1 degrees of freedom from pairs of normals, attempt by attempt.
class ChiSampler {
 public:
  explicit ChiSampler(const Pack& dof)
      : delta_(fma(dof, 0.5, -1.0 / 3.0)),
        c_(1.0 / sqrt(delta_ * 9.0)),
        scale_(sqrt(delta_ * 2.0)),
        single_(dof == 1.0),
        known_(dof == dof) {}

  // Where a variate is still wanted: everywhere but where dof is not a number.
  Mask all() const { return known_; }

  // Writes the variates this attempt accepts among the open ones; returns what stays open.
  LRFT_INLINE Mask attempt(const NormalPair& pair, const Mask& open, Pack& out) const {
    const Pack z = pair.first, y = abs(pair.second);
    const Pack w = c_ * z;
    const Pack root = w + 1.0;
    const Pack square = w * w;
    const Pack chi = scale_ * (root * sqrt(max(root, broadcast(0.0))));
    out = select(open, select(single_, abs(z), chi), out);
    const Mask surely = single_ | ((delta_ * (square * square) <= min(y, broadcast(1.0)) * 0.68) &
                                   (square < 0.0625));
    const Mask unsure = open & ~surely;
    if (!any(unsure)) return unsure;
    const ExpPieces e = gaussian_exponential(y);
    const Pack u = scale(e.p + 1.0, e.n) * tail_ratio(y) * 2.0;
    const Pack exponent = delta_ * 3.0 * log1p_minus_cubic(max(w, broadcast(-0.999999)));
    return unsure & ((root <= 0.0) | (log_positive(u) > exponent));
  }

 private:
  Pack delta_, c_, scale_;
  Mask single_, known_;
};

// One variate a lane; slots below 2^24.
__attribute__((noinline)) inline Pack chi_at(const Address& at, Purpose purpose, const Bits& slot,
                                             const ChiSampler& sampler) {
  Pack out = broadcast(0.0);
  Mask open = sampler.all();
  Bits attempt = slot << 8;
  for (int j = 0; j < 128 && any(open); ++j) {
    open = sampler.attempt(at.normals(purpose, attempt), open, out);
    attempt = attempt + broadcast_bits(1);
  }
  return out;
}

// The variates of slot 0 of four steps in a row, z the pairs of their first attempts.
__attribute__((noinline)) inline void chi_from(NormalPair (&z)[4], const FourSteps& steps,
                                               const ChiSampler& sampler, Pack* out) {
  Mask open[4] = {sampler.all(), sampler.all(), sampler.all(), sampler.all()};
  for (std::uint64_t j = 1; j <= 128; ++j) {
    bool again = false;
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      open[i] = sampler.attempt(z[i], open[i], out[i]);
      again = again || any(open[i]);
    }
    if (!again) break;
    steps.normals(Purpose::chi, j, z);
  }
}

}  // namespace lrft
