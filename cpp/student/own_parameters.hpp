// The own parameters of a student, as an optimiser sees them.
#pragma once

#include "simd/pack.hpp"

namespace lrft {

// `columns` of them, of `count` numbers in `packs`, one column after another.
struct OwnParameters {
  Pack* now;
  // Of the loss, over its constant factor; zero where a pack is only filled up.
  const Pack* gradient;
  int columns, count, packs;
  bool trained;  // else the gradient is not there
  bool unit;     // each column stays on its unit sphere
};

}  // namespace lrft
