// What the tests share: matrices, and numbers for them.
#pragma once

#include <vector>

#include "random/fill.hpp"

namespace lrft::testing {

struct Matrix {
  Matrix(int r, int c) : rows(r), columns(c), entries(static_cast<std::size_t>(r * c)) {}
  double& operator()(int i, int j) { return entries[static_cast<std::size_t>(i * columns + j)]; }
  double operator()(int i, int j) const {
    return entries[static_cast<std::size_t>(i * columns + j)];
  }
  double* data() { return entries.data(); }
  const double* data() const { return entries.data(); }

  int rows, columns;
  std::vector<double> entries;
};

inline Matrix normals(int rows, int columns, std::uint64_t seed) {
  Matrix out(rows, columns);
  fill_normals(seed, 0, Purpose::inputs, 0, out.entries.size(), out.data());
  return out;
}

}  // namespace lrft::testing
