// How the exact loss of an activation is found: what `Exact` of its record may be
// (activation/record.hpp says what each asks of the record).  A route has
//   name
//   most        coefficients it gives; 0: any number
//   moments     rows of K_ij = E[f(z_i) f(z_j)] for f = sigma or sigma', and a bound on the error
//   of
//               each
//   coefficients(spec, s, mu) -> a bound on the error of each
//                mu_p(s) into mu, which starts as zeros
//   tangents(spec), if the loss of linearised students is known
//   profile(spec), by which expectations with means go (population/shifted.hpp)
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "activation/record.hpp"
#include "lrft/poll.hpp"
#include "lrft/population.hpp"
#include "math/closed_form.hpp"
#include "population/polynomial.hpp"
#include "population/quadrature_moments.hpp"
#include "population/tanh_family.hpp"
#include "simd/pack.hpp"

namespace lrft {

// What the loss of linearised students needs besides `moments` (population/linearized.hpp):
// Hermite coefficients, or, for sigma(z) = max(0, z) and the like, E of sigma'' sigma''.
struct Tangents {
  int terms;
  double (*curvatures)(double rho);  // null: from the coefficients
};
inline constexpr int smooth_terms = 2048;

// What expectations with means need to know.
struct Profile {
  enum class Kind { series, ramp, smooth, values };
  Kind kind = Kind::smooth;
  std::vector<double> series{};  // on normalised Hermite polynomials
  double factor = 0;             // of a ramp: factor max(0, z)
  Function function = nullptr;   // where only values are known
};

// What rounding leaves of coefficients that are products and sums of one sign.
inline double rounding(const std::vector<double>& mu) {
  double largest = 0.0;
  for (const double x : mu) largest = std::max(largest, std::fabs(x));
  return (16.0 + static_cast<double>(mu.size()) / 4.0) * std::numeric_limits<double>::epsilon() *
         largest;
}

template <auto moment>
void closed_moments(const MomentRows& wanted, const double* C) {
  const std::size_t n = static_cast<std::size_t>(wanted.count);
  const std::size_t padded = (n + lanes - 1) / lanes * lanes;
  std::vector<double> b(padded, 0.0), c(padded, 0.0), det(padded, 0.0), value(padded), root(padded),
      bound(padded);
  for (std::size_t i = 0; i < n; ++i) b[i] = C[i * n + i];
  if (wanted.bounded) {
    for (std::size_t j = 0; j < n; j += lanes) {
      const Pack a = load(&b[j]);
      store(&root[j], sqrt(moment(a, a, a, broadcast(0.0))));
    }
  }
  for (std::size_t i = static_cast<std::size_t>(wanted.first); i < n; ++i) {
    Poll::spend(static_cast<std::int64_t>(8 * i));
    const double a = b[i];
    for (std::size_t j = 0; j <= i; ++j) {
      c[j] = C[i * n + j];
      det[j] = closed_form::determinant(a, b[j], c[j]);
    }
    for (std::size_t j = 0; j <= i; j += lanes) {
      store(&value[j], moment(broadcast(a), load(&b[j]), load(&c[j]), load(&det[j])));
    }
    if (wanted.bounded) {
      for (std::size_t j = 0; j <= i; ++j) {
        bound[j] = 12.0 * std::numeric_limits<double>::epsilon() * root[i] * root[j];
      }
    }
    wanted.take(i, value.data(), bound.data());
  }
}

template <class A>
struct ClosedForm {
  static constexpr const char* name = "closed form";
  static constexpr int most = 0;
  static void moments(const ActivationSpec&, const MomentRows& wanted, const double* C,
                      bool derivative) {
    if (derivative)
      closed_moments<A::slope_moment>(wanted, C);
    else
      closed_moments<A::moment>(wanted, C);
  }
  static double coefficients(const ActivationSpec&, double s, std::vector<double>& mu) {
    A::coefficients(s, mu);
    return rounding(mu);
  }
  static Tangents tangents(const ActivationSpec&) {
    if constexpr (requires { A::curvatures(0.0); })
      return {0, A::curvatures};
    else if constexpr (requires { A::degree; })
      return {A::degree + 2, nullptr};
    else
      return {smooth_terms, nullptr};
  }
  static Profile profile(const ActivationSpec&) {
    using Kind = Profile::Kind;
    if constexpr (requires { A::curvatures(0.0); }) {
      double one[lanes];
      store(one, A::at({}, broadcast(1.0)).value);
      return {Kind::ramp, {}, one[0], nullptr};
    } else if constexpr (requires { A::degree; }) {
      std::vector<double> series(A::degree + 1);
      A::coefficients(1.0, series);
      return {Kind::series, series, 0, nullptr};
    } else {
      return {};
    }
  }
};

template <class A>
struct FiniteSeries {
  static constexpr const char* name = "finite series";
  static constexpr int most = 0;
  static void moments(const ActivationSpec& spec, const MomentRows& wanted, const double* C,
                      bool derivative) {
    polynomial_moments(derivative ? series_derivative(spec.coefficients) : spec.coefficients,
                       wanted, C);
  }
  static double coefficients(const ActivationSpec& spec, double s, std::vector<double>& mu) {
    return polynomial_coefficients(spec.coefficients, s, mu);
  }
  static Tangents tangents(const ActivationSpec& spec) {
    return {static_cast<int>(spec.coefficients.size()) + 1, nullptr};
  }
  static Profile profile(const ActivationSpec& spec) {
    return {Profile::Kind::series, spec.coefficients, 0, nullptr};
  }
};

template <class A>
struct ScaleMixture {
  static constexpr const char* name = "scale mixture";
  static constexpr int most = 0;
  static void moments(const ActivationSpec&, const MomentRows& wanted, const double* C,
                      bool derivative) {
    family_moments(derivative ? A::slope_mixture : A::mixture, wanted, C);
  }
  static double coefficients(const ActivationSpec&, double s, std::vector<double>& mu) {
    family_coefficients(A::mixture, s, mu);
    return rounding(mu);
  }
  static Tangents tangents(const ActivationSpec&) { return {smooth_terms, nullptr}; }
  static Profile profile(const ActivationSpec&) { return {}; }
};

template <class A>
struct Quadrature {
  static constexpr const char* name = "quadrature";
  static constexpr int most = 1024;
  static void moments(const ActivationSpec& spec, const MomentRows& wanted, const double* C,
                      bool derivative) {
    quadrature_moments(function(spec, derivative), wanted, C);
  }
  static double coefficients(const ActivationSpec& spec, double s, std::vector<double>& mu) {
    Projection p = project(function(spec, false), s, static_cast<int>(mu.size()));
    mu = p.mu;
    return p.error + rounding(mu);
  }
  static Profile profile(const ActivationSpec& spec) {
    return {Profile::Kind::values, {}, 0, function(spec, false)};
  }

 private:
  // Eight times the work for an activation of packs; records are few.
  static double value_at(double z) { return first(A::at({}, broadcast(z)).value); }
  static double slope_at(double z) { return first(A::at({}, broadcast(z)).slope); }
  static double first(const Pack& x) {
    double entry[lanes];
    store(entry, x);
    return entry[0];
  }
  static Function function(const ActivationSpec& spec, bool derivative) {
    if constexpr (requires { A::function(spec, derivative); })
      return A::function(spec, derivative);
    else
      return derivative ? slope_at : value_at;
  }
};

}  // namespace lrft
