#include "population/linearized.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>

#include "activation/list.hpp"
#include "population/law.hpp"
#include "population/routes.hpp"

#include "lrft/poll.hpp"

namespace lrft {
namespace {

std::size_t index(int i, int j, int width) { return static_cast<std::size_t>(i * width + j); }

Tangents tangents_of(const ActivationSpec& spec) {
  return with_record(spec.kind, [&](auto record) -> Tangents {
    using Exact = typename decltype(record)::Exact;
    if constexpr (requires { Exact::tangents(spec); })
      return Exact::tangents(spec);
    else
      throw std::invalid_argument("activation: no exact loss of linearised students of " +
                                  spec.kind);
  });
}

// Hermite coefficients of functions of g, z = s g.
struct Series {
  std::vector<double> sigma;      // sigma(s g)
  std::vector<double> slope;      // sigma'(s g)
  std::vector<double> tau;        // g sigma'(s g)
  std::vector<double> tau_slope;  // its derivative
  std::vector<double> curvature;  // the derivative of sigma'(s g)
};

Series series_of(const ActivationSpec& spec, double s, int terms) {
  const auto size = static_cast<std::size_t>(terms);
  const std::vector<double> mu = hermite_coefficients(spec, s, terms + 3).values;
  Series f;
  f.sigma.assign(mu.begin(), mu.begin() + terms);
  f.slope.assign(size + 2, 0.0);
  f.tau.assign(size + 1, 0.0);
  f.tau_slope.assign(size, 0.0);
  f.curvature.assign(size, 0.0);
  if (s == 0) return f;  // nothing below is asked for
  const auto root = [](std::size_t p) { return std::sqrt(static_cast<double>(p)); };
  for (std::size_t p = 0; p < size + 2; ++p) f.slope[p] = root(p + 1) * mu[p + 1] / s;
  for (std::size_t p = 0; p < size + 1; ++p)
    f.tau[p] = root(p + 1) * f.slope[p + 1] + (p > 0 ? root(p) * f.slope[p - 1] : 0);
  for (std::size_t p = 0; p < size; ++p) {
    f.tau_slope[p] = root(p + 1) * f.tau[p + 1];
    f.curvature[p] = root(p + 1) * f.slope[p + 1];
  }
  return f;
}

// sum_p rho^p a_p b_p
double mehler(const std::vector<double>& a, const std::vector<double>& b, double rho) {
  const std::size_t terms = std::min(a.size(), b.size());
  double power = 1, sum = 0;
  for (std::size_t p = 0; p < terms && std::abs(power) > 1e-24; ++p, power *= rho)
    sum += power * a[p] * b[p];
  return sum;
}

// The moments of two neurons beyond those of `Population`.
class Pairs {
 public:
  Pairs(const Population& population, int m, const std::vector<double>& C, int width)
      : tangents_(tangents_of(population.activation())),
        m_(m),
        sigma_(index(m, 0, m)),
        slope_(index(m, 0, m)) {
    std::vector<double> Z(index(m, 0, m));
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < m; ++j) Z[index(i, j, m)] = C[index(i, j, width)];
    population.moments(m, Z.data(), false, sigma_.data());
    population.moments(m, Z.data(), true, slope_.data());
    for (int i = 0; i < m; ++i) {
      s_.push_back(std::sqrt(Z[index(i, i, m)]));
      auto& one = known_[s_.back()];
      if (!like_relu() && one == nullptr)
        one = std::make_unique<Series>(
            series_of(population.activation(), s_.back(), tangents_.terms));
      Poll::spend(10 * tangents_.terms);
      series_.push_back(one.get());
    }
    rho_.resize(Z.size());
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < m; ++j) {
        const double size = s(i) * s(j);
        rho_[index(i, j, m)] =
            size == 0 ? 0 : std::max(-1.0, std::min(1.0, Z[index(i, j, m)] / size));
      }
  }
  double s(int i) const { return s_[static_cast<std::size_t>(i)]; }
  double rho(int i, int j) const { return rho_[index(i, j, m_)]; }
  double sigma(int i, int j) const { return sigma_[index(i, j, m_)]; }
  double slope(int i, int j) const { return slope_[index(i, j, m_)]; }
  // E sigma(z_i) tau(g_j); sigma(z) = z sigma'(z) has tau(g) = sigma(g).
  double sigma_tau(int i, int j) const {
    return like_relu() ? sigma(i, j) / s(j) : mehler(at(i).sigma, at(j).tau, rho(i, j));
  }
  double tau_tau(int i, int j) const {
    return like_relu() ? sigma(i, j) / (s(i) * s(j)) : mehler(at(i).tau, at(j).tau, rho(i, j));
  }
  double tau_slope(int i, int j) const {
    return like_relu() ? slope(i, j) : mehler(at(i).tau_slope, at(j).slope, rho(i, j));
  }
  double curvatures(int i, int j) const {
    if (like_relu()) return tangents_.curvatures(rho(i, j));
    return mehler(at(i).curvature, at(j).curvature, rho(i, j));
  }

 private:
  const Series& at(int i) const { return *series_[static_cast<std::size_t>(i)]; }
  bool like_relu() const { return tangents_.curvatures != nullptr; }
  Tangents tangents_;
  int m_;
  std::vector<double> sigma_, slope_, s_, rho_;
  std::map<double, std::unique_ptr<Series>> known_;
  std::vector<const Series*> series_;
};

}  // namespace

double expected_square_with_tangents(const Population& population, const std::vector<double>& w,
                                     const std::vector<double>& v, const std::vector<int>& at,
                                     const std::vector<double>& C) {
  const int m = static_cast<int>(w.size()), t = static_cast<int>(v.size()), width = m + t;
  for (double x : C)
    if (!std::isfinite(x)) return std::numeric_limits<double>::quiet_NaN();
  const Pairs f(population, m, C, width);
  const auto neuron = [&](int i) { return at[static_cast<std::size_t>(i)]; };
  const auto cov = [&](int i, int j) { return C[index(i, j, width)]; };
  // <y_i, g_a>, alpha_i, <h_i, g_a>
  const auto along = [&](int i, int a) { return f.s(a) == 0 ? 0 : cov(m + i, a) / f.s(a); };
  std::vector<double> alpha;
  for (int i = 0; i < t; ++i) alpha.push_back(along(i, neuron(i)));
  const auto A = [&](int i) { return alpha[static_cast<std::size_t>(i)]; };
  const auto rest = [&](int i, int a) {
    return a == neuron(i) ? 0 : along(i, a) - A(i) * f.rho(neuron(i), a);
  };

  double sum = 0;
  for (int a = 0; a < m; ++a)
    for (int b = 0; b < m; ++b)
      sum += w[static_cast<std::size_t>(a)] * w[static_cast<std::size_t>(b)] * f.sigma(a, b);
  for (int i = 0; i < t; ++i) {
    const int zi = neuron(i);
    Poll::spend(500 * std::int64_t{t});
    for (int a = 0; a < m; ++a) {
      double both = rest(i, a) * f.s(a) * f.slope(a, zi);
      if (A(i) != 0) both += A(i) * f.sigma_tau(a, zi);
      sum += 2 * w[static_cast<std::size_t>(a)] * v[static_cast<std::size_t>(i)] * both;
    }
    for (int j = 0; j < t; ++j) {
      const int zj = neuron(j);
      const double ij = rest(i, zj), ji = rest(j, zi);
      const double hh = cov(m + i, m + j) - A(i) * along(j, zi) - A(j) * along(i, zj) +
                        A(i) * A(j) * f.rho(zi, zj);
      double both = hh * f.slope(zi, zj);
      if (A(i) != 0 && A(j) != 0) both += A(i) * A(j) * f.tau_tau(zi, zj);
      if (A(i) * ji != 0) both += A(i) * ji * f.tau_slope(zi, zj);
      if (A(j) * ij != 0) both += A(j) * ij * f.tau_slope(zj, zi);
      // Neurons that coincide have ij = ji = 0 up to rounding.
      if (ij * ji != 0 && 1 - std::abs(f.rho(zi, zj)) > 1e-14)
        both += ij * ji * f.curvatures(zi, zj);
      sum += v[static_cast<std::size_t>(i)] * v[static_cast<std::size_t>(j)] * both;
    }
  }
  return sum < 0 ? 0 : sum;
}

double linearized_loss(const Population& population, const Shape& shape, const TaskData& task,
                       const TaskGram& gram_of_task, const StudentSpec& student,
                       const Statistics& rows, const std::vector<double>& own,
                       const std::vector<double>& start, double s) {
  // A law of the inputs without means changes covariances alone; others are refused.
  const TaskLaw* law = gram_of_task.law.get();
  const TaskProducts& fixed = law == nullptr ? gram_of_task : law->products;
  const Statistics statistics = law == nullptr ? rows : weighed(shape, task, law->along, rows);
  const int k = shape.k, r = shape.rank, n = shape.n, fields = k + r + n;
  const int teachers = shape.neurons, m = student.facts().network ? n : teachers,
            all = teachers + 2 * m;
  // Inner products of everything there is: features, directions, rows.
  std::vector<double> gram(index(fields, 0, fields));
  for (int i = 0; i < fields; ++i)
    for (int j = 0; j <= i; ++j) {
      double x = 0;
      const int row = i - k - r;
      if (row < 0)
        x = fixed.fixed[index(i, j, k + r)];
      else if (j < k)
        x = statistics.features[index(row, j, k)];
      else if (j < k + r)
        x = statistics.teacher[index(row, j - k, r)];
      else
        x = statistics.gram[index(row, j - k - r, n)];
      gram[index(i, j, fields)] = gram[index(j, i, fields)] = x;
    }
  // Teacher's neurons, the student's at its start, and what it has moved, in terms of these.
  std::vector<double> M(index(all, 0, fields)), w, v;
  std::vector<int> at;
  for (int i = 0; i < teachers; ++i) {
    M[index(i, i, fields)] = 1;
    for (int q = 0; q < r; ++q) M[index(i, k + q, fields)] = task.xi * task.c[index(i, q, r)];
    w.push_back(-task.output_scale * task.lam[static_cast<std::size_t>(i)]);
  }
  for (int j = 0; j < m; ++j) {
    const auto of = static_cast<std::size_t>(j);
    double* z = M.data() + index(teachers + j, 0, fields);
    double* y = M.data() + index(teachers + m + j, 0, fields);
    if (student.facts().network) {
      z[student.start + j] = 1;
      y[k + r + j] = 1;
      y[student.start + j] = -1;
    } else {
      z[j] = 1;
      for (int p = 0; p < n; ++p) {
        const double B = student.scale * own[index(j, p, n)];
        const double B0 = student.scale * start[index(j, p, n)];
        if (student.facts().single) {
          y[k + r + p] += B;
          continue;
        }
        z[student.start + p] += B0;
        y[k + r + p] += B0;
        y[student.start + p] += B - 2 * B0;
      }
    }
    w.push_back(s * (task.output_scale * (student.facts().network ? own[of] : task.lam[of])));
    v.push_back(s * (task.output_scale * (student.facts().network ? start[of] : task.lam[of])));
    at.push_back(teachers + j);
  }
  std::vector<double> MG(M.size()), C(index(all, 0, all));
  const double scale = task.neuron_scale * task.neuron_scale;
  for (int i = 0; i < all; ++i) {
    Poll::spend(fields);
    for (int p = 0; p < fields; ++p)
      if (const double x = M[index(i, p, fields)]; x != 0)
        for (int q = 0; q < fields; ++q) MG[index(i, q, fields)] += x * gram[index(p, q, fields)];
  }
  for (int j = 0; j < all; ++j) {
    Poll::spend(fields);
    for (int q = 0; q < fields; ++q)
      if (const double x = scale * M[index(j, q, fields)]; x != 0) {
        Poll::spend(all);
        for (int i = 0; i < all; ++i) C[index(i, j, all)] += MG[index(i, q, fields)] * x;
      }
  }
  return expected_square_with_tangents(population, w, v, at, C);
}

}  // namespace lrft
