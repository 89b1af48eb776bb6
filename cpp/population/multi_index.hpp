// A multi-index polynomial sum_m a_m prod_j he_{p_mj}(t_j) of jointly normal fields with any means
// and covariance, as inputs with a law of their own give them; all finite algebra:
//   sqrt(p_j + 1) e(p + 1_j) = mean_j e(p) + sum_k (H - I)_jk sqrt(p_k) e(p - 1_k),
//   e(p) = E prod_j he_{p_j}(t_j)     (Gaussian integration by parts),
// and coefficients on Hermite polynomials of other fields are expectations of derivatives.
#pragma once

#include <map>
#include <vector>

namespace lrft {

class MultiIndex {
 public:
  // powers (terms, r), weights (terms), means (r), H (r, r).
  MultiIndex(const std::vector<int>& powers, const std::vector<double>& weights,
             const std::vector<double>& means, const std::vector<double>& H);

  double mean() const { return expected(polynomial_); }
  // E of its square.  Cost: as many expectations as there are monomials of its degree in r
  // variables.
  double square() const;
  // E P he_q(g), q up to its degree, for a standard normal g whose covariances with the fields are
  // tau (r).
  std::vector<double> along(const double* tau) const;

 private:
  using Powers = std::vector<int>;
  using Polynomial = std::map<Powers, double>;
  double expected(const Powers& p) const;
  double expected(const Polynomial& f) const;
  Polynomial derivative(const Polynomial& f, const double* along, std::size_t stride) const;
  double squares(const Polynomial& f, std::size_t column) const;

  std::size_t r_;
  std::vector<double> means_, H_, root_;  // root_: lower-triangular, H = root root^T
  Polynomial polynomial_;
  mutable std::map<Powers, double> known_;
};

}  // namespace lrft
