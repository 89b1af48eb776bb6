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
// Attempt j of entry `slot` reads counters (slot << 8) + 2j and + 2j + 1.
// Cost: two counters and one logarithm an attempt; over 95 % are accepted.
#pragma once

#include "math/log1p.hpp"
#include "random/address.hpp"

namespace lrft {

// One chi variate a lane with dof[lane] degrees of freedom; slots below 2^24.
// A lane whose dof is not a number or below 1 returns garbage, but returns.
LRFT_INLINE Pack chi_at(Address at, const Philox& random, const Pack& dof) {
  const Pack delta = fma(dof, 0.5, -1.0 / 3.0);
  const Pack c = 1.0 / sqrt(delta * 9.0);
  const Mask single = dof < 1.5;
  const Bits slot = at.slot << 8;
  Pack result = broadcast(0.0);
  Mask open = broadcast(0.0) == broadcast(0.0);
  for (std::uint64_t attempt = 0; attempt < 128; ++attempt) {
    Words bits[2];
    at.slot = slot + broadcast_bits(2 * attempt);
    bits[0] = counter_at(at);
    at.slot = slot + broadcast_bits(2 * attempt + 1);
    bits[1] = counter_at(at);
    random.many<2>(bits);
    const Pack z = normal_pair(bits[0]).first;
    const Pack w = c * z;
    const Pack root = w + 1.0;
    // Accepted if log U <= exponent.
    const Pack exponent = delta * 3.0 * log1p_minus_cubic(max(w, broadcast(-0.999999)));
    const Pack minus_two_log_u = minus_two_log(odd_integer(bits[1].w[0], bits[1].w[1], 0));
    const Mask refused =
        ((root <= 0.0) | (minus_two_log_u < exponent * -2.0)) & ~single;
    const Pack gamma = sqrt(delta * 2.0 * (root * root * root));
    result = select(open, select(single, abs(z), gamma), result);
    open = open & refused;
    if (!any(open)) break;
  }
  return result;
}

}  // namespace lrft
