// The user's own function and derivative, called entry by entry.
#pragma once

#include "activation/pieces.hpp"

namespace lrft {

inline void custom_value(const ActivationData& data, const double* z, double* sigma, int packs) {
  for (int i = 0; i < packs * lanes; ++i) sigma[i] = data.value(z[i]);
}
inline void custom_both(const ActivationData& data, const double* z, double* sigma, double* dsigma,
                        int packs) {
  for (int i = 0; i < packs * lanes; ++i) {
    const double x = z[i];
    sigma[i] = data.value(x);
    dsigma[i] = data.derivative(x);
  }
}

}  // namespace lrft
