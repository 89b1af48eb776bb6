// An activation as the fused step sees it, functions over a block of packs, made of its `at`.
//
// The errors each record states are the largest found against 40-digit arithmetic
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

// An activation A has
//   static ValueAndSlope at(const ActivationData&, const Pack& z);
// the compiler drops the slope's work where only the value is stored; where it cannot, A has
//   static Pack value(const ActivationData&, const Pack& z);
// An output may be the array z itself.
template <class A>
LRFT_INLINE Pack value_of(const ActivationData& data, const Pack& z) {
  if constexpr (requires { A::value(data, z); })
    return A::value(data, z);
  else
    return A::at(data, z).value;
}
template <class A>
void value_of_block(const ActivationData& data, const double* z, double* sigma, int packs) {
  for (int i = 0; i < packs; ++i) store(sigma + lanes * i, value_of<A>(data, load(z + lanes * i)));
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

// The neurons of a student with one row beside those of its teacher, in packs; fields:
// scale feature + c v of the teacher's and scale feature + own a of the student's.
struct OneRow {
  const Pack *features, *c, *own, *lam, *weighted;
  Pack scale, v, a;
  Pack* slope;  // takes sigma' of the student's neurons
  int packs;
};
struct OneRowSums {
  Pack error;  // sum lam (sigma(student's) - sigma(teacher's))
  Pack pull;   // sum weighted sigma'(student's)
};

// Both sums in four interleaved chains.
template <class A>
LRFT_INLINE OneRowSums one_row(const ActivationData& data, const OneRow& x) {
  // Copies, which writing to `slope` cannot change.
  const Pack *const features = x.features, *const c = x.c, *const own = x.own, *const lam = x.lam,
                    *const weighted = x.weighted;
  const Pack scale = x.scale, v = x.v, a = x.a;
  Pack* const slope = x.slope;
  const int packs = x.packs;
  Pack error[4] = {broadcast(0.0), broadcast(0.0), broadcast(0.0), broadcast(0.0)};
  Pack pull[4] = {error[0], error[0], error[0], error[0]};
  // A call for each neuron would keep the sums in memory.
  const auto neuron = [&](int i, int chain) __attribute__((always_inline)) {
    const Pack base = scale * features[i];
    const ValueAndSlope student = A::at(data, fma(own[i], a, base));
    const Pack target = value_of<A>(data, fma(c[i], v, base));
    error[chain] = fma(student.value - target, lam[i], error[chain]);
    pull[chain] = fma(student.slope, weighted[i], pull[chain]);
    slope[i] = student.slope;
  };
  int i = 0;
  for (; i + 4 <= packs; i += 4)
#pragma GCC unroll 4
    for (int l = 0; l < 4; ++l) neuron(i + l, l);
  for (; i < packs; ++i) neuron(i, 0);
  return {(error[0] + error[1]) + (error[2] + error[3]), (pull[0] + pull[1]) + (pull[2] + pull[3])};
}

struct Activation {
  using Value = void (*)(const ActivationData&, const double* z, double* sigma, int packs);
  using Both = void (*)(const ActivationData&, const double* z, double* sigma, double* dsigma,
                        int packs);
  using Row = OneRowSums (*)(const ActivationData&, const OneRow&);
  Value value;  // sigma of 8 * packs numbers
  Both both;    // sigma and sigma'
  Row one_row;  // all that a student with one row asks of an input
  ActivationData data;
};

template <class A>
Activation activation_of() {
  return {value_of_block<A>, both_of_block<A>, one_row<A>, {}};
}

}  // namespace lrft
