#include "train/overlap.hpp"

#include <algorithm>
#include <cmath>

#include "lrft/poll.hpp"
#include "train/subspace.hpp"

namespace lrft {
namespace {

std::size_t index(int i, int j, int width) { return static_cast<std::size_t>(i * width + j); }

// Singular values of Y (n, r), r <= n, by one-sided Jacobi rotations of its columns.
std::vector<double> singular_values(int n, int r, std::vector<double> Y) {
  for (int sweep = 0; sweep < 40; ++sweep) {
    double off = 0;
    for (int p = 0; p < r; ++p)
      for (int q = p + 1; q < r; ++q) {
        Poll::spend(6 * std::int64_t{n});
        double pp = 0, qq = 0, pq = 0;
        for (int j = 0; j < n; ++j) {
          const double x = Y[index(j, p, r)], y = Y[index(j, q, r)];
          pp += x * x;
          qq += y * y;
          pq += x * y;
        }
        if (!(std::abs(pq) > 1e-16 * std::sqrt(pp * qq))) continue;
        off = std::max(off, std::abs(pq) / std::sqrt(pp * qq));
        const double zeta = (qq - pp) / (2 * pq);
        const double t = (zeta < 0 ? -1 : 1) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
        const double c = 1 / std::sqrt(1 + t * t), s = c * t;
        for (int j = 0; j < n; ++j) {
          double &x = Y[index(j, p, r)], &y = Y[index(j, q, r)];
          const double old = x;
          x = c * old - s * y;
          y = s * old + c * y;
        }
      }
    if (off < 1e-15) break;
  }
  std::vector<double> values;
  for (int p = 0; p < r; ++p) {
    double square = 0;
    for (int j = 0; j < n; ++j) square += Y[index(j, p, r)] * Y[index(j, p, r)];
    values.push_back(std::sqrt(square));
  }
  std::sort(values.rbegin(), values.rend());
  return values;
}

}  // namespace

std::vector<double> subspace_cosines(int n, int r, std::vector<double> G, std::vector<double> H,
                                     std::vector<double> M) {
  cholesky(n, G.data());
  cholesky(r, H.data());
  whiten(n, r, G.data(), H.data(), M.data());
  if (n == 1 && r == 1) return M;
  if (n < r) {
    std::vector<double> turned(M.size());
    for (int j = 0; j < n; ++j)
      for (int q = 0; q < r; ++q) turned[index(q, j, n)] = M[index(j, q, r)];
    return singular_values(r, n, turned);
  }
  return singular_values(n, r, M);
}

std::vector<double> overlaps_u(const Shape& shape, const TaskData& task, const StudentSpec& student,
                               const Statistics& statistics, const std::vector<double>& own) {
  const int n = shape.n, r = shape.rank, s = shape.s, k = shape.k;
  if (student.full) {
    const int m = k + n;
    const std::vector<double> C = covariance(shape, task, student, statistics, own);
    std::vector<double> cosines;
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < shape.neurons; ++i) {
        const double size = std::sqrt(C[index(k + j, k + j, m)] * C[index(i, i, m)]);
        cosines.push_back(size == 0 ? 0 : C[index(k + j, i, m)] / size);
      }
    return cosines;
  }
  std::vector<double> uu(static_cast<std::size_t>(r * r));
  for (int i = 0; i < r; ++i)
    for (int j = 0; j < r; ++j)
      for (int q = 0; q < s; ++q)
        uu[index(i, j, r)] += task.a[index(i, q, s)] * task.a[index(j, q, s)];
  return subspace_cosines(n, r, statistics.gram, uu, statistics.teacher);
}

std::vector<double> overlaps_c(const Shape& shape, const TaskData& task, const StudentSpec& student,
                               const std::vector<double>& own) {
  const int n = shape.n, r = shape.rank, k = shape.neurons;
  if (student.full) return {};
  std::vector<double> BB(static_cast<std::size_t>(n * n)), cc(static_cast<std::size_t>(r * r)),
      Bc(static_cast<std::size_t>(n * r));
  for (int i = 0; i < k; ++i) {
    const double* B = own.data() + i * n;
    const double* c = task.c.data() + i * r;
    Poll::spend(std::int64_t{n} * (n + r) + std::int64_t{r} * r);
    for (int p = 0; p < n; ++p) {
      for (int q = 0; q < n; ++q) BB[index(p, q, n)] += B[p] * B[q];
      for (int q = 0; q < r; ++q) Bc[index(p, q, r)] += B[p] * c[q];
    }
    for (int p = 0; p < r; ++p)
      for (int q = 0; q < r; ++q) cc[index(p, q, r)] += c[p] * c[q];
  }
  return student.spherical ? Bc : subspace_cosines(n, r, BB, cc, Bc);
}

}  // namespace lrft
