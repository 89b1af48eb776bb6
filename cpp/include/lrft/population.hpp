// Exact expectations over Gaussian fields: what `loss` and the drift are made of.
//
// Every function here is const, keeps no state and may be called from any number of
// threads.  Nothing is drawn; the same input gives the same bits.
//
// How the value is found, the `route` of the activation's record:
//   closed form         arc-cosine and arcsine laws, Isserlis' formula and the like
//   finite series       the Hermite series, exact algebra
//   scale mixture       of tanh and its relatives: Mehler's series in the correlation; pairs for
//                       which 128 terms do not suffice (large norms, correlation near 1) as a
//                       mixture of error functions, a double sum of closed forms.  Rounding at
//                       any norm.
//   quadrature          Mehler's series from quadrature, 512 terms; pairs it cannot settle
//                       are integrated in the plane; the bound is estimated.
// With means there are four ways for all of them (population/shifted.hpp).
//
// Cost of expected_square, milliseconds, for m = 100 (k = 50) on one core of a 2.6 GHz AVX-512
// machine (AVX2 about 1.5 to 2.5 times, the baseline 2 to 4 times as much); it grows as m^2:
//   closed form     0.03 (relu, erf, gelu), 0.02 (quadratic)
//   finite series   0.02
//   scale mixture   0.06 at equal norms up to 1 (2 for sigmoid, silu, softplus), 0.2 to 0.3 at
//                   unequal ones, 0.4 at norms 1 to 10, 4 if most pairs nearly coincide at norm 3
//   quadrature      0.3 for each different norm, and 2 for each pair that must be integrated
//                   in the plane (smooth: none at norms near 1; with a kink: |rho| > 0.95).
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "lrft/activation.hpp"

namespace lrft {

// A number and a bound on its absolute error for the covariance as given.
// An ill-conditioned covariance is the caller's: relu' of two neurons that
// coincide up to a relative rounding e of C changes by about sqrt(2 e) / (2 pi).
struct Moment {
  double value, bound;
};

// Which moments are wanted, and where they go: rows first .. count - 1 of K, one after the other.
struct MomentRows {
  int first, count;
  bool bounded;  // with a bound on the error of each
  // Takes entries 0 .. i of row i, and of their bounds.
  std::function<void(std::size_t i, const double* value, const double* bound)> take;
};

class Population {
 public:
  // Throws what `check` throws.
  explicit Population(const ActivationSpec& spec);

  // E[(sum_j w_j sigma(z_j))^2] for z ~ N(0, C); sigma' with derivative = true.
  //
  // C is m x m, row-major, positive semidefinite up to rounding; its lower
  // triangle is read.  Rows may coincide or vanish.  The value is never
  // negative: a negative value of the size of the rounding becomes 0.  If C or w
  // is not finite, or a diagonal entry is negative, the value is NaN and the bound
  // infinite.
  Moment expected_square(int m, const double* w, const double* C, bool derivative) const;

  // What the pairs (i, j) with max(i, j) >= first add to it, for sigma; below `first` only the
  // diagonal of C is read.  NaN where that would be.
  double expected_square_from(int first, int m, const double* w, const double* C) const;

  // The same of sigma(means_j + z_j), as inputs of a mixture or biases give them
  // (population/shifted.hpp); means that all vanish are none.
  Moment expected_square(int m, const double* w, const double* C, const double* means) const;
  double expected_square_from(int first, int m, const double* w, const double* C,
                              const double* means) const;
  // E sum_j w_j sigma(means_j + z_j); the diagonal of C is read.
  Moment expected_sum(int m, const double* w, const double* C, const double* means) const;

  // All K_ij = E[sigma(z_i) sigma(z_j)], m x m row-major.
  void moments(int m, const double* C, bool derivative, double* K) const;

  const ActivationSpec& activation() const { return spec_; }

 private:
  // False, and nothing done, where C is not a covariance.
  bool rows(const MomentRows& wanted, const double* C, bool derivative,
            const double* means = nullptr) const;
  Moment square(int m, const double* w, const double* C, bool derivative,
                const double* means) const;
  ActivationSpec spec_;
};

// mu_p(s) = E[sigma(s x) he_p(x)], x ~ N(0, 1), p = 0 .. count-1, he_p = He_p / sqrt(p!),
// and a bound on the error of any of them.  Closed forms and finite sums; for scale mixtures sums
// of closed forms of one sign; quadrature otherwise. Throws std::invalid_argument for count < 0,
// for s negative or not finite, and for more than the `most_coefficients` of the record.
struct HermiteCoefficients {
  std::vector<double> values;
  double bound;
};
HermiteCoefficients hermite_coefficients(const ActivationSpec& spec, double s, int count);

}  // namespace lrft
