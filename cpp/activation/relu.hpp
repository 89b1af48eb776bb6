// max(0, z), exactly; the derivative at 0 is 0.
#pragma once

#include "activation/pieces.hpp"

namespace lrft {

struct Relu {
  static LRFT_INLINE ValueAndSlope at(const ActivationData&, const Pack& z) {
    const Mask off = z <= 0.0;
    // NaN is neither on nor off and stays NaN.
    const Pack on_slope = select(z > 0.0, broadcast(1.0), z);
    return {select(off, broadcast(0.0), z), select(off, broadcast(0.0), on_slope)};
  }
};

}  // namespace lrft
