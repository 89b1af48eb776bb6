// Numbers of one replica in and out of arrays of packs.
#pragma once

#include <vector>

#include "simd/aligned.hpp"
#include "simd/layout.hpp"

namespace lrft {

// `from` (rows, columns) into the lane: row i is neuron i, and columns follow each other.
template <class Layout>
void put_columns(AlignedPacks& to, int lane, const std::vector<double>& from, int rows,
                 int columns) {
  const int packs = to.size() / columns;
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j)
      to.doubles()[Layout::at(i, lane) + j * packs * lanes] =
          from[static_cast<std::size_t>(i * columns + j)];
}
template <class Layout>
std::vector<double> columns_of(const AlignedPacks& from, int lane, int rows, int columns) {
  const int packs = from.size() / columns;
  std::vector<double> to;
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j)
      to.push_back(from.doubles()[Layout::at(i, lane) + j * packs * lanes]);
  return to;
}

}  // namespace lrft
