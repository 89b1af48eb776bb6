// Gaussian expectations of a function known only through its values.
//
// Integrals are composite Gauss-Legendre sums with a break at 0, where activations have
// their kinks and steps, and panels that shrink towards it, so that large norms do no
// harm.  Every result is computed at two resolutions; `error` is their difference.  It is
// an estimate, not a proof: a function with structure elsewhere finer than the panels can
// defeat it.
#pragma once

#include <vector>

namespace lrft {

using Function = double (*)(double);

struct Estimate {
  double value, error;
};

// Gauss-Legendre on [-1, 1].
struct Rule {
  std::vector<double> x, w;
};
Rule gauss_legendre(int n);

// mu[p] = E[f(mean + s x) he_p(x)] for p < count;
// `moment` is E f(mean + s x)^2, `error` estimates the Euclidean norm of the errors of mu.
struct Projection {
  std::vector<double> mu;
  double moment, error;
};
Projection project(Function f, double mean, double s, int count);
inline Projection project(Function f, double s, int count) { return project(f, 0, s, count); }

// E[f(s x) g(t y)], x and y unit Gaussians of correlation cosine/hypot(cosine, sine): polar
// coordinates, where the lines of the kinks are rays.  About 1.5e5 evaluations of f and g twice.
Estimate plane_moment(Function f, Function g, double s, double t, double cosine, double sine);
// E[f(a + s x) g(b + t y)] of the same pair, one variable after the other with breaks at the kinks.
// About a million evaluations of g.
Estimate nested_moment(Function f, Function g, double a, double s, double b, double t,
                       double cosine, double sine);

}  // namespace lrft
