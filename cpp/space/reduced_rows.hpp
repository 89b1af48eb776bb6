// Rows of a student in the reduced space, as numbers: how they begin, and their angles with the
// teacher's.
#pragma once

#include <cmath>
#include <vector>

#include "random/fill.hpp"
#include "space/shape.hpp"
#include "space/subspace.hpp"

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

inline std::vector<double> given_reduced_rows(const StudentSpec& student) {
  std::vector<double> rows(student.rows_S.begin(), student.rows_S.end());
  rows.insert(rows.end(), student.rows_rest.begin(), student.rows_rest.end());
  return rows;
}

// Of the row spaces of [P, L] and [a, 0].
inline std::vector<double> reduced_cosines(const Shape& shape, const TaskData& task,
                                           const std::vector<double>& rows,
                                           const Statistics& statistics) {
  const int n = shape.n, s = shape.s, r = shape.followed;
  const Eigen::Map<const Matrix> P(rows.data(), n, s), L(rows.data() + n * s, n, n);
  const Eigen::Map<const Matrix> a(task.a.data(), r, s);
  return subspace_cosines(n, r, statistics.gram, gram_of(a),
                          first_of_each(statistics.teacher, shape.rank, r), [&] {
                            RowSets sets{Matrix::Zero(n, s + n), Matrix::Zero(r, s + n)};
                            sets.A << P, L;
                            sets.u.leftCols(s) = a;
                            return sets;
                          });
}

}  // namespace lrft
