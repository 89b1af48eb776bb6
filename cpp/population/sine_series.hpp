// The tanh family as short trigonometric series.
//
// On |u| <= L the functions below equal, up to exp(-2(L-|u|)), the sum of their
// images f(u), -f(u-L), f(u-2L), ...: an antiperiodic function, whose Fourier
// coefficients at omega_n = (2n+1) pi / L are values of the line's Fourier transform,
// all of one sign.  A Gaussian expectation of a sine or cosine is elementary, so
//   * Hermite coefficients are positive sums of y^p exp(-y^2/2), y = omega s, and
//   * E[f(u_1) f(u_2)] is a double sum with a Gaussian profile around the diagonal,
//     short at any norm and any correlation.
#pragma once

#include <vector>

namespace lrft {

enum class Wave {
  tanh,          // tanh u
  sech2,         // its derivative
  log_cosh,      // log(2 cosh u)
  u_tanh,        // u tanh u
  u_tanh_slope   // (u tanh u)'
};

inline bool is_odd(Wave f) { return f == Wave::tanh || f == Wave::u_tanh_slope; }

// f on a Gaussian of variance s^2: f(u) = mid + sum_n x_n sin(omega_n u), or cos for even f.
struct SineSeries {
  bool odd;
  double s, spacing;            // spacing = pi / L
  double mean;                  // E f(s x)
  double damped_sum;            // mean - mid
  std::vector<double> y;        // omega_n s, padded to a multiple of 8
  std::vector<double> damped;   // x_n exp(-y_n^2/2), padded with zeros
  // Only after prepare_pairs:
  int count = 0, reach = 0;
  std::vector<double> mirrored;  // x_n for n = -count-reach .. count+reach, x_{-n-1} = +-x_n
  std::vector<double> bell;      // exp(-(m gap)^2/2), m <= reach; gap between successive y
};

// `degree`: the highest Hermite coefficient that will be asked for.
SineSeries sine_series(Wave f, double variance, int degree);

// mu[t] = E[f(s x) he_p(x)], p = 2t + odd, t < count.
void wave_coefficients(const SineSeries& f, int count, double* mu);

// What wave_moment needs, once for each series.
void prepare_pairs(Wave f, SineSeries& series);

// E[f(u_1) f(u_2)] for series of one wave: variances a, b and covariance c, all positive
// variances.  Error about 1e-14 of sqrt(E f^2 E f^2).
double wave_moment(const SineSeries& f, const SineSeries& g, double a, double b, double c);

}  // namespace lrft
