// Rows of a student in the reduced space, as numbers: how they begin, and their angles with the
// teacher's.
#pragma once

#include <cmath>
#include <vector>

#include "population/statistics.hpp"
#include "random/fill.hpp"
#include "simd/aligned.hpp"
#include "simd/layout.hpp"
#include "space/law.hpp"
#include "space/matrix.hpp"
#include "space/shape.hpp"
#include "space/subspace.hpp"
#include "space/triangular.hpp"

namespace lrft {

// P (n, s) then L (n, n), lower triangular, in d dimensions: rows uniform on the unit sphere of the
// space they may move in (n = 1), or standard normal; drawn from streams of the replica's own, with
// no part along a constant.
inline std::vector<double> draw_reduced_rows(const Shape& shape, std::uint64_t seed, double d,
                                             std::uint32_t replica, bool unit) {
  const int n = shape.n, s = shape.s, first = std::max(shape.first(), shape.constant ? 1 : 0);
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

// The student's rows (P (n, s), L (n, n)) among all N, as an optimiser remembers nothing of them
// yet.
inline std::vector<double> with_memory(const Shape& shape, const std::vector<double>& rows) {
  const int n = shape.n, N = shape.rows, s = shape.s, from = shape.first_row;
  if (N == n) return rows;
  std::vector<double> all(static_cast<std::size_t>(N * (s + N)), 0.0);
  Eigen::Map<Matrix>(all.data(), N, s).middleRows(from, n) =
      Eigen::Map<const Matrix>(rows.data(), n, s);
  Eigen::Map<Matrix>(all.data() + N * s, N, N).block(from, from, n, n) =
      Eigen::Map<const Matrix>(rows.data() + n * s, n, n);
  if (shape.still)  // where no move would bring the averages
    for (int j = from + n; j < N; ++j)
      all[static_cast<std::size_t>(j * s)] = rows[static_cast<std::size_t>((j - from - n) * s)];
  return all;
}
// The way back: a share of the student's rows, the rest of it their averages; L (n, n) again lower
// triangular, by reflections.
inline std::vector<double> without_memory(const Shape& shape, const std::vector<double>& all,
                                          double share) {
  const int n = shape.n, N = shape.rows, s = shape.s, from = shape.first_row;
  if (N == n) return all;
  const Eigen::Map<const Matrix> P(all.data(), N, s), L(all.data() + N * s, N, N);
  Matrix own(n, s + N);
  own << P.middleRows(from, n), L.middleRows(from, n);
  if (share < 1) {
    Matrix averages(n, s + N);
    averages << P.bottomRows(n), L.bottomRows(n);
    own = share * own + (1 - share) * averages;
  }
  std::vector<double> rows(static_cast<std::size_t>(n * (s + n)));
  Eigen::Map<Matrix>(rows.data(), n, s) = own.leftCols(s);
  AlignedPacks packs(n * N);
  for (int j = 0; j < n; ++j)
    for (int i = 0; i < N; ++i) packs[j * N + i] = broadcast(own(j, s + i));
  triangular(packs.data(), n, N, [](std::int64_t) {});
  for (int j = 0; j < n; ++j)
    for (int i = 0; i < n; ++i)
      rows[static_cast<std::size_t>(n * s + j * n + i)] = get(packs[j * N + i], 0);
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

// Of rows P (n, s), L (n, n).
inline Statistics reduced_view(const Shape& shape, const TaskData& task,
                               const std::vector<double>& rows) {
  Statistics out = reduced_statistics(shape, task, rows);
  if (shape.follow) out.cosines = reduced_cosines(shape, task, rows, out);
  const Eigen::Map<const Matrix> P(rows.data(), shape.n, shape.s);
  out.along = along_directions(task, P, task.V.data(), shape.s);
  return out;
}

}  // namespace lrft
