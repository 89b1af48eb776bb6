// What one activation file defines, and the loop that runs it over a block.
//
// The errors each file states are the largest found against 40-digit arithmetic
// over 50,000 points (normal and uniform ones, tiny ones down to 1e-300, tails to
// underflow) on x86-64, v3 and v4, relative to the exact result in units of 2^-52;
// results below 2^-1022 have that as an absolute error instead.  No library function
// is called, so an instruction set gives the same bits on every machine.
// tests/unit/test_activation_accuracy.py checks them.
#pragma once

#include <vector>

#include "simd/pack.hpp"

namespace lrft {

// What an activation needs besides z; empty except for hermite and custom.
struct ActivationData {
  // Hermite series, entry p: a_p, a_p sqrt p, and he_p = up z he_{p-1} - back he_{p-2}.
  std::vector<double> coefficient, slope_coefficient, up, back;
  double (*value)(double) = nullptr;
  double (*derivative)(double) = nullptr;
};

struct ValueAndSlope {
  Pack value;  // sigma(z)
  Pack slope;  // sigma'(z)
};

// An activation is a type with
//   static ValueAndSlope at(const ActivationData&, const Pack& z);
// the compiler drops the slope's work where only the value is stored.
// An output may be the array z itself.
template <class A>
void value_of_block(const ActivationData& data, const double* z, double* sigma, int packs) {
  for (int i = 0; i < packs; ++i) store(sigma + lanes * i, A::at(data, load(z + lanes * i)).value);
}
template <class A>
void both_of_block(const ActivationData& data, const double* z, double* sigma, double* dsigma,
                   int packs) {
  for (int i = 0; i < packs; ++i) {
    const ValueAndSlope r = A::at(data, load(z + lanes * i));
    store(sigma + lanes * i, r.value);
    store(dsigma + lanes * i, r.slope);
  }
}

}  // namespace lrft
