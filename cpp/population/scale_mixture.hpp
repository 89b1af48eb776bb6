// tanh and its relatives as a mixture of error functions.
//
// The logistic density is a mixture of centred Gaussians whose standard deviation kappa has
// the Kolmogorov distribution (Andrews and Mallows 1974), so
//   tanh u = sum_q w_q erf(u / (sqrt 2 kappa_q)),   w_q >= 0,
// once the integral over log kappa is a trapezoidal sum, which converges so fast that 30
// nodes reach rounding for every u at once.  Integrating, differentiating or multiplying by u
// gives the other members.  So moments are double sums of closed forms and Hermite
// coefficients single sums, all terms of one sign, at any norm.
#pragma once

#include "activation/mixture.hpp"

namespace lrft {

inline bool is_odd(Member f) { return f == Member::tanh || f == Member::u_tanh_slope; }

// mu[t] = E[f(s x) he_p(x)], p = 2t + is_odd(f), t < count.
void mixture_coefficients(Member f, double s, int count, double* mu);

// E[f(u_1) f(u_2)] at variances a, b and covariance c: about 900 closed forms, half as many where a
// = b.
double mixture_moment(Member f, double a, double b, double c);

}  // namespace lrft
