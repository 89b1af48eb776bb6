// Moments of what is affine in a member of the tanh family.
#pragma once

#include <vector>

#include "lrft/population.hpp"
#include "population/scale_mixture.hpp"

namespace lrft {

void family_moments(const MixtureForm& form, const MomentRows& wanted, const double* C);

// mu_p(s) for p < mu.size(), into mu, which starts as zeros.
void family_coefficients(const MixtureForm& form, double s, std::vector<double>& mu);

}  // namespace lrft
