// Moments of tanh, sigmoid, silu and softplus.
#pragma once

#include "lrft/activation.hpp"
#include "population/scale_mixture.hpp"

namespace lrft {

// sigma(z) = offset + slope u + factor f(u), u = argument z; the three parts are
// orthogonal in pairs or f carries the constant, so that
//   E[sigma sigma] = offset^2 + slope^2 E[u u] + factor^2 E[f f].
struct FamilyForm {
  Member member;
  double argument, offset, slope, factor;
};
FamilyForm family_form(ActivationKind kind, bool derivative);

void family_moments(const FamilyForm& form, int m, const double* C, double* K, double* bound);

}  // namespace lrft
