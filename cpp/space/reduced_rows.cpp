#include "space/reduced_rows.hpp"

#include <cmath>

#include "random/fill.hpp"
#include "simd/aligned.hpp"
#include "space/law.hpp"
#include "space/matrix.hpp"
#include "space/subspace.hpp"
#include "space/triangular.hpp"

namespace lrft {

std::vector<double> draw_reduced_rows(const Shape& shape, std::uint64_t seed, const TaskData& task,
                                      std::uint32_t replica, bool unit) {
  const int n = shape.n, s = shape.s, J = shape.complements(),
            first = std::max(shape.first(), shape.constant ? 1 : 0);
  std::vector<double> z(static_cast<std::size_t>(n * (s + J * n))),
      nu(static_cast<std::size_t>(J * n)), chi(nu);
  fill_normals(seed, replica, Purpose::init_rows, 0, z.size(), z.data());
  for (int i = 0; i < J * n; ++i) {
    const auto c = static_cast<std::size_t>(i / n);
    nu[static_cast<std::size_t>(i)] =
        (shape.blocks == 0 ? task.d - s : task.block_d[c] - task.block_s[c]) - i % n;
  }
  fill_chi(seed, replica, Purpose::init_chi, 0, nu.size(), nu.data(), chi.data());
  std::vector<double> rows(static_cast<std::size_t>(n * (s + J * n)), 0.0);
  for (int j = 0; j < n; ++j) {
    double* P = rows.data() + j * s;
    double square = 0;
    for (int q = first; q < s; ++q) P[q] = z[static_cast<std::size_t>(j * s + q)];
    for (int q = 0; q < s; ++q) square += P[q] * P[q];
    for (int c = 0; c < J; ++c) {
      const auto row = static_cast<std::size_t>(n * s + (c * n + j) * n);
      for (int i = 0; i < j; ++i)
        rows[row + static_cast<std::size_t>(i)] = z[row + static_cast<std::size_t>(i)];
      rows[row + static_cast<std::size_t>(j)] = chi[static_cast<std::size_t>(c * n + j)];
      for (int i = 0; i <= j; ++i)
        square += rows[row + static_cast<std::size_t>(i)] * rows[row + static_cast<std::size_t>(i)];
    }
    if (!unit) continue;
    const double scale = 1 / std::sqrt(square);
    for (int q = 0; q < s; ++q) P[q] *= scale;
    for (int c = 0; c < J; ++c)
      for (int i = 0; i <= j; ++i)
        rows[static_cast<std::size_t>(n * s + (c * n + j) * n + i)] *= scale;
  }
  return rows;
}

std::vector<double> given_reduced_rows(const StudentSpec& student) {
  std::vector<double> rows(student.rows_S.begin(), student.rows_S.end());
  rows.insert(rows.end(), student.rows_rest.begin(), student.rows_rest.end());
  return rows;
}

std::vector<double> with_memory(const Shape& shape, const std::vector<double>& rows) {
  const int n = shape.n, N = shape.rows, s = shape.s, from = shape.first_row,
            J = shape.complements();
  if (N == n) return rows;
  std::vector<double> all(static_cast<std::size_t>(N * (s + J * N)), 0.0);
  Eigen::Map<Matrix>(all.data(), N, s).middleRows(from, n) =
      Eigen::Map<const Matrix>(rows.data(), n, s);
  for (int c = 0; c < J; ++c)
    Eigen::Map<Matrix>(all.data() + N * (s + c * N), N, N).block(from, from, n, n) =
        Eigen::Map<const Matrix>(rows.data() + n * (s + c * n), n, n);
  if (shape.still)  // where no move would bring the averages
    for (int j = from + n; j < N; ++j)
      all[static_cast<std::size_t>(j * s)] = rows[static_cast<std::size_t>((j - from - n) * s)];
  return all;
}
std::vector<double> without_memory(const Shape& shape, const std::vector<double>& all,
                                   double share) {
  const int n = shape.n, N = shape.rows, s = shape.s, from = shape.first_row,
            J = shape.complements();
  if (N == n) return all;
  const auto own = [&](const double* numbers, int width) {
    const Eigen::Map<const Matrix> of_all(numbers, N, width);
    Matrix mixed = of_all.middleRows(from, n);
    if (share < 1) mixed = share * mixed + (1 - share) * of_all.bottomRows(n);
    return mixed;
  };
  std::vector<double> rows(static_cast<std::size_t>(n * (s + J * n)));
  Eigen::Map<Matrix>(rows.data(), n, s) = own(all.data(), s);
  AlignedPacks packs(n * N);
  for (int c = 0; c < J; ++c) {
    const Matrix L = own(all.data() + N * (s + c * N), N);
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < N; ++i) packs[j * N + i] = broadcast(L(j, i));
    triangular(packs.data(), n, N, [](std::int64_t) {});
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < n; ++i)
        rows[static_cast<std::size_t>(n * s + (c * n + j) * n + i)] = get(packs[j * N + i], 0);
  }
  return rows;
}

namespace {

// Of the row spaces of [P, L, ..] and [a, 0].
std::vector<double> reduced_cosines(const Shape& shape, const TaskData& task,
                                    const std::vector<double>& rows, const Statistics& statistics) {
  const int n = shape.n, s = shape.s, r = shape.followed, J = shape.complements();
  const Eigen::Map<const Matrix> P(rows.data(), n, s);
  const Eigen::Map<const Matrix> a(task.a.data(), r, s);
  return subspace_cosines(n, r, statistics.gram, gram_of(a),
                          first_of_each(statistics.teacher, shape.rank, r), [&] {
                            RowSets sets{Matrix::Zero(n, s + J * n), Matrix::Zero(r, s + J * n)};
                            sets.A.leftCols(s) = P;
                            for (int c = 0; c < J; ++c)
                              sets.A.middleCols(s + c * n, n) =
                                  Eigen::Map<const Matrix>(rows.data() + n * (s + c * n), n, n);
                            sets.u.leftCols(s) = a;
                            return sets;
                          });
}

}  // namespace

Statistics reduced_view(const Shape& shape, const TaskData& task, const std::vector<double>& rows) {
  Statistics out = reduced_statistics(shape, task, rows);
  if (shape.follow) out.cosines = reduced_cosines(shape, task, rows, out);
  const Eigen::Map<const Matrix> P(rows.data(), shape.n, shape.s);
  out.along = along_directions(task, P, task.V.data(), shape.s);
  const Eigen::Map<const Matrix> along(out.along.data(), shape.n, shape.directions);
  Index first = shape.constant ? 1 : 0;
  for (int c = 0; c < shape.blocks; ++c) {
    const auto inside = along.middleCols(first, task.block_s[static_cast<std::size_t>(c)]);
    Eigen::Map<Matrix>(out.blocks.data() + c * shape.n * shape.n, shape.n, shape.n) +=
        inside * inside.transpose();
    first += inside.cols();
  }
  return out;
}

}  // namespace lrft
