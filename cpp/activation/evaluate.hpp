// An activation on an array of any size, outside the fused step.
#pragma once

#include <cstddef>

#include "lrft/activation.hpp"

namespace lrft {

// sigma[i], slope[i] = the activation and its derivative at z[i], i < size.
void evaluate(const ActivationSpec& spec, std::size_t size, const double* z, double* sigma,
              double* slope);

}  // namespace lrft
