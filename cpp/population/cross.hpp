// Expectations of two different activations on a Gaussian pair: E[f(z) g(t)].
//
// Mehler's series sum_p mu_p(s) nu_p(t) rho^p, 64 terms, and 512 or 2048 (1024 where coefficients
// come from quadrature) for pairs that these do not settle: by Cauchy-Schwarz what is left after P
// terms is at most |rho|^P times the roots of what is left of both squares.  Pairs that no number
// of terms settles, as of two functions with kinks in nearly parallel directions, are integrated in
// the plane.  The bound is a rounding bound with the remainder, an estimate where coefficients or
// the value are from quadrature (population/quadrature.hpp).
#pragma once

#include <vector>

#include "lrft/population.hpp"

namespace lrft {

// A matrix of expectations and bounds on their errors, (m, n) row-major.
struct CrossMoments {
  std::vector<double> value, bound;
};

// For z (m) with variances a and t (n) with variances b and covariances c (m, n).
// Cost: coefficients of each different norm, and 64 multiply-adds a pair, more for hard ones; a few
// milliseconds a pair that is integrated.
CrossMoments cross_moments(const Population& f, const Population& g, const std::vector<double>& a,
                           const std::vector<double>& b, const std::vector<double>& c);

// The same of fields with means (population/shifted.hpp): 128 terms, 512, then one by one.
CrossMoments cross_moments(const Population& f, const Population& g, const std::vector<double>& a,
                           const std::vector<double>& b, const std::vector<double>& c,
                           const std::vector<double>& a_means, const std::vector<double>& b_means);

}  // namespace lrft
