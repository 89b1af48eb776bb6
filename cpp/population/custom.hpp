// Moments of an activation given by callbacks.
#pragma once

#include "population/quadrature.hpp"

namespace lrft {

void custom_moments(Function f, int m, const double* C, double* K, double* bound);

}  // namespace lrft
