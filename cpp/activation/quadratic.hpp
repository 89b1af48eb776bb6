// z^2.
#pragma once

#include "activation/pieces.hpp"

namespace lrft {

struct Quadratic {
  static LRFT_INLINE ValueAndSlope at(const ActivationData&, const Pack& z) {
    return {z * z, z + z};
  }
};

}  // namespace lrft
