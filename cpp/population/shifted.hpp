// Expectations of sigma(a + s x) for a standard normal x: with means, as inputs of a mixture or
// biases give them.
//
// How, by what the record says of the activation (`shape` of its route):
//   series   a finite Hermite series: exact algebra
//   ramp     a multiple of max(0, z): closed forms, and for pairs Price's theorem twice,
//              E(rho) = E(0) + rho E'(0) + int_0^rho (rho - r) E''(r) dr,
//            where E'' is the density of the pair at the kinks; with r = sin(theta) its integral is
//            of a smooth function, by Gauss-Legendre sums on panels that shrink towards r = 1
//   smooth   trapezoidal sums, which for functions analytic in a strip err by exp(-c / spacing):
//            the square of what the sum over every second node errs by, so that says when to stop
//   values   composite Gauss-Legendre sums with a break at the kink at 0
//   (population/quadrature.hpp)
#pragma once

#include <vector>

#include "lrft/population.hpp"

namespace lrft {

// Coefficients of f(a + s x): mu[p] = E f(a + s x) he_p(x), the root of E f^2, a bound on the error
// of each mu, and what the squares past the last term come to.  error and beyond are estimates for
// `values`.
struct Shifted {
  double mean = 0, s = 0;
  std::vector<double> mu;
  double root = 0, error = 0, beyond = 0;
};
// Cost: 5 to 30 microseconds for 256 terms, 300 and more for `values`.
Shifted shifted(const ActivationSpec& spec, double mean, double s, int count);

// Rows of E sigma(a_i + z_i) sigma(a_j + z_j), z ~ N(0, C), with bounds on the errors:
// Mehler's series of the coefficients above, where 256 terms of it suffice, which is most pairs;
// the others, as of neurons that nearly coincide, one by one: 10 microseconds at norms near 1 for
// `smooth`, growing with the norm of what they share and with that of what they do not up to a
// millisecond, and milliseconds for `values`.
// Sums over the plane end at a spacing of 0.015: norms up to 16 are exact to rounding, and beyond
// bounds are what halving the spacing changes.
// For m = 100 neurons (k = 50): 1 to 3 ms, for the smooth ones up to 30 ms at norms near 3.
void shifted_moments(const ActivationSpec& spec, const MomentRows& wanted, const double* means,
                     const double* C);

// E f(a + s x) g(b + t y) for a pair of correlation cosine / hypot(cosine, sine).
Moment shifted_pair(const ActivationSpec& f, const ActivationSpec& g, const Shifted& x,
                    const Shifted& y, double cosine, double sine);

}  // namespace lrft
