// The activation that a spec asks for, ready for the fused step.
#pragma once

#include "activation/pieces.hpp"
#include "lrft/activation.hpp"

namespace lrft {

// Throws std::invalid_argument as `check` does.  Out of line, since the functions of every
// activation are most of what a file compiles that has them.
Activation make_activation(const ActivationSpec& spec);

}  // namespace lrft
