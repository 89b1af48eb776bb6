// Exact expectations over Gaussian fields: what `loss` and the drift are made of.
//
// Every function here is const, keeps no state and may be called from any
// number of threads.  Nothing is drawn; the same input gives the same bits.
//
// How the value is found:
//   relu, erf, gelu     closed forms (arc-cosine and arcsine laws)
//   quadratic, hermite  the finite Hermite series, exact algebra
//   tanh, sigmoid, silu, softplus
//                       Mehler's series in the correlation; where it is slow
//                       (large norms with correlation near 1), a short double
//                       sine series.  Both reach rounding at any norm.
//   custom              Mehler's series from quadrature, 512 terms; pairs it cannot
//                       settle are integrated in the plane; the bound says what remains.
#pragma once

#include <vector>

#include "lrft/activation.hpp"

namespace lrft {

// A number and a bound on its absolute error for the covariance as given.
// An ill-conditioned covariance is the caller's: relu' of two neurons that
// coincide up to a relative rounding e of C changes by about sqrt(2 e) / (2 pi).
struct Moment {
  double value, bound;
};

class Population {
 public:
  // Throws std::invalid_argument for hermite without finite coefficients and
  // for custom without both callbacks.
  explicit Population(const ActivationSpec& spec);

  // E[(sum_j w_j sigma(z_j))^2] for z ~ N(0, C); sigma' with derivative = true.
  //
  // C is m x m, row-major, positive semidefinite up to rounding; its lower
  // triangle is read.  Rows may coincide or vanish.  The value is never
  // negative: a negative value of the size of the rounding becomes 0.  If C or w
  // is not finite, or a diagonal entry is negative, the value is NaN and the bound
  // infinite.
  Moment expected_square(int m, const double* w, const double* C, bool derivative) const;

  // All K_ij = E[sigma(z_i) sigma(z_j)], m x m row-major, and, unless `bound` is
  // null, a bound on the error of each.
  void moments(int m, const double* C, bool derivative, double* K, double* bound) const;

 private:
  ActivationSpec spec_;
};

// mu_p(s) = E[sigma(s x) he_p(x)], x ~ N(0, 1), p = 0 .. count-1, he_p = He_p / sqrt(p!),
// and a bound on the error of any of them.  Closed forms for relu, erf, gelu and
// polynomials at any s; a positive series for the tanh family; quadrature for custom.
// Throws std::invalid_argument for count < 0, for s negative or not finite, and for
// count > 900 where there is no closed form.
struct HermiteCoefficients {
  std::vector<double> values;
  double bound;
};
HermiteCoefficients hermite_coefficients(const ActivationSpec& spec, double s, int count);

}  // namespace lrft
