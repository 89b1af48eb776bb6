// max(0, z), exactly; the derivative at 0 is 0.
#pragma once

#include "activation/pieces.hpp"

namespace lrft {

struct Relu {
  static LRFT_INLINE ValueAndSlope at(const ActivationData&, const Pack& z) {
    // NaN is larger than nothing and stays NaN in both.
    const Pack value = max(broadcast(0.0), z);
    return {value, select(z > 0.0, broadcast(1.0), value)};
  }
};

}  // namespace lrft
