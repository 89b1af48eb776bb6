#include "train/overlap.hpp"

#include <algorithm>
#include <cmath>

#include "lrft/poll.hpp"
#include "space/basis.hpp"
#include "space/subspace.hpp"

namespace lrft {
namespace {

std::size_t index(int i, int j, int width) { return static_cast<std::size_t>(i * width + j); }

// sqrt(x y), also where the product leaves the range of doubles.
double geometric_mean(double x, double y) {
  const double product = x * y;
  return product > 1e-280 && product < 1e280 ? std::sqrt(product) : std::sqrt(x) * std::sqrt(y);
}

// Cosines (n, r) of rows with the teacher's directions.
std::vector<double> with_directions(const Shape& shape, const TaskGram& gram,
                                    const Statistics& statistics) {
  const int n = shape.n, k = shape.k, r = shape.rank, all = k + r;
  std::vector<double> cosines;
  for (int j = 0; j < n; ++j)
    for (int i = 0; i < r; ++i) {
      const double size =
          geometric_mean(statistics.gram[index(j, j, n)], gram.fixed[index(k + i, k + i, all)]);
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
    std::vector<double> cosines;
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < shape.neurons; ++i) {
        const double size = geometric_mean(C[index(k + j, k + j, m)], C[index(i, i, m)]);
        cosines.push_back(size == 0 ? 0 : std::clamp(C[index(k + j, i, m)] / size, -1.0, 1.0));
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
  const auto put = [&](int first, int count, const double* rows,
                       const std::vector<double>& products) {
    basis.middleRows(first, count) = Eigen::Map<const Matrix>(rows, count, s);
    fields.middleRows(first, count) =
        Eigen::Map<const Matrix>(products.data(), n, count).transpose();
  };
  put(0, k, task.R, statistics.features);
  put(k, r, task.a.data(), statistics.teacher);
  if (q > 0) put(k + r, q, task.V.data(), statistics.along);
  if (shape.constant) {  // no part of the products, nor of what is solved for
    basis.col(0).setZero();
    fields.row(k + r).setZero();
  }
  const std::vector<double> X = least_squares(basis.data(), k + r + q, s, fields.data(), n);
  Matrix P = Eigen::Map<const Matrix>(X.data(), s, n).transpose();
  if (shape.constant)
    for (int i = 0; i < n; ++i) P(i, 0) = statistics.along[index(i, 0, q)];
  return {P.data(), P.data() + P.size()};
}

}  // namespace lrft
