// The user's own function and derivative, called entry by entry.
#pragma once

#include "activation/pieces.hpp"

namespace lrft {

struct Custom {
  static ValueAndSlope at(const ActivationData& data, const Pack& z) {
    return {each(data.value, z), each(data.derivative, z)};
  }
  static Pack each(double (*function)(double), const Pack& z) {
    double x[lanes];
    store(x, z);
    for (double& entry : x) entry = function(entry);
    return load(x);
  }
};
// The compiler cannot know that the derivative is not needed.
template <>
LRFT_INLINE Pack value_of<Custom>(const ActivationData& data, const Pack& z) {
  return Custom::each(data.value, z);
}

}  // namespace lrft
