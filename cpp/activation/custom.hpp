// The user's own function and derivative, called entry by entry.
#pragma once

#include <stdexcept>

#include "activation/record.hpp"

namespace lrft {

struct Custom {
  static constexpr ActivationFacts facts{.name = "custom",
                                         .formula = "the user's own function",
                                         .parameters = "functions",
                                         .law = "its values only"};
  using Exact = Quadrature<Custom>;
  static double (*function(const ActivationSpec& spec, bool derivative))(double) {
    return derivative ? spec.derivative : spec.value;
  }
  static void check(const ActivationSpec& spec) {
    if (spec.value == nullptr || spec.derivative == nullptr)
      throw std::invalid_argument(
          "value, derivative: a custom activation needs the addresses of both, got a null one");
  }
  static Activation make(const ActivationSpec& spec) {
    Activation r = activation_of<Custom>();
    r.data.value = spec.value;
    r.data.derivative = spec.derivative;
    return r;
  }

  static ValueAndSlope at(const ActivationData& data, const Pack& z) {
    return {each(data.value, z), each(data.derivative, z)};
  }
  // The compiler cannot know that the derivative is not needed.
  static Pack value(const ActivationData& data, const Pack& z) { return each(data.value, z); }
  static Pack each(double (*function)(double), const Pack& z) {
    double x[lanes];
    store(x, z);
    for (double& entry : x) entry = function(entry);
    return load(x);
  }
};

}  // namespace lrft
