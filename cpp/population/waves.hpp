// Moments of tanh, sigmoid, silu and softplus.
#pragma once

#include "lrft/activation.hpp"
#include "population/sine_series.hpp"

namespace lrft {

// sigma(z) = offset + slope u + factor f(u), u = argument z; the three parts are
// orthogonal in pairs or f carries the constant, so that
//   E[sigma sigma] = offset^2 + slope^2 E[u u] + factor^2 E[f f].
struct WaveForm {
  Wave wave;
  double argument, offset, slope, factor;
};
WaveForm wave_form(ActivationKind kind, bool derivative);

void wave_moments(const WaveForm& form, int m, const double* C, double* K, double* bound);

}  // namespace lrft
