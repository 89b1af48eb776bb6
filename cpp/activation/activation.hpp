// The activation as the fused step sees it: functions over a block of packs.
//
// To add an activation: one file beside this one, one name in
// lrft/activation.hpp and one case in `make_activation`.
#pragma once

#include <stdexcept>

#include "activation/custom.hpp"
#include "activation/erf.hpp"
#include "activation/gelu.hpp"
#include "activation/hermite.hpp"
#include "activation/pieces.hpp"
#include "activation/quadratic.hpp"
#include "activation/relu.hpp"
#include "activation/sigmoid.hpp"
#include "activation/silu.hpp"
#include "activation/softplus.hpp"
#include "activation/tanh.hpp"
#include "lrft/activation.hpp"

namespace lrft {

struct Activation {
  using Value = void (*)(const ActivationData&, const double* z, double* sigma, int packs);
  using Both = void (*)(const ActivationData&, const double* z, double* sigma, double* dsigma,
                        int packs);
  using Row = OneRowSums (*)(const ActivationData&, const OneRow&);
  Value value;  // sigma of 8 * packs numbers
  Both both;    // sigma and sigma'
  Row one_row;  // all that a student with one row asks of an input
  ActivationData data;
};

template <class A>
Activation activation_of() {
  return {value_of_block<A>, both_of_block<A>, one_row<A>, {}};
}

inline Activation make_hermite(const std::vector<double>& coefficients) {
  if (coefficients.empty())
    throw std::invalid_argument("coefficients: a Hermite series needs at least one, got none");
  ActivationData data;
  prepare_hermite(data, coefficients);
  bool single = true;
  for (std::size_t p = 0; p + 1 < data.coefficient.size(); ++p)
    single = single && data.coefficient[p] == 0.0;
  Activation r = single ? activation_of<SingleHermite>() : activation_of<HermiteSeries>();
  r.data = std::move(data);
  return r;
}

inline Activation make_custom(double (*value)(double), double (*derivative)(double)) {
  if (value == nullptr || derivative == nullptr)
    throw std::invalid_argument(
        "value, derivative: a custom activation needs the addresses of both, got a null one");
  Activation r = activation_of<Custom>();
  r.data.value = value;
  r.data.derivative = derivative;
  return r;
}

inline Activation make_activation(const ActivationSpec& spec) {
  switch (spec.kind) {
    case ActivationKind::relu:
      return activation_of<Relu>();
    case ActivationKind::erf:
      return activation_of<Erf>();
    case ActivationKind::tanh:
      return activation_of<Tanh>();
    case ActivationKind::sigmoid:
      return activation_of<Sigmoid>();
    case ActivationKind::gelu:
      return activation_of<Gelu>();
    case ActivationKind::silu:
      return activation_of<Silu>();
    case ActivationKind::softplus:
      return activation_of<Softplus>();
    case ActivationKind::quadratic:
      return activation_of<Quadratic>();
    case ActivationKind::hermite:
      return make_hermite(spec.coefficients);
    case ActivationKind::custom:
      return make_custom(spec.value, spec.derivative);
  }
  throw std::invalid_argument("kind: not an activation");
}

}  // namespace lrft
