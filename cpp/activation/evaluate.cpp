#include "activation/evaluate.hpp"

#include <algorithm>

#include "activation/activation.hpp"

namespace lrft {

void evaluate(const ActivationSpec& spec, std::size_t size, const double* z, double* sigma,
              double* slope) {
  const Activation activation = make_activation(spec);
  alignas(64) double in[64] = {}, out[64], out_slope[64];
  for (std::size_t i = 0; i < size; i += 64) {
    const std::size_t n = std::min(size - i, std::size_t{64});
    std::copy(z + i, z + i + n, in);
    activation.both(activation.data, in, out, out_slope, 64 / lanes);
    std::copy(out, out + n, sigma + i);
    std::copy(out_slope, out_slope + n, slope + i);
  }
}

}  // namespace lrft
