// E[sigma(z_1) sigma(z_2)] in closed form, (z_1, z_2) centred Gaussian with
// variances a, b and covariance c.  With K(c) this moment, E[sigma' sigma'] = dK/dc
// (Price's theorem).
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
inline double relu(double a, double b, double c) {
  const double root = std::sqrt(determinant(a, b, c));
  return (root + c * (pi - std::atan2(root, c))) / (2.0 * pi);
}

// Arc-cosine kernel of degree 0; relu'(0) = 0, so a neuron of norm 0 gives 0.
inline double relu_derivative(double a, double b, double c) {
  if (a == 0.0 || b == 0.0) return 0.0;
  return (pi - std::atan2(std::sqrt(determinant(a, b, c)), c)) / (2.0 * pi);
}

// (1+a)(1+b) - c^2
inline double shifted_determinant(double a, double b, double c) {
  return 1.0 + a + b + determinant(a, b, c);
}

// Arcsine law (Williams 1997) for erf(z / sqrt 2); asin(c / sqrt((1+a)(1+b))) as atan2.
inline double erf(double a, double b, double c) {
  return 2.0 / pi * std::atan2(c, std::sqrt(shifted_determinant(a, b, c)));
}

inline double erf_derivative(double a, double b, double c) {
  return 2.0 / (pi * std::sqrt(shifted_determinant(a, b, c)));
}

// gelu = z Phi(z).  Gaussian integration by parts (Stein), twice, gives
//   K = c Q + J (ab - c^2 + c^2 g),  Q = E[Phi Phi],  J = E[phi phi] = dQ/dc,
//   g = 1/(1+a) + 1/(1+b).
inline double gelu(double a, double b, double c) {
  const double det = determinant(a, b, c);
  const double root = std::sqrt(1.0 + a + b + det);
  const double q = 0.25 + std::atan2(c, root) / (2.0 * pi);
  const double g = 1.0 / (1.0 + a) + 1.0 / (1.0 + b);
  return c * q + (det + c * c * g) / (2.0 * pi * root);
}

inline double gelu_derivative(double a, double b, double c) {
  const double shifted = shifted_determinant(a, b, c);
  const double root = std::sqrt(shifted);
  const double q = 0.25 + std::atan2(c, root) / (2.0 * pi);
  const double g = 1.0 / (1.0 + a) + 1.0 / (1.0 + b);
  const double bracket = 2.0 * g + (c * c * g - 1.0 - a - b) / shifted;
  return q + c * bracket / (2.0 * pi * root);
}

}  // namespace lrft::closed_form
