// sum_p a_p he_p(z) on the normalised probabilists' Hermite polynomials
// he_p = He_p / sqrt(p!), by their recurrence
//   he_p = (z he_{p-1} - sqrt(p-1) he_{p-2}) / sqrt p,   he_p' = sqrt p he_{p-1}.
// Errors, relative to sum_p |a_p| sqrt(he_p^2 + he_{p-1}^2): 2 at degree 3, 6 at degree
// 10, 25 at degree 64 (the recurrence adds about 0.4 a degree).  Where a he_p
// overflows the result is not finite.
#pragma once

#include <cmath>
#include <stdexcept>
#include <utility>

#include "activation/record.hpp"

namespace lrft {

// Fills what the recurrence needs; trailing zero coefficients are dropped.
inline void prepare_hermite(ActivationData& data, std::vector<double> coefficient) {
  while (coefficient.size() > 1 && coefficient.back() == 0.0) coefficient.pop_back();
  const std::size_t n = coefficient.size();
  data.slope_coefficient.assign(n, 0.0);
  data.up.assign(n, 0.0);
  data.back.assign(n, 0.0);
  for (std::size_t p = 1; p < n; ++p) {
    const double q = static_cast<double>(p);
    data.slope_coefficient[p] = coefficient[p] * std::sqrt(q);
    data.up[p] = 1.0 / std::sqrt(q);
    data.back[p] = std::sqrt((q - 1.0) / q);
  }
  data.coefficient = std::move(coefficient);
}

struct HermiteSeries {
  static LRFT_INLINE ValueAndSlope at(const ActivationData& data, const Pack& z) {
    Pack last = broadcast(0.0), he = broadcast(1.0);
    Pack value = broadcast(data.coefficient[0]), slope = broadcast(0.0);
    for (std::size_t p = 1; p < data.coefficient.size(); ++p) {
      slope = fma(he, data.slope_coefficient[p], slope);
      const Pack next = fma(z * data.up[p], he, last * -data.back[p]);
      last = he;
      he = next;
      value = fma(he, data.coefficient[p], value);
    }
    return {value, slope};
  }
};

// Only the highest coefficient is not zero.  Degree: where it is known when compiled, which
// takes half the time; 0 where it is not.
template <int Degree = 0>
struct SingleHermite {
  static LRFT_INLINE ValueAndSlope at(const ActivationData& data, const Pack& z) {
    if constexpr (Degree == 0) {
      Pack last = broadcast(0.0), he = broadcast(1.0);
      for (std::size_t p = 1; p < data.coefficient.size(); ++p) next(data, p, z, last, he);
      return {he * data.coefficient.back(), last * data.slope_coefficient.back()};
    } else {
      Pack last = broadcast(1.0), he = z;  // the first degree, which rounds nothing
#pragma GCC unroll 8
      for (std::size_t p = 2; p <= Degree; ++p) next(data, p, z, last, he);
      return {he * data.coefficient[Degree], last * data.slope_coefficient[Degree]};
    }
  }

 private:
  static LRFT_INLINE void next(const ActivationData& data, std::size_t p, const Pack& z, Pack& last,
                               Pack& he) {
    const Pack higher = fma(z * data.up[p], he, last * -data.back[p]);
    last = he;
    he = higher;
  }
};

struct Hermite {
  static constexpr ActivationFacts facts{.name = "hermite",
                                         .formula = "Σ_p a_p he_p(z), he_p = He_p/√p!",
                                         .parameters = "coefficients",
                                         .law = "orthogonality of he_p"};
  using Exact = FiniteSeries<Hermite>;
  static void check(const ActivationSpec& spec) {
    if (spec.coefficients.empty())
      throw std::invalid_argument("coefficients: a Hermite series needs at least one, got none");
    for (const double a : spec.coefficients)
      if (!std::isfinite(a)) throw std::invalid_argument("coefficients: must be finite");
  }
  static Activation make(const ActivationSpec& spec) {
    ActivationData data;
    prepare_hermite(data, spec.coefficients);
    bool single = true;
    for (std::size_t p = 0; p + 1 < data.coefficient.size(); ++p)
      single = single && data.coefficient[p] == 0.0;
    const std::size_t degree = data.coefficient.size() - 1;
    Activation r = !single       ? activation_of<HermiteSeries>()
                   : degree == 2 ? activation_of<SingleHermite<2>>()
                   : degree == 3 ? activation_of<SingleHermite<3>>()
                                 : activation_of<SingleHermite<>>();
    r.data = std::move(data);
    return r;
  }
};

}  // namespace lrft
