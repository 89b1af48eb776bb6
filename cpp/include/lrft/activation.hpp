// Which activation a network uses, in plain types.
#pragma once

#include <vector>

namespace lrft {

enum class ActivationKind {
  relu,       // max(0, z), with sigma'(0) = 0
  erf,        // erf(z / sqrt 2)
  tanh,       // tanh z
  sigmoid,    // 1 / (1 + e^-z)
  gelu,       // z Phi(z), Phi the standard normal distribution function
  silu,       // z / (1 + e^-z)
  softplus,   // log(1 + e^z)
  quadratic,  // z^2
  hermite,    // sum_p coefficients[p] he_p(z), he_p = He_p / sqrt(p!)
  custom      // value(z), with the given derivative(z)
};

struct ActivationSpec {
  ActivationKind kind = ActivationKind::relu;
  std::vector<double> coefficients;        // hermite only
  double (*value)(double) = nullptr;       // custom only
  double (*derivative)(double) = nullptr;  // custom only
};

}  // namespace lrft
