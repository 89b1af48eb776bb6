// Hermite-series activations: finite sums, exact at any norm.
#pragma once

#include <vector>

#include "lrft/population.hpp"

namespace lrft {

// The coefficients of sigma' from those of sigma.
std::vector<double> series_derivative(const std::vector<double>& a);

// sigma(z) = sum_p a_p he_p(z) with z = s x reads sum_q alpha_q(s^2) s^q he_q(x), where
//   alpha_q(v) = sum_j a_{q+2j} sqrt((q+2j)!/q!) / (j! 2^j) (v - 1)^j.
// Writes alpha_q to alpha[q] and the sum of the terms' sizes to size[q], q = 0..degree.
void rescaled_series(const std::vector<double>& a, double v, double* alpha, double* size);
// The same of z = mean + s x:
//   alpha_q = sum_p a_p sqrt(p! / (q! (p-q)!)) e_{p-q},  e_n = E he_n(z),
//   sqrt(n+1) e_{n+1} = mean e_n + (v - 1) sqrt(n) e_{n-1}.
void shifted_series(const std::vector<double>& a, double mean, double v, double* alpha,
                    double* size);

// K_ij = sum_q alpha_q(C_ii) alpha_q(C_jj) C_ij^q and bounds on its error; means: of the z, or
// null where all vanish.
void polynomial_moments(const std::vector<double>& a, const MomentRows& wanted, const double* C,
                        const double* means = nullptr);

// mu_p(s) for p < mu.size(), into mu, which starts as zeros; returns a bound on the error of each.
double polynomial_coefficients(const std::vector<double>& a, double s, std::vector<double>& mu);

}  // namespace lrft
