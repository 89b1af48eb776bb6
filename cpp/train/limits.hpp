// The physical limits beside which speed is stated: the unavoidable parts, each alone at its peak.
#pragma once

#include "lrft/activation.hpp"

namespace lrft {

// Seconds for `count` normals, best of `repeats`.
double time_normals(int count, int repeats);
// Seconds for `count` multiply-adds at the peak of this core and instruction set.
double time_multiply_adds(int count, int repeats);
// Seconds for sigma at `count` normals, or for sigma and sigma', from and to the first cache.
double time_activations(const ActivationSpec& activation, bool slopes, int count, int repeats);

}  // namespace lrft
