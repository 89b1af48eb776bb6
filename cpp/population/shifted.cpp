#include "population/shifted.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "activation/activation.hpp"
#include "activation/list.hpp"
#include "lrft/poll.hpp"
#include "math/closed_form.hpp"
#include "population/function.hpp"
#include "population/mehler.hpp"
#include "population/quadrature.hpp"
#include "population/routes.hpp"
#include "simd/aligned.hpp"

namespace lrft {
namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();
constexpr double pi = closed_form::pi;
constexpr int terms = 256;
constexpr double tolerance = 2e-14;  // of a truncation, relative to the roots of both squares

double density(double x) { return std::exp(-0.5 * x * x) / std::sqrt(2 * pi); }
double below(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

Profile profile_of(const ActivationSpec& spec) {
  return with_record(spec.kind,
                     [&](auto record) { return decltype(record)::Exact::profile(spec); });
}

// ---- one field -------------------------------------------------------------------------------

// a / s, where s may be 0; beyond 40 nothing changes any more.
double standard(double mean, double s) {
  if (mean == 0) return 0;
  return s > 0 ? std::clamp(mean / s, -40.0, 40.0) : std::copysign(40.0, mean);
}

void series(const std::vector<double>& a, Shifted& out) {
  const std::size_t n = a.size();
  std::vector<double> alpha(n), size(n);
  shifted_series(a, out.mean, out.s * out.s, alpha.data(), size.data());
  double power = 1, square = 0, kept = 0;
  const double relative = static_cast<double>(8 + 2 * n) * epsilon;
  for (std::size_t q = 0; q < n; ++q, power *= out.s) {
    const double mu = alpha[q] * power;
    square += mu * mu;
    if (q < out.mu.size()) out.mu[q] = mu, kept += mu * mu;
    out.error = std::max(out.error, relative * size[q] * power);
  }
  out.root = std::sqrt(square);
  out.beyond = n > out.mu.size() ? square - kept : 0;
}

void ramp(double factor, Shifted& out) {
  const double t = standard(out.mean, out.s), s = factor * out.s, a = factor * out.mean;
  const double phi = density(t), Phi = below(t);
  double last = 0, he = 1, kept = 0;  // he_{p-2}(-t)
  for (std::size_t p = 0; p < out.mu.size(); ++p) {
    double& mu = out.mu[p];
    if (p == 0) mu = a * Phi + s * phi;
    if (p == 1) mu = s * Phi;
    if (p >= 2) {
      const double q = static_cast<double>(p - 2);
      mu = s * phi * he / std::sqrt((q + 1) * (q + 2));
      const double next = (-t * he - std::sqrt(q) * last) / std::sqrt(q + 1);
      last = he;
      he = next;
    }
    kept += mu * mu;
  }
  const double size = std::abs(a) * Phi + s * phi;
  const double square = std::max(0.0, (a * a + s * s) * Phi + a * s * phi);
  out.root = std::sqrt(square);
  // In the tail the square is what two larger terms leave.
  const double both = (a * a + s * s) * Phi + std::abs(a) * s * phi;
  out.error = (8 + t * t) * epsilon * (size + out.root + (square > 0 ? both / out.root : 0));
  out.beyond = std::max(square - kept, 0.0) + 4 * epsilon * square;
}

// Nodes of a trapezoidal sum; of every second one, from the middle on, where `coarse` is not 0.
struct Trapezoid {
  int half = 0;  // nodes -half .. half, padded to packs with weight 0
  AlignedPacks x, fine, coarse;
  Trapezoid(double spacing, double reach)
      : half(static_cast<int>(std::ceil(reach / spacing))),
        x((2 * half + lanes) / lanes),
        fine(x.size()),
        coarse(x.size()) {
    for (int i = 0; i < x.size() * lanes; ++i) {
      const int at = i - half;
      const bool there = at <= half;
      x.doubles()[i] = there ? spacing * at : 0;
      fine.doubles()[i] = there ? spacing * density(spacing * at) : 0;
      coarse.doubles()[i] = at % 2 == 0 ? 2 * fine.doubles()[i] : 0;
    }
  }
};
// The normal density times what grows no faster than exp(s x) is below 1e-17 there.
double reach_of(double s) { return 9 + std::min(s, 6.0); }
// As fine as sums over the line and over the plane get.  Without an end to it the neurons of a run
// that diverges would ask for more nodes than there is memory.
constexpr double finest = 1e-3, finest_in_plane = 0.015;

void smooth(const Activation& f, Shifted& out) {
  // Coefficients up to p turn as fast as cos(2 sqrt(p) x), beside the function itself, which has
  // its singularities at distances like 1 / s.
  const double wave = 2 * std::sqrt(static_cast<double>(out.mu.size()));
  for (double spacing = std::max(6 / (wave + 9 + 24 * out.s), finest);; spacing /= 2) {
    const Trapezoid t(spacing, reach_of(out.s) + 3);
    const int packs = t.x.size();
    Poll::spend(packs * static_cast<std::int64_t>(4 + 2 * out.mu.size()));
    AlignedPacks value(packs), before(packs), now(packs);
    for (int i = 0; i < packs; ++i) value[i] = t.x[i] * out.s + out.mean;
    f.value(f.data, value.doubles(), value.doubles(), packs);
    Pack fine = broadcast(0.0), coarse = fine;
    for (int i = 0; i < packs; ++i) {
      const Pack square = value[i] * value[i];
      fine = fma(square, t.fine[i], fine);
      coarse = fma(square, t.coarse[i], coarse);
      value[i] = value[i] * t.fine[i];
      before[i] = broadcast(0.0);
      now[i] = broadcast(1.0);
    }
    const double square = sum(fine), gap = std::abs(square - sum(coarse));
    if (gap > 1e-13 * square && spacing > finest) continue;
    double kept = 0;
    for (std::size_t p = 0; p < out.mu.size(); ++p) {
      const double q = static_cast<double>(p);
      const double up = 1 / std::sqrt(q + 1), down = std::sqrt(q / (q + 1));
      Pack total = broadcast(0.0);
      for (int i = 0; i < packs; ++i) {
        const Pack h = now[i];
        total = fma(h, value[i], total);
        now[i] = t.x[i] * h * up - before[i] * down;
        before[i] = h;
      }
      out.mu[p] = sum(total);
      kept += out.mu[p] * out.mu[p];
    }
    out.root = std::sqrt(square);
    out.error = 16 * epsilon * out.root + (out.root > 0 ? gap / out.root : 0);
    out.beyond = std::max(square - kept, 0.0) + 4 * epsilon * square;
    return;
  }
}

void values(Function f, Shifted& out) {
  const int count = static_cast<int>(out.mu.size());
  Poll::spend(300'000);
  const Projection p = project(f, out.mean, out.s, count);
  double kept = 0;
  for (const double mu : p.mu) kept += mu * mu;
  out.mu = p.mu;
  out.root = std::sqrt(p.moment);
  out.error = p.error + 4 * epsilon * out.root;
  out.beyond = std::max(p.moment - kept, 0.0) + 4 * epsilon * p.moment;
}

// ---- pairs -----------------------------------------------------------------------------------

// int_0^rho (rho - r) exp(-(x^2 + y^2 - 2 r x y) / (2 (1 - r^2))) / (2 pi sqrt(1 - r^2)) dr for
// rho = sin(angle) >= 0, with r = sin(theta).
double above_kinks(double x, double y, double angle) {
  static const Rule rule = gauss_legendre(16);
  double sum = 0;
  // In t = pi / 2 - theta the exponent is -(x - y)^2 / (2 sin^2 t) - x y / (1 + cos t): panels that
  // double, from where (rho - r) dr = O(t^3) is rounding.
  const double last = pi / 2, first = pi / 2 - angle;
  double from = std::max(first, 2e-6);
  while (from < last) {
    const double to = std::min({2 * from, from + 0.5, last});
    const double half = 0.5 * (to - from), middle = 0.5 * (to + from);
    for (std::size_t i = 0; i < rule.x.size(); ++i) {
      const double t = middle + half * rule.x[i];
      const double sine = std::sin(t), gap = (x - y) / sine;
      const double rise = 2 * std::sin(0.5 * (t + first)) * std::sin(0.5 * (t - first));
      sum += half * rule.w[i] * rise * std::exp(-0.5 * gap * gap - x * y / (1 + std::cos(t)));
    }
    from = to;
  }
  return sum / (2 * pi);
}

Moment ramp_pair(double both, const Shifted& f, const Shifted& g, double c, double sine) {
  const double x = standard(f.mean, f.s), y = standard(g.mean, g.s);
  const double Px = below(x), Py = below(y), scale = f.s * g.s;
  const double fx = f.s * density(x), gy = g.s * density(y);
  // At correlation 0, what changes with it to first order, and the rest.
  const double apart = (f.mean * Px + fx) * (g.mean * Py + gy);
  const double linear = c * Px * Py;
  const double angle = std::atan2(std::abs(c), sine);
  const double rest = scale > 0 ? scale * above_kinks(x, c < 0 ? -y : y, angle) : 0;
  // A rounding of x changes the density by x^2 of it, and what lies below a kink in the tail too.
  const auto more = [](double t) { return 1 + t * t / 64; };
  const double size =
      (std::abs(f.mean) * Px + fx * more(x)) * (std::abs(g.mean) * Py + gy * more(y)) +
      std::abs(linear) * more(std::min(x, 0.0)) * more(std::min(y, 0.0)) + rest * more(x) * more(y);
  const double value = apart + linear + rest;
  return {both * std::max(value, 0.0), std::abs(both) * 64 * epsilon * (size + epsilon * scale)};
}

Moment smooth_pair(const Activation& f, const Activation& g, const Shifted& x, const Shifted& y,
                   double cosine, double sine) {
  const double scale = std::hypot(cosine, sine);
  const double along = scale > 0 ? y.s * (cosine / scale) : 0;
  const double across = scale > 0 ? y.s * (sine / scale) : y.s;
  const double widest = std::max(x.s, y.s), reach = reach_of(x.s + y.s);
  // Of two fields that are nearly one, what the second has across the first is narrow and smooth.
  const auto spacing_of = [](double s) {
    return std::clamp(0.25 / std::max(s, 1e-300), finest_in_plane, 0.4);
  };
  double spacing = spacing_of(widest), narrow = spacing_of(across);
  for (;; spacing /= 2, narrow /= 2) {
    const Trapezoid outer(spacing, reach),
        inner(across == 0 ? 2 * reach : narrow, reach_of(across));
    const int packs = inner.x.size();
    Poll::spend(std::int64_t{outer.x.size()} * lanes * packs * 12);
    AlignedPacks first(outer.x.size()), second(packs);
    for (int i = 0; i < outer.x.size(); ++i) first[i] = outer.x[i] * x.s + x.mean;
    f.value(f.data, first.doubles(), first.doubles(), first.size());
    double fine = 0, coarse = 0, size = 0;
    for (int i = 0; i <= 2 * outer.half; ++i) {
      const Pack middle = broadcast(y.mean + along * outer.x.doubles()[i]);
      Pack all = broadcast(0.0), every_second = all, sizes = all;
      if (across == 0) {
        second[0] = middle;
        g.value(g.data, second.doubles(), second.doubles(), 1);
        const double value = second.doubles()[0];
        fine += outer.fine.doubles()[i] * first.doubles()[i] * value;
        coarse += outer.coarse.doubles()[i] * first.doubles()[i] * value;
        size += outer.fine.doubles()[i] * std::abs(first.doubles()[i] * value);
        continue;
      }
      for (int j = 0; j < packs; ++j) second[j] = fma(inner.x[j], across, middle);
      g.value(g.data, second.doubles(), second.doubles(), packs);
      for (int j = 0; j < packs; ++j) {
        all = fma(second[j], inner.fine[j], all);
        every_second = fma(second[j], inner.coarse[j], every_second);
        sizes = fma(abs(second[j]), inner.fine[j], sizes);
      }
      fine += outer.fine.doubles()[i] * first.doubles()[i] * sum(all);
      coarse += outer.coarse.doubles()[i] * first.doubles()[i] * sum(every_second);
      size += outer.fine.doubles()[i] * std::abs(first.doubles()[i]) * sum(sizes);
    }
    const double gap = std::abs(fine - coarse), roots = x.root * y.root;
    if (gap > 1e-8 * roots && spacing > finest_in_plane) continue;
    // The square of the gap, relative to the roots, once the sums converge.
    const double left = gap > 1e-8 * roots ? 16 * gap : roots > 0 ? 16 * gap * gap / roots : 0;
    return {fine, left + 64 * epsilon * (size + roots)};
  }
}

// Of fields that left the range of numbers.
void overflown(const MomentRows& wanted) {
  const std::vector<double> none(static_cast<std::size_t>(wanted.count),
                                 std::numeric_limits<double>::quiet_NaN());
  for (int i = wanted.first; i < wanted.count; ++i)
    wanted.take(static_cast<std::size_t>(i), none.data(), none.data());
}

}  // namespace

Shifted shifted(const ActivationSpec& spec, double mean, double s, int count) {
  const Profile shape = profile_of(spec);
  Shifted out{mean, s, std::vector<double>(static_cast<std::size_t>(count)), 0, 0, 0};
  switch (shape.kind) {
    case Profile::Kind::series:
      series(shape.series, out);
      break;
    case Profile::Kind::ramp:
      ramp(shape.factor, out);
      break;
    case Profile::Kind::smooth:
      smooth(make_activation(spec), out);
      break;
    case Profile::Kind::values:
      values(shape.function, out);
      break;
  }
  return out;
}

Moment shifted_pair(const ActivationSpec& f, const ActivationSpec& g, const Shifted& x,
                    const Shifted& y, double cosine, double sine) {
  using Kind = Profile::Kind;
  const Profile p = profile_of(f), q = profile_of(g);
  if (p.kind == Kind::ramp && q.kind == Kind::ramp)
    return ramp_pair(p.factor * q.factor, x, y, cosine, sine);
  if (p.kind == Kind::smooth && q.kind == Kind::smooth)
    return smooth_pair(make_activation(f), make_activation(g), x, y, cosine, sine);
  const Function a = function_of(f), b = function_of(g);
  if (a == nullptr || b == nullptr)
    return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()};
  Poll::spend(5'000'000);
  const Estimate plane = nested_moment(a, b, x.mean, x.s, y.mean, y.s, cosine, sine);
  return {plane.value, plane.error + 64 * epsilon * x.root * y.root};
}

void shifted_moments(const ActivationSpec& spec, const MomentRows& wanted, const double* means,
                     const double* C) {
  const std::size_t n = static_cast<std::size_t>(wanted.count);
  for (std::size_t i = 0; i < n; ++i)
    if (!std::isfinite(C[i * n + i]) || !std::isfinite(means[i])) return overflown(wanted);
  const Profile shape = profile_of(spec);
  if (shape.kind == Profile::Kind::series) {
    polynomial_moments(shape.series, wanted, C, means);
    return;
  }
  const bool by_series = shape.kind != Profile::Kind::ramp;
  const int count = by_series ? terms : 1;
  MehlerTable table(n, static_cast<std::size_t>(count), 0, 1);
  std::vector<Shifted> one(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double s = std::sqrt(C[i * n + i]);
    std::size_t known = 0;
    while (known < i && !(one[known].s == s && one[known].mean == means[i])) ++known;
    one[i] = known < i ? one[known] : shifted(spec, means[i], s, count);
    if (by_series && known < i) table.copy(known, i);
    if (by_series && known == i)
      table.set(i, one[i].mu.data(), one[i].root * one[i].root, one[i].beyond);
  }
  std::vector<double> rho(table.padded, 0.0), value(table.padded), bound(table.padded);
  for (std::size_t i = static_cast<std::size_t>(wanted.first); i < n; ++i) {
    Poll::spend(static_cast<std::int64_t>(20 * i));
    if (by_series) {
      for (std::size_t j = 0; j <= i; ++j) {
        const double scale = one[i].s * one[j].s;
        rho[j] = scale > 0 ? std::clamp(C[i * n + j] / scale, -1.0, 1.0) : 0;
      }
      mehler_row(table, i, rho.data(), tolerance, value.data(), bound.data());
    }
    std::size_t last = n;  // parallel features repeat a pair many times
    for (std::size_t j = 0; j <= i; ++j) {
      const Shifted &x = one[i], &y = one[j];
      const double size = x.root * y.root;
      if (j == i) {
        value[j] = size;
        bound[j] = 2 * x.error * x.root + 32 * epsilon * size;
        continue;
      }
      if (by_series && bound[j] <= tolerance * size) {
        bound[j] += x.error * y.root + y.error * x.root + 32 * epsilon * size;
        continue;
      }
      if (last < n && one[last].s == y.s && one[last].mean == y.mean &&
          C[i * n + last] == C[i * n + j]) {
        value[j] = value[last];
        bound[j] = bound[last];
        continue;
      }
      Poll::spend(500);
      const double c = C[i * n + j];
      const double sine = std::sqrt(closed_form::determinant(C[i * n + i], C[j * n + j], c));
      const Moment found = shifted_pair(spec, spec, x, y, c, sine);
      value[j] = found.value;
      bound[j] = found.bound;
      last = j;
    }
    wanted.take(i, value.data(), bound.data());
  }
}

}  // namespace lrft
