#include "population/link.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <stdexcept>

#include "population/cross.hpp"
#include "population/multi_index.hpp"
#include "population/shifted.hpp"

namespace lrft {
namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();

bool same(const ActivationSpec& f, const ActivationSpec& g) {
  return f.kind == g.kind && f.coefficients == g.coefficients && f.value == g.value;
}

std::vector<double> diagonal(const std::vector<double>& C, std::size_t m) {
  std::vector<double> out(m);
  for (std::size_t j = 0; j < m; ++j) out[j] = C[j * m + j];
  return out;
}

Moment square(const Population& population, const std::vector<double>& w,
              const std::vector<double>& C) {
  return population.expected_square(static_cast<int>(w.size()), w.data(), C.data(), false);
}

// All neurons of one activation.
Moment one_network(const Population& population, const Link& link, const std::vector<double>& w,
                   const std::vector<double>& C, const std::vector<double>& T,
                   const std::vector<double>& H, const std::vector<double>& means) {
  const std::size_t m = w.size(), r = link.weights.size(), all = r + m;
  std::vector<double> weights = link.weights, joint(all * all);
  for (const double x : w) weights.push_back(-x);
  for (std::size_t i = 0; i < r; ++i) std::copy_n(&H[i * r], r, &joint[i * all]);
  for (std::size_t j = 0; j < m; ++j) {
    std::copy_n(&T[j * r], r, &joint[(r + j) * all]);
    std::copy_n(&C[j * m], m, &joint[(r + j) * all + r]);
  }
  if (means.empty()) return square(population, weights, joint);
  return population.expected_square(static_cast<int>(all), weights.data(), joint.data(),
                                    means.data());
}

// E f f* for a network with an activation of its own.
Moment with_network(const Population& population, const Population& other, const Link& link,
                    const std::vector<double>& w, const std::vector<double>& C,
                    const std::vector<double>& T, const std::vector<double>& H) {
  const std::size_t m = w.size(), r = link.weights.size();
  const CrossMoments K = cross_moments(population, other, diagonal(C, m), diagonal(H, r), T);
  Moment sum{0, 0};
  for (std::size_t j = 0; j < m; ++j)
    for (std::size_t i = 0; i < r; ++i) {
      const double weight = w[j] * link.weights[i];
      sum.value += weight * K.value[j * r + i];
      sum.bound += std::abs(weight) * K.bound[j * r + i];
    }
  return sum;
}

// sqrt(P! / prod_j p_j!) prod_j m_j^{p_j}, P their sum.
double share(const int* powers, const double* m, std::size_t r) {
  double binomials = 1, product = 1;
  int total = 0;
  for (std::size_t j = 0; j < r; ++j)
    for (int p = 1; p <= powers[j]; ++p) {
      ++total;
      binomials = binomials * total / p;
      product *= m[j];
    }
  return std::sqrt(binomials) * product;
}

// E f f* for a multi-index polynomial.
Moment with_polynomial(const Population& population, const Link& link, const std::vector<double>& w,
                       const std::vector<double>& C, const std::vector<double>& T) {
  const std::size_t m = w.size(), terms = link.weights.size(), r = link.powers.size() / terms;
  std::vector<int> degree;
  for (std::size_t t = 0; t < terms; ++t) {
    degree.push_back(0);
    for (std::size_t j = 0; j < r; ++j) degree.back() += link.powers[t * r + j];
  }
  const int count = 1 + *std::max_element(degree.begin(), degree.end());
  Moment sum{0, 0};
  std::vector<double> cosine(r);
  for (std::size_t i = 0; i < m; ++i) {
    const double s = std::sqrt(C[i * m + i]);
    const HermiteCoefficients mu = hermite_coefficients(population.activation(), s, count);
    for (std::size_t j = 0; j < r; ++j)
      cosine[j] = s > 0 ? std::clamp(T[i * r + j] / s, -1.0, 1.0) : 0.0;
    for (std::size_t t = 0; t < terms; ++t) {
      const double x = w[i] * link.weights[t] * share(&link.powers[t * r], cosine.data(), r);
      const double of_degree = mu.values[static_cast<std::size_t>(degree[t])];
      sum.value += x * of_degree;
      sum.bound += std::abs(x) * (mu.bound + 16.0 * count * epsilon * std::abs(of_degree));
    }
  }
  return sum;
}

// ---- with means ------------------------------------------------------------------------------

std::vector<double> biased(const Link& link, const LinkFields& fields) {
  std::vector<double> means = fields.means;
  for (std::size_t i = 0; i < link.biases.size(); ++i) means[i] += link.biases[i];
  return means;
}

// E f f* for a multi-index polynomial.
Moment with_polynomial(const Population& population, const MultiIndex& star,
                       const std::vector<double>& w, const std::vector<double>& C,
                       const std::vector<double>& means, const std::vector<double>& T,
                       std::size_t r) {
  const std::size_t m = w.size();
  Moment sum{0, 0};
  std::vector<double> tau(r);
  for (std::size_t i = 0; i < m; ++i) {
    const double s = std::sqrt(C[i * m + i]);
    for (std::size_t j = 0; j < r; ++j) tau[j] = s > 0 ? T[i * r + j] / s : 0;
    const std::vector<double> b = star.along(tau.data());
    const Shifted one = shifted(population.activation(), means[i], s, static_cast<int>(b.size()));
    for (std::size_t q = 0; q < b.size(); ++q) {
      sum.value += w[i] * b[q] * one.mu[q];
      sum.bound += std::abs(w[i] * b[q]) *
                   (one.error + 16.0 * static_cast<double>(b.size()) * epsilon * one.root);
    }
  }
  return sum;
}

}  // namespace

LinkMoments link_moments(const Link& link, const LinkFields& fields) {
  if (link.kind == LinkKind::multi_index) {
    const MultiIndex star(link.powers, link.weights, fields.means, fields.covariance);
    return {{star.mean(), 0}, {star.square(), 0}};
  }
  const Population star(link.activation);
  const std::vector<double> means = biased(link, fields);
  const int r = static_cast<int>(link.weights.size());
  const double *w = link.weights.data(), *H = fields.covariance.data();
  return {star.expected_sum(r, w, H, means.data()), star.expected_square(r, w, H, means.data())};
}

Moment link_loss(const Population& population, const Link& link, const std::vector<double>& w,
                 const std::vector<double>& C, const std::vector<double>& means,
                 const std::vector<double>& T, const LinkFields& fields, const LinkMoments& star,
                 double shift) {
  const std::size_t m = w.size(), r = fields.means.size();
  const auto& [first, second] = star;
  const Moment own =
      population.expected_square(static_cast<int>(m), w.data(), C.data(), means.data());
  if (!std::isfinite(own.value) ||
      !std::all_of(T.begin(), T.end(), [](double x) { return std::isfinite(x); }))
    return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()};
  const Moment f = population.expected_sum(static_cast<int>(m), w.data(), C.data(), means.data());
  const double beside = shift * (shift + 2 * (first.value - f.value));
  const double beside_size =
      std::abs(shift) * (std::abs(shift) + 2 * (std::abs(first.value) + std::abs(f.value)));
  const double beside_bound = 2 * std::abs(shift) * (first.bound + f.bound);
  if (link.kind == LinkKind::network && same(population.activation(), link.activation)) {
    std::vector<double> joint = biased(link, fields);
    joint.insert(joint.end(), means.begin(), means.end());
    const Moment one = one_network(population, link, w, C, T, fields.covariance, joint);
    const double value = one.value + beside;
    return {value < 0 ? 0 : value,
            one.bound + beside_bound + 4 * epsilon * (one.value + beside_size)};
  }
  Moment both{0, 0};
  if (link.kind == LinkKind::multi_index) {
    const MultiIndex polynomial(link.powers, link.weights, fields.means, fields.covariance);
    both = with_polynomial(population, polynomial, w, C, means, T, r);
  } else {
    const CrossMoments K =
        cross_moments(population, Population(link.activation), diagonal(C, m),
                      diagonal(fields.covariance, r), T, means, biased(link, fields));
    for (std::size_t j = 0; j < m; ++j)
      for (std::size_t i = 0; i < r; ++i) {
        const double weight = w[j] * link.weights[i];
        both.value += weight * K.value[j * r + i];
        both.bound += std::abs(weight) * K.bound[j * r + i];
      }
  }
  const double value = own.value + second.value - 2 * both.value + beside;
  const double size = own.value + second.value + 2 * std::abs(both.value) + beside_size;
  const double bound = own.bound + second.bound + 2 * both.bound + beside_bound;
  return {value < 0 ? 0 : value, bound + 4 * epsilon * size};
}

Link link_of(const TaskData& task, const ActivationSpec& activation) {
  return {task.link, activation, task.weights, task.powers, task.biases};
}

Moment link_loss(const Population& population, const Link& link, const std::vector<double>& w,
                 const std::vector<double>& C, const std::vector<double>& T,
                 const std::vector<double>& H) {
  const bool network = link.kind == LinkKind::network;
  if (network && same(population.activation(), link.activation))
    return one_network(population, link, w, C, T, H, {});
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const Moment own = square(population, w, C);
  if (!std::isfinite(own.value) ||
      !std::all_of(T.begin(), T.end(), [](double x) { return std::isfinite(x); }))
    return {std::numeric_limits<double>::quiet_NaN(), infinity};
  Moment other{0, 0}, both{};
  if (network) {
    const Population star(link.activation);
    other = square(star, link.weights, H);
    both = with_network(population, star, link, w, C, T, H);
  } else {
    for (const double x : link.weights) other.value += x * x;
    both = with_polynomial(population, link, w, C, T);
  }
  const double value = own.value + other.value - 2 * both.value;
  const double bound = own.bound + other.bound + 2 * both.bound +
                       4 * epsilon * (own.value + other.value + 2 * std::abs(both.value));
  return {value < 0 ? 0 : value, bound};
}

}  // namespace lrft
