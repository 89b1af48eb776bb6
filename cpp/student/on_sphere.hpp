// The step of own parameters that stay on their unit sphere.
#pragma once

#include "simd/layout.hpp"
#include "space/dots.hpp"

namespace lrft {

// x <- proj(x - lr (I - x x^T) g), of k numbers in packs; returns the square of its length before
// the projection.  Sums in four chains, since one waits for its own: about 5 k operations.
template <class Layout>
LRFT_INLINE typename Layout::Scalar move_on_sphere(const Pack* g, int packs,
                                                   const typename Layout::Scalar& lr, Pack* x) {
  const Pack rate = Layout::spread(lr);
  const Pack tangent = Layout::spread(Layout::reduce(in_chains(
      broadcast(0.0), packs, [&](int i, const Pack& sum) { return fma(x[i], g[i], sum); })));
  const auto square = Layout::reduce(in_chains(broadcast(0.0), packs, [&](int i, const Pack& sum) {
    const Pack moved = fma(-rate, fma(-tangent, x[i], g[i]), x[i]);
    x[i] = moved;
    return fma(moved, moved, sum);
  }));
  const Pack scale = Layout::spread(1.0 / sqrt(square));
  for (int i = 0; i < packs; ++i) x[i] *= scale;
  return square;
}

}  // namespace lrft
