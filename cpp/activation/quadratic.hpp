// z^2, rounded once, and 2 z, exactly.
#pragma once

#include "activation/pieces.hpp"

namespace lrft {

struct Quadratic {
  static LRFT_INLINE ValueAndSlope at(const ActivationData&, const Pack& z) {
    return {z * z, z + z};
  }
};

}  // namespace lrft
