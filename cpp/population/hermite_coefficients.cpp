#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <string>

#include "lrft/population.hpp"
#include "population/polynomial.hpp"
#include "population/quadrature.hpp"
#include "population/tanh_family.hpp"

namespace lrft {

namespace {

constexpr double pi = 3.14159265358979323846;
constexpr double epsilon = std::numeric_limits<double>::epsilon();
using Values = std::vector<double>;

// he_q(0) for q < count: zero at odd q.
Values at_zero(std::size_t count) {
  Values h(count, 0.0);
  if (count > 0) h[0] = 1.0;
  for (std::size_t q = 2; q < count; q += 2) {
    h[q] = -std::sqrt(static_cast<double>(q - 1) / static_cast<double>(q)) * h[q - 2];
  }
  return h;
}

// relu'' is a point mass: sqrt(p(p-1)) mu_p = s he_{p-2}(0) / sqrt(2 pi).
void relu(double s, Values& mu) {
  const Values h = at_zero(mu.size());
  for (std::size_t p = 0; p < mu.size(); ++p) {
    const double pd = static_cast<double>(p);
    if (p == 0) mu[p] = s / std::sqrt(2.0 * pi);
    if (p == 1) mu[p] = 0.5 * s;
    if (p >= 2) mu[p] = s * h[p - 2] / std::sqrt(2.0 * pi * pd * (pd - 1.0));
  }
}

// Coefficients of erf(s x / sqrt 2), r = s^2/(1+s^2):
// sqrt(2/pi) r^{p/2} he_{p-1}(0) / sqrt p for odd p.
void erf(double s, Values& mu) {
  const Values h = at_zero(mu.size());
  const double root = s / std::sqrt(1.0 + s * s);
  double power = root;
  for (std::size_t p = 1; p < mu.size(); p += 2) {
    mu[p] = std::sqrt(2.0 / (pi * static_cast<double>(p))) * power * h[p - 1];
    power *= root * root;
  }
}

// gelu(z) = z/2 + z erf(z/sqrt 2)/2, and x he_p = sqrt(p+1) he_{p+1} + sqrt(p) he_{p-1}; the
// two neighbours have a fixed ratio, which leaves (1 - r (p-1)/p) without cancellation.
void gelu(double s, Values& mu) {
  Values e(std::max<std::size_t>(mu.size(), 2), 0.0);
  erf(s, e);
  const double rest = 1.0 / (1.0 + s * s);
  for (std::size_t p = 0; p < mu.size(); ++p) {
    const double pd = static_cast<double>(p);
    if (p == 0) mu[p] = 0.5 * s * e[1];
    if (p == 1) mu[p] = 0.5 * s;
    if (p >= 2 && p % 2 == 0) {
      mu[p] = 0.5 * s * e[p - 1] * std::sqrt(pd) * (rest + (1.0 - rest) / pd);
    }
  }
}

void quadratic(double s, Values& mu) {
  if (mu.size() > 0) mu[0] = s * s;
  if (mu.size() > 2) mu[2] = std::sqrt(2.0) * s * s;
}

void polynomial(const Values& a, double s, Values& mu, double& bound) {
  Values alpha(a.size()), size(a.size());
  rescaled_series(a, s * s, alpha.data(), size.data());
  double power = 1.0;
  for (std::size_t q = 0; q < a.size(); ++q, power *= s) {
    if (q < mu.size()) mu[q] = alpha[q] * power;
    const double relative = static_cast<double>(8 + 2 * a.size()) * epsilon;
    bound = std::max(bound, relative * size[q] * power);
  }
}

void tanh_family(const ActivationSpec& spec, double s, Values& mu) {
  const FamilyForm form = family_form(spec.kind, false);
  const double u = form.argument * s;
  const std::size_t first = is_odd(form.member) ? 1 : 0;
  Values half((mu.size() + 1) / 2);
  mixture_coefficients(form.member, u, static_cast<int>(half.size()), half.data());
  for (std::size_t p = first; p < mu.size(); p += 2) mu[p] = form.factor * half[p / 2];
  if (mu.size() > 0) mu[0] += form.offset;
  if (mu.size() > 1) mu[1] += form.slope * u;
}

}  // namespace

HermiteCoefficients hermite_coefficients(const ActivationSpec& spec, double s, int count) {
  if (count < 0) {
    throw std::invalid_argument("count: must not be negative, got " + std::to_string(count));
  }
  if (!(s >= 0.0) || !std::isfinite(s)) {
    throw std::invalid_argument("scale: must be finite and not negative, got " + std::to_string(s));
  }
  const Population check(spec);
  HermiteCoefficients r;
  r.values.assign(static_cast<std::size_t>(count), 0.0);
  r.bound = 0.0;
  switch (spec.kind) {
    case ActivationKind::relu:
      relu(s, r.values);
      break;
    case ActivationKind::erf:
      erf(s, r.values);
      break;
    case ActivationKind::gelu:
      gelu(s, r.values);
      break;
    case ActivationKind::quadratic:
      quadratic(s, r.values);
      break;
    case ActivationKind::hermite:
      polynomial(spec.coefficients, s, r.values, r.bound);
      return r;
    case ActivationKind::custom: {
      if (count > 1024) {
        throw std::invalid_argument("count: at most 1024 for a custom activation, got " +
                                    std::to_string(count));
      }
      Projection p = project(spec.value, s, count);
      r.values = p.mu;
      r.bound = p.error;
      break;
    }
    case ActivationKind::tanh:
    case ActivationKind::sigmoid:
    case ActivationKind::silu:
    case ActivationKind::softplus:
      tanh_family(spec, s, r.values);
      break;
  }
  double largest = 0.0;
  for (const double x : r.values) largest = std::max(largest, std::fabs(x));
  r.bound += (16.0 + static_cast<double>(count) / 4.0) * epsilon * largest;
  return r;
}

}  // namespace lrft
