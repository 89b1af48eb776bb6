// Moments of an activation known by its values.
#pragma once

#include "lrft/population.hpp"
#include "population/quadrature.hpp"

namespace lrft {

void quadrature_moments(Function f, const MomentRows& wanted, const double* C);

}  // namespace lrft
