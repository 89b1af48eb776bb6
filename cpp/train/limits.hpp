// The physical limits beside which speed is stated: the unavoidable parts alone.
#pragma once

#include "lrft/activation.hpp"

namespace lrft {

// Seconds for `count` normals, best of `repeats`.
double time_normals(int count, int repeats);
// Seconds a step of the ambient space's parts alone: d normals, [W; u; A] X and X^T X.
double time_ambient_parts(int d, int k, int steps, int repeats);
// Seconds a replica-step of the reduced space's parts alone: k + 2 normals, a chi and
// the activations of teacher and student.
double time_reduced_parts(const ActivationSpec& activation, int k, int steps, int repeats);

}  // namespace lrft
