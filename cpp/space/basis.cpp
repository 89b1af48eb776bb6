#include "space/basis.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include <Eigen/QR>
#include <Eigen/SVD>

#include "space/matrix.hpp"

namespace lrft {
namespace {

using Columns = Eigen::MatrixXd;  // column-major: a direction of R^d is a column

// Orthonormal columns that span those of X whose part outside the others exceeds `least`.
Columns orthonormal(const Columns& X, double least) {
  const Eigen::ColPivHouseholderQR<Columns> qr(X);
  const Index full = std::min(X.rows(), X.cols());
  Index rank = 0;
  while (rank < full && std::abs(qr.matrixQR()(rank, rank)) > least) ++rank;
  return qr.householderQ() * Columns::Identity(X.rows(), rank);
}

double longest_column(const Columns& X) { return X.colwise().norm().maxCoeff(); }

std::vector<double> rows_of(const Matrix& X) { return {X.data(), X.data() + X.size()}; }

// X with the least |left X - right|, by rows.
std::vector<double> solved(const Columns& left, const Columns& right) {
  return rows_of(Eigen::ColPivHouseholderQR<Columns>(left).solve(right));
}

}  // namespace

Basis span_basis(const double* W, int k, const double* u, int r, std::int64_t d) {
  fix_cache_sizes();
  const Columns w = Eigen::Map<const Matrix>(W, k, d).transpose();
  Columns rest = Eigen::Map<const Matrix>(u, r, d).transpose();
  Columns inner = w.transpose() * w;
  if (!inner.allFinite())
    throw std::invalid_argument(
        "W must have finite inner products, got entries too large for that");
  if (!std::isfinite(rest.squaredNorm()))
    throw std::invalid_argument(
        "u must have finite inner products, got entries too large for that");
  inner.diagonal().array() -= 1;
  const bool own_basis = k <= d && inner.cwiseAbs().maxCoeff() <= 1e-14;
  const double tiny = static_cast<double>(std::max<std::int64_t>(k, d)) *
                      std::numeric_limits<double>::epsilon() * longest_column(w);
  const Columns features = own_basis ? w : orthonormal(w, tiny);
  const Index rho = features.cols();

  const double longest = longest_column(rest);
  Columns inside = Columns::Zero(rho, r);
  for (int pass = 0; pass < 2; ++pass) {
    const Columns part = features.transpose() * rest;
    rest -= features * part;
    inside += part;
  }
  const Columns outside = orthonormal(rest, 1e-12 * longest);
  const Index s = rho + outside.cols();

  Matrix R = Matrix::Zero(k, s), a(r, s), Q(s, d);
  R.leftCols(rho) = own_basis ? Columns::Identity(k, k) : Columns(w.transpose() * features);
  // What rounding leaves of an orthogonal u inside span(W) is nothing.
  a.leftCols(rho) = (inside.array().abs() <= 1e-15 * longest).select(0.0, inside).transpose();
  a.rightCols(s - rho) = rest.transpose() * outside;
  Q.topRows(rho) = features.transpose();
  Q.bottomRows(s - rho) = outside.transpose();
  return {static_cast<int>(rho), static_cast<int>(s), rows_of(R), rows_of(a), rows_of(Q)};
}

Coordinates coordinates(const double* A, int n, const double* Q, int s, std::int64_t d) {
  fix_cache_sizes();
  const Eigen::Map<const Matrix> basis(Q, s, d);
  Matrix rest = Eigen::Map<const Matrix>(A, n, d), P = Matrix::Zero(n, s), L = Matrix::Zero(n, n);
  for (int pass = 0; pass < 2; ++pass) {
    const Matrix part = rest * basis.transpose();
    rest.noalias() -= part * basis;
    P += part;
  }
  const Eigen::HouseholderQR<Columns> qr(rest.transpose());
  const Index full = std::min<Index>(n, d);
  L.leftCols(full).triangularView<Eigen::Lower>() = qr.matrixQR().topRows(full).transpose();
  for (Index j = 0; j < full; ++j)
    if (L(j, j) < 0) L.col(j) = -L.col(j);
  return {rows_of(P), rows_of(L)};
}

Leading leading(const double* G, int k, int m, int r) {
  fix_cache_sizes();
  const Columns X = Eigen::Map<const Matrix>(G, k, m);
  const Eigen::JacobiSVD<Columns> svd(X, Eigen::ComputeThinU | Eigen::ComputeThinV);
  Matrix left = svd.matrixU().leftCols(r).transpose(),
         right = svd.matrixV().leftCols(r).transpose();
  for (Index j = 0; j < r; ++j) {
    Index largest = 0;
    left.row(j).cwiseAbs().maxCoeff(&largest);
    if (left(j, largest) < 0) left.row(j) = -left.row(j), right.row(j) = -right.row(j);
  }
  const Matrix sizes = svd.singularValues().head(r);
  return {rows_of(left), rows_of(sizes), rows_of(right)};
}

std::vector<double> least_squares(const double* A, int m, int s, const double* B, int n) {
  fix_cache_sizes();
  return solved(Eigen::Map<const Matrix>(A, m, s), Eigen::Map<const Matrix>(B, m, n));
}

std::vector<double> pseudo_inverse(const double* R, int k, int s, int begin, int end) {
  if (begin == end) return {};
  fix_cache_sizes();
  const Columns left = Eigen::Map<const Matrix>(R, k, s).middleCols(begin, end - begin);
  return solved(left, Columns::Identity(k, k));
}

}  // namespace lrft
