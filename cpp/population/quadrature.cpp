#include "population/quadrature.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "simd/pack.hpp"

namespace lrft {

namespace {
constexpr double pi = 3.14159265358979323846;
}

// By Newton's method on P_n.
Rule gauss_legendre(int n) {
  Rule r;
  for (int i = 0; i < n; ++i) {
    double x = std::cos(pi * (i + 0.75) / (n + 0.5)), slope = 1.0;
    for (int pass = 0; pass < 8; ++pass) {
      double p0 = 1.0, p1 = x;
      for (int k = 2; k <= n; ++k) {
        const double p2 = ((2 * k - 1) * x * p1 - (k - 1) * p0) / k;
        p0 = p1;
        p1 = p2;
      }
      slope = n * (x * p1 - p0) / (x * x - 1.0);
      x -= p1 / slope;
    }
    r.x.push_back(x);
    r.w.push_back(2.0 / ((1.0 - x * x) * slope * slope));
  }
  return r;
}

namespace {

constexpr double reach = 13.0;  // exp(-x^2/4) is below 1e-18 there

const Rule& rule(int n) {
  static const Rule fine = gauss_legendre(16), coarse = gauss_legendre(10);
  return n == 16 ? fine : coarse;
}

void add_panel(const Rule& g, double from, double to, Rule& out) {
  const double half = 0.5 * (to - from), middle = 0.5 * (to + from);
  for (std::size_t k = 0; k < g.x.size(); ++k) {
    out.x.push_back(middle + half * g.x[k]);
    out.w.push_back(half * g.w[k]);
  }
}

// [0, far]: panels of `width`, the first halved `halvings` times towards 0.
Rule half_line(const Rule& g, double width, int halvings, double far = reach) {
  Rule r;
  double edge = std::ldexp(width, -halvings);
  add_panel(g, 0.0, edge, r);
  for (; edge < 0.75 * width; edge *= 2.0) add_panel(g, edge, 2.0 * edge, r);
  for (; edge < far; edge += width) add_panel(g, edge, edge + width, r);
  return r;
}

// [from, to], halved towards both ends.
Rule arc(const Rule& g, double from, double to, int halvings) {
  Rule r;
  const double half = 0.5 * (to - from);
  double edge = std::ldexp(half, -halvings);
  add_panel(g, from, from + edge, r);
  add_panel(g, to - edge, to, r);
  for (; edge < 0.75 * half; edge *= 2.0) {
    add_panel(g, from + edge, from + 2.0 * edge, r);
    add_panel(g, to - 2.0 * edge, to - edge, r);
  }
  return r;
}

Projection project_at(Function f, double mean, double s, int count, double width) {
  // Both ways from the kink.
  const double kink = mean == 0 ? 0 : s > 0 ? std::clamp(-mean / s, -reach, reach) : reach;
  const Rule half = half_line(rule(16), width, 12, reach + std::fabs(kink));
  const std::size_t nodes = 2 * half.x.size();  // a multiple of 8
  std::vector<double> x(nodes), weighted(nodes), before(nodes), now(nodes);
  Projection r;
  r.moment = r.error = 0.0;
  for (std::size_t k = 0; k < nodes; ++k) {
    x[k] = kink + (k % 2 == 0 ? half.x[k / 2] : -half.x[k / 2]);
    const double density = std::exp(-0.5 * x[k] * x[k]) / std::sqrt(2.0 * pi);
    const double value = f(mean + s * x[k]);
    weighted[k] = half.w[k / 2] * density * value;
    r.moment += weighted[k] * value;
    before[k] = 0.0;
    now[k] = 1.0;
  }
  for (int p = 0; p < count; ++p) {
    // he_{p+1} = (x he_p - sqrt(p) he_{p-1}) / sqrt(p+1)
    const double up = 1.0 / std::sqrt(p + 1.0), down = std::sqrt(p / (p + 1.0));
    Pack total = broadcast(0.0);
    for (std::size_t k = 0; k < nodes; k += lanes) {
      const Pack h = load(&now[k]);
      total = fma(h, load(&weighted[k]), total);
      store(&now[k], load(&x[k]) * h * up - load(&before[k]) * down);
      store(&before[k], h);
    }
    r.mu.push_back(sum(total));
  }
  return r;
}

// [-reach, reach]: panels of `width`, and panels that halve towards each break.
Rule line(const Rule& g, const std::vector<double>& breaks, double width, int halvings) {
  std::vector<double> edges{reach};
  for (double edge = -reach; edge < reach; edge += width) edges.push_back(edge);
  for (const double at : breaks) {
    if (!(std::fabs(at) < reach)) continue;
    edges.push_back(at);
    for (int i = 0; i < halvings; ++i)
      for (const double side : {-1.0, 1.0})
        edges.push_back(std::clamp(at + side * std::ldexp(width, -i), -reach, reach));
  }
  std::sort(edges.begin(), edges.end());
  Rule r;
  for (std::size_t i = 1; i < edges.size(); ++i)
    if (edges[i] > edges[i - 1]) add_panel(g, edges[i - 1], edges[i], r);
  for (std::size_t i = 0; i < r.x.size(); ++i)
    r.w[i] *= std::exp(-0.5 * r.x[i] * r.x[i]) / std::sqrt(2.0 * pi);
  return r;
}

double nested_at(Function f, Function g, double a, double s, double b, double along, double across,
                 const Rule& rule, double width) {
  // Averaged over y the second kink is smooth, on a scale of across / along.
  const Rule outer = line(rule, {-a / s, -b / along}, width, 24);
  double total = 0.0;
  for (std::size_t i = 0; i < outer.x.size(); ++i) {
    const double middle = b + along * outer.x[i];
    double inner = 0.0;
    if (across == 0.0) {
      inner = g(middle);
    } else {
      const Rule y = line(rule, {-middle / across}, width, 3);
      for (std::size_t k = 0; k < y.x.size(); ++k) inner += y.w[k] * g(middle + across * y.x[k]);
    }
    total += outer.w[i] * f(a + s * outer.x[i]) * inner;
  }
  return total;
}

double plane_at(Function f, Function g, double s, double t, double angle, const Rule& rule,
                int halvings) {
  const Rule radius = half_line(rule, 1.0, halvings);
  // The two factors change sign on the rays phi = +-pi/2 and angle +- pi/2; by a half
  // turn the sectors come in pairs, so integrate over half the circle, both signs.
  const double rays[3] = {-0.5 * pi, angle - 0.5 * pi, 0.5 * pi};
  double total = 0.0;
  for (int sector = 0; sector < 2; ++sector) {
    const Rule phi = arc(rule, rays[sector], rays[sector + 1], halvings);
    for (std::size_t a = 0; a < phi.x.size(); ++a) {
      // Both cosines as sines of the distance to their rays.
      const double u = s * std::cos(phi.x[a]);
      const double v = t * std::sin(phi.x[a] - rays[1]);
      double along = 0.0;
      for (std::size_t k = 0; k < radius.x.size(); ++k) {
        const double r = radius.x[k];
        along += radius.w[k] * r * std::exp(-0.5 * r * r) *
                 (f(u * r) * g(v * r) + f(-u * r) * g(-v * r));
      }
      total += phi.w[a] * along;
    }
  }
  return total / (2.0 * pi);
}

}  // namespace

Projection project(Function f, double mean, double s, int count) {
  const Projection coarse = project_at(f, mean, s, count, 0.5);
  Projection fine = project_at(f, mean, s, count, 0.25);
  double square = 0.0;
  for (std::size_t p = 0; p < fine.mu.size(); ++p) {
    const double gap = fine.mu[p] - coarse.mu[p];
    square += gap * gap;
  }
  fine.error = std::sqrt(square);
  return fine;
}

Estimate plane_moment(Function f, Function g, double s, double t, double cosine, double sine) {
  const double angle = std::atan2(sine, cosine);
  const double coarse = plane_at(f, g, s, t, angle, rule(10), 5);
  const double fine = plane_at(f, g, s, t, angle, rule(16), 6);
  return {fine, std::fabs(fine - coarse)};
}

Estimate nested_moment(Function f, Function g, double a, double s, double b, double t,
                       double cosine, double sine) {
  const double size = std::hypot(cosine, sine);
  const double along = size > 0.0 ? t * (cosine / size) : 0.0;
  const double across = size > 0.0 ? t * (sine / size) : t;
  const double coarse = nested_at(f, g, a, s, b, along, across, rule(10), 1.0);
  const double fine = nested_at(f, g, a, s, b, along, across, rule(16), 1.0);
  return {fine, std::fabs(fine - coarse)};
}

}  // namespace lrft
