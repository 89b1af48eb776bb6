#include "population/multi_index.hpp"

#include <cmath>
#include <cstddef>

#include "lrft/poll.hpp"

namespace lrft {

MultiIndex::MultiIndex(const std::vector<int>& powers, const std::vector<double>& weights,
                       const std::vector<double>& means, const std::vector<double>& H)
    : r_(means.size()), means_(means), H_(H), root_(r_ * r_, 0.0) {
  for (std::size_t t = 0; t < weights.size(); ++t) {
    const auto row = powers.begin() + static_cast<std::ptrdiff_t>(t * r_);
    polynomial_[Powers(row, row + static_cast<std::ptrdiff_t>(r_))] += weights[t];
  }
  for (std::size_t i = 0; i < r_; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = H_[i * r_ + j];
      for (std::size_t q = 0; q < j; ++q) sum -= root_[i * r_ + q] * root_[j * r_ + q];
      const double pivot = root_[j * r_ + j];
      if (i == j)
        root_[i * r_ + i] = sum > 1e-14 * H_[i * r_ + i] ? std::sqrt(sum) : 0;
      else
        root_[i * r_ + j] = pivot > 0 ? sum / pivot : 0;
    }
}

double MultiIndex::expected(const Powers& p) const {
  std::size_t j = 0;
  while (j < r_ && p[j] == 0) ++j;
  if (j == r_) return 1;
  const auto found = known_.find(p);
  if (found != known_.end()) return found->second;
  Poll::spend(static_cast<std::int64_t>(100 * r_));
  Powers lower = p;
  --lower[j];
  double value = means_[j] * expected(lower);
  for (std::size_t k = 0; k < r_; ++k) {
    const double excess = H_[j * r_ + k] - (j == k ? 1 : 0);
    if (lower[k] == 0 || excess == 0) continue;
    Powers least = lower;
    --least[k];
    value += excess * std::sqrt(static_cast<double>(lower[k])) * expected(least);
  }
  value /= std::sqrt(static_cast<double>(p[j]));
  known_[p] = value;
  return value;
}

double MultiIndex::expected(const Polynomial& f) const {
  double sum = 0;
  for (const auto& [p, weight] : f) sum += weight * expected(p);
  return sum;
}

MultiIndex::Polynomial MultiIndex::derivative(const Polynomial& f, const double* along,
                                              std::size_t stride) const {
  Polynomial out;
  for (const auto& [p, weight] : f) {
    Poll::spend(static_cast<std::int64_t>(100 * r_));
    for (std::size_t j = 0; j < r_; ++j) {
      if (p[j] == 0 || along[j * stride] == 0) continue;
      Powers lower = p;
      --lower[j];
      out[lower] += weight * along[j * stride] * std::sqrt(static_cast<double>(p[j]));
    }
  }
  return out;
}

std::vector<double> MultiIndex::along(const double* tau) const {
  std::vector<double> out;
  double factorial = 1;
  Polynomial f = polynomial_;
  for (int q = 0; !f.empty(); f = derivative(f, tau, 1)) {
    out.push_back(expected(f) / std::sqrt(factorial));
    factorial *= ++q;
  }
  return out;
}

double MultiIndex::square() const { return squares(polynomial_, 0); }

// On Hermite polynomials of y, t = mean + root y, one direction of y after the other.
double MultiIndex::squares(const Polynomial& f, std::size_t column) const {
  if (column == r_) {
    const double value = expected(f);
    return value * value;
  }
  double sum = 0, factorial = 1;
  Polynomial g = f;
  for (int q = 0; !g.empty(); g = derivative(g, root_.data() + column, r_)) {
    sum += squares(g, column + 1) / factorial;
    factorial *= ++q;
  }
  return sum;
}

}  // namespace lrft
