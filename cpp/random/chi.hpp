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

// Count independent sets of variates, one a lane, with dof[i][lane] degrees of freedom;
// slots below 2^24.  A lane whose dof is below 1 or not a number gets garbage, but ends.
template <int Count>
__attribute__((noinline)) void chi_at(const Address (&at)[Count], const Philox& random,
                                      const Pack& dof, Pack* out) {
  const Pack delta = fma(dof, 0.5, -1.0 / 3.0);
  const Pack c = 1.0 / sqrt(delta * 9.0);
  const Pack scale = sqrt(delta * 2.0);
  const Pack minus_six_delta = delta * -6.0;
  const Mask single = dof < 1.5;
  Mask open[Count];
#pragma GCC unroll 4
  for (int i = 0; i < Count; ++i) open[i] = dof == dof;
  for (std::uint64_t attempt = 0; attempt < 128; ++attempt) {
    Words bits[Count], more[Count];
#pragma GCC unroll 4
    for (int i = 0; i < Count; ++i) {
      Address a = at[i];
      a.slot = (a.slot << 8) + broadcast_bits(2 * attempt);
      bits[i] = a.counter();
      more[i] = slots_on(a, 1).counter();
    }
    random.many<Count>(bits);
    random.many<Count>(more);
    bool again = false;
#pragma GCC unroll 4
    for (int i = 0; i < Count; ++i) {
      const Pack z = normal_pair(bits[i]).first;
      const Pack w = c * z;
      const Pack root = w + 1.0;
      // Accepted if log U <= exponent; -2 times both.
      const Pack limit = minus_six_delta * log1p_minus_cubic(max(w, broadcast(-0.999999)));
      const Pack drawn = minus_two_log(odd_integer(more[i].w[0], more[i].w[1], 0));
      const Mask refused = ((root <= 0.0) | (drawn < limit)) & ~single;
      const Pack gamma = scale * (root * sqrt(max(root, broadcast(0.0))));
      out[i] = select(open[i], select(single, abs(z), gamma), out[i]);
      open[i] = open[i] & refused;
      again = again || any(open[i]);
    }
    if (!again) break;
  }
}

}  // namespace lrft
