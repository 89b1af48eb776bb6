#include "population/cross.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "activation/list.hpp"
#include "lrft/poll.hpp"
#include "math/closed_form.hpp"
#include "population/function.hpp"
#include "population/quadrature.hpp"
#include "population/routes.hpp"
#include "population/shifted.hpp"

namespace lrft {
namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();
constexpr double tolerance = 1e-15;  // of a truncation, relative to the root of both squares
constexpr int levels = 3;
constexpr int terms[levels] = {64, 512, 2048};

// Coefficients of a function at one norm.
struct Series {
  std::vector<double> mu;
  double error = 0;  // of mu
  double tail = 0;   // of the squares, past the last term
};
struct Norm {
  double s = 0, root = 0;  // the root of E f(s x)^2
  Series at[levels];
};

int most_terms(const ActivationSpec& spec) {
  return with_record(spec.kind, [](auto record) { return decltype(record)::Exact::most; });
}

// Those of one function at the norms of its fields.
class Family {
 public:
  Family(const Population& population, const std::vector<double>& variances)
      : spec_(population.activation()), most_(most_terms(spec_)) {
    for (const double v : variances) {
      const double s = std::sqrt(v), one = 1.0;
      std::size_t known = 0;
      while (known < norms_.size() && norms_[known].s != s) ++known;
      of_.push_back(known);
      if (known < norms_.size()) continue;
      norms_.push_back({s, std::sqrt(population.expected_square(1, &one, &v, false).value), {}});
    }
  }
  const Norm& norm(std::size_t i) const { return norms_[of_[i]]; }
  const Series& series(std::size_t i, int level) {
    Norm& norm = norms_[of_[i]];
    Series& series = norm.at[level];
    if (series.mu.empty()) {
      const int count = most_ > 0 ? std::min(most_, terms[level]) : terms[level];
      Poll::spend(most_ > 0 ? 300'000 : 40 * count);
      HermiteCoefficients found = hermite_coefficients(spec_, norm.s, count);
      series.mu = std::move(found.values);
      series.error = found.bound;
      series.tail = tail(series.mu, norm.root * norm.root);
    }
    return series;
  }
  const ActivationSpec& spec() const { return spec_; }

 private:
  // Parseval says what is left, but for rounding; where that is all it says, a multiple of the
  // last quarter of the squares bounds it, which covers decay as of p^-1.6 or faster.
  static double tail(const std::vector<double>& mu, double moment) {
    double sum = 0, last = 0;
    for (std::size_t p = mu.size(); p-- > 0;) {
      sum += mu[p] * mu[p];
      if (4 * p >= 3 * mu.size()) last = sum;
    }
    const double left = moment - sum;
    return left > 1e-12 * moment ? left : 8 * last;
  }

  const ActivationSpec& spec_;
  int most_;
  std::vector<Norm> norms_;
  std::vector<std::size_t> of_;
};

struct Pair {
  double value, bound, remainder;
};
Pair mehler(const Series& f, const Series& g, double f_root, double g_root, double rho) {
  const std::size_t count = std::min(f.mu.size(), g.mu.size());
  double value = 0;
  for (std::size_t p = count; p-- > 0;) value = value * rho + f.mu[p] * g.mu[p];
  const double size = f_root * g_root;
  const double remainder =
      std::pow(std::abs(rho), static_cast<double>(count)) * std::sqrt(f.tail * g.tail);
  return {value, remainder + f.error * g_root + g.error * f_root + 32.0 * epsilon * size,
          remainder};
}

}  // namespace

CrossMoments cross_moments(const Population& f, const Population& g, const std::vector<double>& a,
                           const std::vector<double>& b, const std::vector<double>& c) {
  const std::size_t m = a.size(), n = b.size();
  Family left(f, a), right(g, b);
  CrossMoments out{std::vector<double>(m * n), std::vector<double>(m * n)};
  for (std::size_t j = 0; j < m; ++j)
    for (std::size_t i = 0; i < n; ++i) {
      const Norm &x = left.norm(j), &y = right.norm(i);
      const double scale = x.s * y.s, size = x.root * y.root, cosine = c[j * n + i];
      const double rho = scale > 0 ? std::clamp(cosine / scale, -1.0, 1.0) : 0.0;
      Pair found{};
      for (int level = 0; level < levels; ++level) {
        Poll::spend(terms[level] / 8);
        found = mehler(left.series(j, level), right.series(i, level), x.root, y.root, rho);
        if (found.remainder <= tolerance * size) break;
      }
      if (!(found.remainder <= tolerance * size)) {
        const Function p = function_of(left.spec()), q = function_of(right.spec());
        if (p != nullptr && q != nullptr) {
          Poll::spend(20'000'000);
          const double sine = std::sqrt(closed_form::determinant(a[j], b[i], cosine));
          const Estimate plane = plane_moment(p, q, x.s, y.s, cosine, sine);
          const double bound = plane.error + 32.0 * epsilon * size;
          if (bound < found.bound) found = {plane.value, bound, 0};
        }
      }
      out.value[j * n + i] = found.value;
      out.bound[j * n + i] = found.bound;
    }
  return out;
}

CrossMoments cross_moments(const Population& f, const Population& g, const std::vector<double>& a,
                           const std::vector<double>& b, const std::vector<double>& c,
                           const std::vector<double>& a_means, const std::vector<double>& b_means) {
  constexpr int counts[] = {128, 512};
  constexpr double enough = 2e-14;
  const auto all = [](const Population& h, const std::vector<double>& means,
                      const std::vector<double>& variances, int count) {
    std::vector<Shifted> out;
    for (std::size_t i = 0; i < means.size(); ++i)
      out.push_back(shifted(h.activation(), means[i], std::sqrt(variances[i]), count));
    return out;
  };
  const std::size_t m = a.size(), n = b.size();
  std::vector<Shifted> left[2], right[2];
  CrossMoments out{std::vector<double>(m * n), std::vector<double>(m * n)};
  for (std::size_t j = 0; j < m; ++j)
    for (std::size_t i = 0; i < n; ++i) {
      const double covariance = c[j * n + i], scale = std::sqrt(a[j] * b[i]);
      const double rho = scale > 0 ? std::clamp(covariance / scale, -1.0, 1.0) : 0.0;
      Moment found{};
      bool settled = false;
      for (int level = 0; level < 2 && !settled; ++level) {
        if (left[level].empty()) {
          left[level] = all(f, a_means, a, counts[level]);
          right[level] = all(g, b_means, b, counts[level]);
        }
        Poll::spend(counts[level] / 8);
        const Shifted &x = left[level][j], &y = right[level][i];
        double value = 0;
        for (std::size_t p = x.mu.size(); p-- > 0;) value = value * rho + x.mu[p] * y.mu[p];
        const double remainder =
            std::pow(std::abs(rho), counts[level]) * std::sqrt(x.beyond * y.beyond);
        settled = remainder <= enough * x.root * y.root;
        found = {value, remainder + x.error * y.root + y.error * x.root +
                            32.0 * epsilon * x.root * y.root};
      }
      if (!settled) {
        const double sine = std::sqrt(closed_form::determinant(a[j], b[i], covariance));
        const Moment plane =
            shifted_pair(f.activation(), g.activation(), left[0][j], right[0][i], covariance, sine);
        if (plane.bound < found.bound) found = plane;
      }
      out.value[j * n + i] = found.value;
      out.bound[j * n + i] = found.bound;
    }
  return out;
}

}  // namespace lrft
