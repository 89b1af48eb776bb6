// Moments of an activation known by its values.
#pragma once

#include "population/quadrature.hpp"

namespace lrft {

void quadrature_moments(Function f, int m, const double* C, double* K, double* bound);

}  // namespace lrft
