// E[f(z_1) f(z_2)] in closed form, (z_1, z_2) centred Gaussian with variances a, b,
// covariance c and det = ab - c^2.  With K(c) this moment, E[f' f'] = dK/dc (Price's
// theorem), which is where the derivatives come from.
#pragma once

#include <cmath>

namespace lrft::closed_form {

inline constexpr double pi = 3.14159265358979323846;

// ab - c^2 with a rounding error relative to itself (Kahan), never negative.
inline double determinant(double a, double b, double c) {
  const double cc = c * c;
  const double rest = std::fma(-c, c, cc);
  const double det = std::fma(a, b, -cc) + rest;
  return det < 0.0 ? 0.0 : det;
}

// Arc-cosine kernel of degree 1 (Cho and Saul 2009); atan2 keeps the angle's
// accuracy where acos loses half the digits.
inline double relu(double, double, double c, double det) {
  const double root = std::sqrt(det);
  return (root + c * (pi - std::atan2(root, c))) / (2.0 * pi);
}

// Arc-cosine kernel of degree 0; relu'(0) = 0, so a neuron of norm 0 gives 0.
inline double relu_derivative(double a, double b, double c, double det) {
  if (a == 0.0 || b == 0.0) return 0.0;
  return (pi - std::atan2(std::sqrt(det), c)) / (2.0 * pi);
}

// f(z) = erf(z / sqrt 2): the arcsine law (Williams 1997), asin(c / sqrt((1+a)(1+b))).
inline double erf(double a, double b, double c, double det) {
  return 2.0 / pi * std::atan2(c, std::sqrt(1.0 + a + b + det));
}
inline double erf_derivative(double a, double b, double, double det) {
  return 2.0 / (pi * std::sqrt(1.0 + a + b + det));
}

// Its integral z erf(z / sqrt 2) + sqrt(2/pi) exp(-z^2/2) = E|z + noise|, noise of variance 1.
inline double erf_integral(double a, double b, double c, double det) {
  const double root = std::sqrt(1.0 + a + b + det);
  return 2.0 / pi * (root + c * std::atan2(c, root));
}

// f(z) = z erf(z / sqrt 2): Gaussian integration by parts, twice.
inline double z_erf(double a, double b, double c, double det) {
  const double root = std::sqrt(1.0 + a + b + det);
  const double g = 1.0 / (1.0 + a) + 1.0 / (1.0 + b);
  return 2.0 / pi * (c * std::atan2(c, root) + (det + c * c * g) / root);
}
inline double z_erf_slope(double a, double b, double c, double det) {
  const double shifted = 1.0 + a + b + det;
  const double root = std::sqrt(shifted);
  const double g = 1.0 / (1.0 + a) + 1.0 / (1.0 + b);
  const double bracket = 2.0 * g + (c * c * g - 1.0 - a - b) / shifted;
  return 2.0 / pi * (std::atan2(c, root) + c * bracket / root);
}

// gelu(z) = z Phi(z) = z/2 + z erf(z / sqrt 2)/2, and the two parts are orthogonal.
inline double gelu(double a, double b, double c, double det) {
  return 0.25 * (c + z_erf(a, b, c, det));
}
inline double gelu_derivative(double a, double b, double c, double det) {
  return 0.25 * (1.0 + z_erf_slope(a, b, c, det));
}

}  // namespace lrft::closed_form
