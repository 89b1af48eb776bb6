#include "train/overlap.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/QR>

#include "lrft/poll.hpp"
#include "space/subspace.hpp"

namespace lrft {
namespace {

std::size_t index(int i, int j, int width) { return static_cast<std::size_t>(i * width + j); }

// sqrt(x y), also where the product leaves the range of doubles.
double geometric_mean(double x, double y) {
  const double product = x * y;
  return product > 1e-280 && product < 1e280 ? std::sqrt(product) : std::sqrt(x) * std::sqrt(y);
}

// What row j of a student, or feature i, has along the constant: no part of an overlap.
double bias_of_row(const Shape& shape, const Statistics& statistics, int j) {
  return shape.constant ? statistics.along[index(j, 0, shape.directions)] : 0;
}
double bias_of_feature(const Shape& shape, const TaskData& task, int i) {
  return shape.constant ? task.R[index(i, 0, shape.s)] : 0;
}

// Cosines (n, r) of rows with the teacher's directions.
std::vector<double> with_directions(const Shape& shape, const TaskGram& gram,
                                    const Statistics& statistics) {
  const int n = shape.n, k = shape.k, r = shape.rank, all = k + r;
  std::vector<double> cosines;
  for (int j = 0; j < n; ++j)
    for (int i = 0; i < r; ++i) {
      const double b = bias_of_row(shape, statistics, j);
      const double size = geometric_mean(std::max(statistics.gram[index(j, j, n)] - b * b, 0.0),
                                         gram.fixed[index(k + i, k + i, all)]);
      cosines.push_back(
          size == 0 ? 0 : std::clamp(statistics.teacher[index(j, i, r)] / size, -1.0, 1.0));
    }
  return cosines;
}

}  // namespace

std::vector<double> overlaps_u(const Shape& shape, const TaskData& task, const TaskGram& gram,
                               const StudentSpec& student, const Statistics& statistics,
                               const std::vector<double>& own) {
  const int n = shape.n, k = shape.k;
  if (student.facts().network) {
    if (task.link != LinkKind::none) return with_directions(shape, gram, statistics);
    const int m = k + n;
    const std::vector<double> C = covariance(shape, task, gram, student, statistics, own);
    const double scale = task.neuron_scale;
    std::vector<double> cosines;
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < shape.neurons; ++i) {
        const double bj = scale * bias_of_row(shape, statistics, j),
                     bi = scale * bias_of_feature(shape, task, i);
        const double size = geometric_mean(std::max(C[index(k + j, k + j, m)] - bj * bj, 0.0),
                                           std::max(C[index(i, i, m)] - bi * bi, 0.0));
        cosines.push_back(
            size == 0 ? 0 : std::clamp((C[index(k + j, i, m)] - bj * bi) / size, -1.0, 1.0));
      }
    return cosines;
  }
  return statistics.cosines;
}

std::vector<double> overlaps_c(const Shape& shape, const TaskData& task, const StudentSpec& student,
                               const std::vector<double>& own) {
  const int n = shape.n, r = shape.followed, k = shape.neurons;
  if (student.facts().network) return {};
  std::vector<double> BB(static_cast<std::size_t>(n * n)), cc(static_cast<std::size_t>(r * r)),
      Bc(static_cast<std::size_t>(n * r));
  for (int i = 0; i < k; ++i) {
    const double* B = own.data() + i * n;
    const double* c = task.c.data() + i * shape.rank;
    Poll::spend(std::int64_t{n} * (n + r) + std::int64_t{r} * r);
    for (int p = 0; p < n; ++p) {
      for (int q = 0; q < n; ++q) BB[index(p, q, n)] += B[p] * B[q];
      for (int q = 0; q < r; ++q) Bc[index(p, q, r)] += B[p] * c[q];
    }
    for (int p = 0; p < r; ++p)
      for (int q = 0; q < r; ++q) cc[index(p, q, r)] += c[p] * c[q];
  }
  if (student.facts().single) return Bc;
  return subspace_cosines(n, r, BB, cc, Bc, [&] {
    return RowSets{Eigen::Map<const Matrix>(own.data(), k, n).transpose(),
                   Eigen::Map<const Matrix>(task.c.data(), k, shape.rank).leftCols(r).transpose()};
  });
}

std::vector<double> coordinates(const Shape& shape, const TaskData& task,
                                const Statistics& statistics) {
  if (!statistics.inside.empty()) return statistics.inside;
  const int n = shape.n, k = shape.k, r = shape.rank, q = shape.directions, s = shape.s;
  Poll::spend(std::int64_t{k + r + q} * s * s / lanes);
  Matrix basis(k + r + q, s), fields(k + r + q, n);
  const auto put = [&](int first, int count, const std::vector<double>& rows,
                       const std::vector<double>& products) {
    basis.middleRows(first, count) = Eigen::Map<const Matrix>(rows.data(), count, s);
    fields.middleRows(first, count) =
        Eigen::Map<const Matrix>(products.data(), n, count).transpose();
  };
  put(0, k, task.R, statistics.features);
  put(k, r, task.a, statistics.teacher);
  if (q > 0) put(k + r, q, task.V, statistics.along);
  const Matrix P = basis.colPivHouseholderQr().solve(fields).transpose();
  return {P.data(), P.data() + P.size()};
}

}  // namespace lrft
