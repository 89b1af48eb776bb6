#include "space/subspace.hpp"

#include <algorithm>

#include "lrft/poll.hpp"

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

// Gram-Schmidt, twice for orthogonality to rounding.
void make_orthonormal(Matrix& X) {
  constexpr double nothing = 1e-12;
  for (Index j = 0; j < X.rows(); ++j) {
    auto row = X.row(j);
    const double largest = row.cwiseAbs().maxCoeff();
    if (!(largest > 0)) {
      row.setZero();
      continue;
    }
    row /= largest;  // squares of what is left are near 1
    row /= row.norm();
    for (int pass = 0; pass < 2; ++pass)
      for (Index i = 0; i < j; ++i) row -= row.dot(X.row(i)) * X.row(i);
    const double rest = row.norm();
    if (rest > nothing)
      row /= rest;
    else
      row.setZero();
    // What is left of a short rest is orthogonal only up to its own rounding.
    for (Index i = 0; i < j; ++i) row -= row.dot(X.row(i)) * X.row(i);
  }
}

}  // namespace

std::vector<double> gram_of(const Eigen::Ref<const Matrix>& X) {
  const int m = static_cast<int>(X.rows());
  std::vector<double> G(static_cast<std::size_t>(m * m));
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < m; ++j)
      for (Index q = 0; q < X.cols(); ++q) G[index(i, j, m)] += X(i, q) * X(j, q);
  return G;
}

std::vector<double> cosines_of(int n, int r, const std::vector<double>& Y) {
  if (n == 1 && r == 1) return {std::clamp(Y[0], -1.0, 1.0)};
  std::vector<double> turned = Y;
  if (n < r)
    for (int j = 0; j < n; ++j)
      for (int q = 0; q < r; ++q) turned[index(q, j, n)] = Y[index(j, q, r)];
  std::vector<double> values = singular_values(std::max(n, r), std::min(n, r), turned);
  for (double& x : values) x = std::min(x, 1.0);
  return values;
}

std::vector<double> between(RowSets rows) {
  fix_cache_sizes();
  make_orthonormal(rows.A);
  make_orthonormal(rows.u);
  std::vector<double> Y;
  for (Index j = 0; j < rows.A.rows(); ++j)
    for (Index q = 0; q < rows.u.rows(); ++q) Y.push_back(rows.A.row(j).dot(rows.u.row(q)) + 0.0);
  return Y;
}

}  // namespace lrft
