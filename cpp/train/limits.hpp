// The physical limits beside which speed is stated: the unavoidable parts alone.
#pragma once

#include "lrft/activation.hpp"

namespace lrft {

// Seconds for `count` normals, best of `repeats`.
double time_normals(int count, int repeats);
// Seconds for `count` multiply-adds at the peak of this core and instruction set.
double time_multiply_adds(int count, int repeats);
// Seconds a step of what no way to do it can leave out in R^d: d normals, (k + 3) d multiply-adds
// at the peak, for the fields of k neurons, teacher and student and to move the row, and the
// activations of teacher and student.
double time_ambient_parts(const ActivationSpec& activation, int d, int k, int steps, int repeats);
// Seconds a replica-step of the reduced space's parts alone: k + 2 normals, a chi and
// the activations of teacher and student.
double time_reduced_parts(const ActivationSpec& activation, int k, int steps, int repeats);

}  // namespace lrft
