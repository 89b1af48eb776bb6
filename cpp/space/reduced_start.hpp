// How the rows of a student in the reduced space begin.
#pragma once

#include <cmath>
#include <vector>

#include "random/fill.hpp"
#include "space/shape.hpp"

namespace lrft {

// P (n, s) then L (n, n), lower triangular, in d dimensions: rows uniform on the unit sphere of the
// space they may move in (n = 1), or standard normal; drawn from streams of the replica's own.
inline std::vector<double> draw_reduced_rows(const Shape& shape, std::uint64_t seed, double d,
                                             std::uint32_t replica, bool unit) {
  const int n = shape.n, s = shape.s, first = shape.first();
  std::vector<double> z(static_cast<std::size_t>(n * (s + n))), nu(static_cast<std::size_t>(n)),
      chi(nu);
  fill_normals(seed, replica, Purpose::init_rows, 0, z.size(), z.data());
  for (int j = 0; j < n; ++j) nu[static_cast<std::size_t>(j)] = d - s - j;
  fill_chi(seed, replica, Purpose::init_chi, 0, nu.size(), nu.data(), chi.data());
  std::vector<double> rows(static_cast<std::size_t>(n * (s + n)), 0.0);
  for (int j = 0; j < n; ++j) {
    double* P = rows.data() + j * s;
    double* L = rows.data() + n * s + j * n;
    for (int q = first; q < s; ++q) P[q] = z[static_cast<std::size_t>(j * s + q)];
    for (int i = 0; i < j; ++i) L[i] = z[static_cast<std::size_t>(n * s + j * n + i)];
    L[j] = chi[static_cast<std::size_t>(j)];
    if (unit) {
      double square = 0;
      for (int q = 0; q < s; ++q) square += P[q] * P[q];
      for (int i = 0; i <= j; ++i) square += L[i] * L[i];
      const double scale = 1 / std::sqrt(square);
      for (int q = 0; q < s; ++q) P[q] *= scale;
      for (int i = 0; i <= j; ++i) L[i] *= scale;
    }
  }
  return rows;
}

}  // namespace lrft
